# SPDX-License-Identifier: MIT
"""One answer of a host clock, and the interval that true time lies in."""

import errno
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from paraclock._enums import (Counter, Leap, MarkerClass, Named, Reason,
                              SampleFlag, Timescale)
from paraclock._errors import explain, make_error
from paraclock._hot import SampleBase, sample_from_bytes, set_sample_class
from paraclock._native import ffi, lib
from paraclock._types import CData

_NS_PER_SEC = 1_000_000_000
_SEC_PER_DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNKNOWN = (1 << 64) - 1
_SAMPLE = ffi.typeof("struct paraclock_sample *")
_INT64 = ffi.typeof("int64_t *")
# TAI - UTC has not been outside of this since 1972.
_PLAUSIBLE_OFFSET = range(10, 101)



def to_datetime(ns: int) -> datetime:
    """The us that a count of ns since 1970 lies in: rounded down."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def format_utc(ns: int, *, inserted: bool = False) -> str:
    """2026-11-29T03:51:00.123456789Z; an inserted second is 23:59:60."""
    sec, rest = divmod(ns, _NS_PER_SEC)
    when = _EPOCH + timedelta(seconds=sec)
    text = when.strftime("%H:%M:%S")
    if inserted:
        text = text[:-2] + "60"
    date = f"{when.year:04d}-{when.month:02d}-{when.day:02d}"
    return f"{date}T{text}.{rest:09d}Z"


class Interval(NamedTuple):
    """True UTC lies between these two times, both included."""

    earliest_ns: int
    """POSIX count, ns since 1970."""
    latest_ns: int
    """The same, not before the other."""

    @property
    def earliest(self) -> datetime:
        """Rounded down to a us, so that the interval still holds."""
        return to_datetime(self.earliest_ns)

    @property
    def latest(self) -> datetime:
        """Rounded up to a us, so that the interval still holds."""
        return to_datetime(self.latest_ns + 999)

    def __str__(self) -> str:
        return f"{format_utc(self.earliest_ns)}/{format_utc(self.latest_ns)}"


class IntervalTai(NamedTuple):
    """True TAI lies between these two times, both included."""

    earliest_ns: int
    """ns since 1970-01-01 TAI."""
    latest_ns: int
    """The same, not before the other."""


class Marker(NamedTuple):
    """What the host shows of disruptions."""

    value: int
    """Changes after every disruption that its writer knows of."""
    generation: int
    """Changes after a restore or clone; 0: not provided."""

    def __str__(self) -> str:
        return f"0x{self.value:016x}/0x{self.generation:016x}"


def unknown_to_none(value: int) -> int | None:
    return None if value == _UNKNOWN else value


class Sample(SampleBase):
    """One answer of a host clock. It never changes.

    The members have the names of the C struct. Unknown is None: a bound that
    is not known, and an offset of TAI that is not known.
    """

    __slots__ = ()

    def __new__(cls, *, host_ns: int = 0, host_tsc: int = 0,
                pair_error_ns: int | None = None,
                clock_error_ns: int | None = None, epoch: int = 0,
                valid: bool = False, reason: int = Reason.OK,
                timescale: int = Timescale.UNKNOWN,
                counter: int = Counter.NONE, leap: int = Leap.UNKNOWN,
                marker_class: int = MarkerClass.NONE,
                tai_offset_sec: int | None = None,
                flags: int = 0) -> "Sample":
        """A sample of your own, for a test or for correlate().

        tai_offset_sec decides on SampleFlag.TAI_OFFSET.
        """
        # Of a flag, ~ leaves only bits that are known here.
        flags &= ~int(SampleFlag.TAI_OFFSET)
        if tai_offset_sec is not None:
            flags |= SampleFlag.TAI_OFFSET
        return sample_from_bytes(ffi.buffer(ffi.new(_SAMPLE, {
            "host_ns": host_ns,
            "host_tsc": host_tsc,
            "pair_error_ns":
                _UNKNOWN if pair_error_ns is None else pair_error_ns,
            "clock_error_ns":
                _UNKNOWN if clock_error_ns is None else clock_error_ns,
            "epoch": epoch,
            "valid": 1 if valid else 0,
            "reason": reason,
            "timescale": timescale,
            "counter": counter,
            "leap": leap,
            "marker_class": marker_class,
            "tai_offset_sec": tai_offset_sec or 0,
            "flags": flags,
        })))

    # --- the members of the C struct --------------------------------------

    @property
    def reason(self) -> Reason:
        """Why the sample is not valid; Reason.OK if it is."""
        return Reason(self._reason)

    @property
    def timescale(self) -> Timescale:
        """The scale of host_ns."""
        return Timescale(self._timescale)

    @property
    def counter(self) -> Counter:
        """The counter of host_tsc."""
        return Counter(self._counter)

    @property
    def leap(self) -> Leap:
        """Leap second state, for the sample's own instant."""
        return Leap(self._leap)

    @property
    def marker_class(self) -> MarkerClass:
        """What equal epochs promise."""
        return MarkerClass(self._marker_class)

    @property
    def flags(self) -> SampleFlag:
        """OWN_KERNEL, TAI_OFFSET, MONOTONIC, UNVOUCHED."""
        return SampleFlag(self._flags)

    @property
    def _c(self) -> CData:
        return ffi.from_buffer(_SAMPLE, self)

    # --- the time of day --------------------------------------------------

    @property
    def utc_ns(self) -> int | None:
        """UTC, POSIX count, ns since 1970: exact.

        None if the sample does not say what time it is: it is not valid, or on
        MONOTONIC or UNKNOWN, or on TAI without a plausible offset of TAI, or on
        TAI inside an inserted second, in which hosts disagree on that offset.

        With UTC_MAYBE_SMEARED the host may be smearing a leap second, and be up
        to a second away from UTC for as long as a day. An inserted second
        repeats the numbers of the second before it (leap is Leap.POS), also
        where the host numbers it as the second after it.
        """
        if not self.valid:
            return None
        timescale = self._timescale
        if timescale in (Timescale.UTC, Timescale.UTC_MAYBE_SMEARED):
            if (self._leap == Leap.POS and
                    self.host_ns // _NS_PER_SEC % _SEC_PER_DAY == 0):
                return self.host_ns - _NS_PER_SEC
            return self.host_ns
        offset = self.tai_offset_sec
        if (timescale != Timescale.TAI or self._leap == Leap.POS or
                offset is None or offset not in _PLAUSIBLE_OFFSET):
            return None
        return self.host_ns - offset * _NS_PER_SEC

    @property
    def in_inserted_second(self) -> bool:
        """UTC is 23:59:60, which utc_ns numbers as the second before it."""
        ns = self.utc_ns
        return (ns is not None and self._leap == Leap.POS and
                ns // _NS_PER_SEC % 60 == 59)

    @property
    def time(self) -> datetime | None:
        """UTC, rounded down to a us; None where utc_ns is None.

        A datetime has no 23:59:60: inside an inserted second it is 23:59:59
        with fold=1. For every ns take utc_ns, or isoformat().
        """
        ns = self.utc_ns
        if ns is None:
            return None
        when = to_datetime(ns)
        return when.replace(fold=1) if self.in_inserted_second else when

    def isoformat(self) -> str | None:
        """UTC with all digits: "2026-11-29T03:51:00.123456789Z"; 23:59:60
        inside an inserted second. None where utc_ns is None."""
        ns = self.utc_ns
        if ns is None:
            return None
        return format_utc(ns, inserted=self.in_inserted_second)

    def interval(self) -> Interval:
        """Between which two times true UTC lies.

        Raises ArgumentError if the sample is not valid; UnsupportedError if it
        has no bound, is not on UTC or TAI, may be smeared, has no plausible
        offset of TAI, or if a leap second is too close; RangeError before 1972
        and after mid-2261.
        """
        ends = ffi.new(_INT64), ffi.new(_INT64)
        ret = lib.paraclock_interval_ns(self._c, *ends)
        if ret:
            raise make_error(ret, self._why_no_interval(ret))
        return Interval(ends[0][0], ends[1][0])

    def interval_tai(self) -> IntervalTai:
        """Between which two times true TAI lies: what a commit-wait compares.

        Raises what interval() raises. No leap second disturbs a sample on TAI.
        """
        ends = ffi.new(_INT64), ffi.new(_INT64)
        ret = lib.paraclock_interval_tai_ns(self._c, *ends)
        if ret:
            raise make_error(ret, self._why_no_interval(ret))
        return IntervalTai(ends[0][0], ends[1][0])

    def _why_no_interval(self, ret: int) -> str:
        if not self.valid:
            return f"the sample is not valid: {explain(0, self._c)}"
        if ret == -errno.ERANGE:
            return "the sample's UTC is before 1972 or after mid-2261"
        if self.timescale not in (Timescale.UTC, Timescale.TAI):
            return (f"the sample is on the timescale {self.timescale}, which "
                    f"says nothing certain of UTC or TAI; open a source with "
                    f"timescales=(Timescale.UTC, Timescale.TAI)")
        if self.clock_error_ns is None or self.pair_error_ns is None:
            return ("the sample has no bound: its host states none. `paraclock "
                    "serve` makes a time with a bound of one without")
        if self.tai_offset_sec not in _PLAUSIBLE_OFFSET and (
                self.timescale == Timescale.TAI or
                self.leap not in (Leap.POS, Leap.UNKNOWN)):
            return "the sample has no plausible offset of TAI from UTC"
        return ("a leap second is too close: UTC repeats or leaves out a "
                "second. Measure again when it is over, or compare TAI by "
                "interval_tai()")

    # --- as a value -------------------------------------------------------

    def _asdict(self) -> dict[str, Any]:
        """The members of the C struct, by name."""
        return {name: getattr(self, name) for name in SAMPLE_MEMBERS}

    def _key(self) -> bytes:
        return bytes(ffi.buffer(self._c))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sample):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        members = ", ".join(f"{name}={value}" if isinstance(value, Named)
                            else f"{name}={value!r}"
                            for name, value in self._asdict().items())
        return f"Sample({members})"

    def __reduce__(self) -> tuple[Any, ...]:
        return sample_from_bytes, (self._key(),)

    def __copy__(self) -> "Sample":
        return self

    def __deepcopy__(self, memo: object) -> "Sample":
        return self


SAMPLE_MEMBERS = ("host_ns", "host_tsc", "pair_error_ns", "clock_error_ns",
                  "epoch", "valid", "reason", "timescale", "counter", "leap",
                  "marker_class", "tai_offset_sec", "flags")


def copy_of(c_sample: CData) -> Sample:
    """The Sample of a struct paraclock_sample."""
    return sample_from_bytes(ffi.buffer(ffi.addressof(c_sample)))


set_sample_class(Sample)
