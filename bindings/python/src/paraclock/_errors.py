# SPDX-License-Identifier: MIT
"""What is raised. The message says what failed, why, and what to do.

Each class is another next step for the caller; Error catches all of them.
"""

import errno as _errno
from typing import TYPE_CHECKING

from paraclock._native import ffi, lib
from paraclock._types import CData

if TYPE_CHECKING:
    from paraclock._sample import Sample

# The longest of them says why each source is not here.
_SENTENCE_SIZE = 1536


class Error(Exception):
    """There is no answer. errno is the error, positive, as in module errno."""

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(errno, message)
        self.errno = errno
        self.message = message

    @property
    def name(self) -> str:
        """The name of the error: "EAGAIN"."""
        name = to_text(lib.paraclock_error_name(-self.errno))
        if name == "unknown":
            return _errno.errorcode.get(self.errno, name)
        return name

    def __str__(self) -> str:
        return self.message


class AgainError(Error):
    """EAGAIN: the page was being changed all the time. Try again."""


class AbsentError(Error):
    """ENODEV: the source is not here, or has gone, or the counters are not
    coupled. Take another source."""


class AccessError(Error):
    """EACCES, EPERM: the source is here, but this process may not use it. The
    message has the remedy."""


class MalformedError(Error):
    """EPROTO: the page is not a valid clock page, or the list or script is
    wrong. The message names the field or the line."""


class UnsupportedError(Error):
    """EOPNOTSUPP: this source, or this sample, cannot give that."""


class ArgumentError(Error, ValueError):
    """EINVAL: an argument is wrong, or asks for what is not known here."""


class RangeError(Error):
    """ERANGE: the result does not fit, or is before or after what is known."""


class StaleError(Error):
    """ESTALE: a disruption or a clock set came in between, or a leap second
    table has expired. Measure again, or get another table."""


class DeviceTimeoutError(Error):
    """ETIMEDOUT: a device did not answer. Try again later."""


class ClosedError(Error, ValueError):
    """EBADF: the clock, the world or the watch is closed."""


class NotValidError(Error):
    """There is an answer, but it may not be used; sample.reason says why."""

    def __init__(self, errno: int, message: str, sample: "Sample") -> None:
        super().__init__(errno, message)
        self.args = (errno, message, sample)
        self.sample = sample


_CLASSES: dict[int, type[Error]] = {
    _errno.EAGAIN: AgainError,
    _errno.ENODEV: AbsentError,
    _errno.EACCES: AccessError,
    _errno.EPERM: AccessError,
    _errno.EPROTO: MalformedError,
    _errno.EOPNOTSUPP: UnsupportedError,
    _errno.EINVAL: ArgumentError,
    _errno.ERANGE: RangeError,
    _errno.ESTALE: StaleError,
    _errno.ETIMEDOUT: DeviceTimeoutError,
}


def make_error(ret: int, message: str) -> Error:
    """The exception for what a function returned."""
    return _CLASSES.get(-ret, Error)(-ret, message)


def closed(what: str) -> ClosedError:
    return ClosedError(_errno.EBADF, f"the {what} is closed")


def new_text() -> CData:
    """A buffer for a sentence."""
    return ffi.new("char[]", _SENTENCE_SIZE)


def to_text(c_text: CData) -> str:
    """A string of the library's. Pages and devices may have put any bytes into
    it."""
    if c_text == ffi.NULL:
        return ""
    return ffi.string(c_text).decode("utf-8", "backslashreplace")


def explain(ret: int, c_sample: CData = ffi.NULL) -> str:
    """What an error, or with 0 a sample, means; without a clock."""
    text = new_text()
    lib.clock_explain(ffi.NULL, ret, c_sample, text, _SENTENCE_SIZE)
    return to_text(text)


def check(ret: int, message: str = "") -> int:
    """Raise what a function returned, if that is an error."""
    if ret < 0:
        raise make_error(ret, message or explain(ret))
    return ret
