# SPDX-License-Identifier: MIT
"""UTC, TAI and smeared UTC: conversions that are exact or refused."""

from typing import NamedTuple, Self

from paraclock._enums import Leap, Smear
from paraclock._errors import check, new_text, make_error, to_text, explain
from paraclock._native import ffi, lib
from paraclock._sample import Sample

LEAP_LIST_PATH = "/usr/share/zoneinfo/leap-seconds.list"
"""Where Debian's tzdata and many other systems keep the list."""


class Utc(NamedTuple):
    """One instant on UTC."""

    ns: int
    """POSIX count, ns. The inserted second repeats the number of the one before
    it; leap tells them apart."""
    tai_offset_sec: int
    """TAI - UTC at this instant, s."""
    leap: Leap


class LeapTable:
    """What is known of leap seconds, and until when."""

    __slots__ = ("_c",)

    def __init__(self, text: bytes) -> None:
        """Read a leap-seconds list, as IERS publishes it.

        Raises MalformedError, with the line's number, if it is another text or
        damaged. An expired list is read: compare expires_sec with the present.
        """
        self._c = ffi.new("struct paraclock_leap_table *")
        detail = new_text()
        ret = lib.paraclock_leap_list_parse(text, len(text), detail,
                                            len(detail), self._c)
        if ret:
            raise make_error(ret, to_text(detail) or explain(ret))

    @classmethod
    def from_file(cls, path: str = LEAP_LIST_PATH) -> Self:
        """Read the list that is in a file."""
        with open(path, "rb") as file:
            return cls(file.read())

    @classmethod
    def from_sample(cls, sample: Sample) -> Self:
        """What a host's TAI offset and leap second state tell. Make a new one
        from each sample, or every hour."""
        table = cls.__new__(cls)
        table._c = ffi.new("struct paraclock_leap_table *")
        check(lib.paraclock_leap_table_from_sample(sample._c, table._c))
        return table

    @property
    def expires_sec(self) -> int:
        """Everything is known up to here, POSIX count of UTC, s."""
        return int(self._c.expires_sec)

    @property
    def updated_sec(self) -> int | None:
        """When the list was updated, POSIX count, s; None: not known."""
        return self._c.updated_sec or None

    def tai_to_utc(self, tai_ns: int) -> Utc:
        """UTC at an instant of TAI, ns since 1970-01-01 TAI."""
        c = ffi.new("struct paraclock_utc *")
        check(lib.paraclock_tai_to_utc(self._c, tai_ns, c))
        return Utc(c.ns, c.tai_offset_sec, Leap(c.leap))

    def utc_to_tai(self, ns: int, leap: Leap = Leap.UNKNOWN) -> int:
        """TAI, ns, at an instant of UTC. In an inserted second leap is
        Leap.POS, in the second before it Leap.PRE_POS."""
        c = ffi.new("struct paraclock_utc *", {"ns": ns, "leap": leap})
        ret_ns = ffi.new("int64_t *")
        check(lib.paraclock_utc_to_tai(self._c, c, ret_ns))
        return int(ret_ns[0])

    def tai_to_smeared(self, smear: Smear, tai_ns: int) -> int:
        """Smeared UTC, POSIX count, ns, at an instant of TAI."""
        ret_ns = ffi.new("int64_t *")
        check(lib.paraclock_tai_to_smeared(self._c, smear, tai_ns, ret_ns))
        return int(ret_ns[0])

    def smeared_to_tai(self, smear: Smear, smeared_ns: int) -> int:
        """TAI, ns, at a value of smeared UTC. smear is the one that the clock
        follows: a time does not show which that is."""
        ret_ns = ffi.new("int64_t *")
        check(lib.paraclock_smeared_to_tai(self._c, smear, smeared_ns, ret_ns))
        return int(ret_ns[0])


def sample_to_tai(sample: Sample, table: LeapTable | None = None) -> int:
    """TAI, ns since 1970-01-01 TAI, at a sample's instant: by the table or,
    without one, by the sample's own offset of TAI."""
    ret_ns = ffi.new("int64_t *")
    c_table = ffi.NULL if table is None else table._c
    check(lib.paraclock_sample_to_tai(sample._c, c_table, ret_ns))
    return int(ret_ns[0])
