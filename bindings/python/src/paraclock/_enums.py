# SPDX-License-Identifier: MIT
"""The enums and flags of the C headers, under the same names and values.

PARACLOCK_TIMESCALE_UTC is Timescale.UTC. str() of a value is its name as the
command line and JSON have it: "utc-maybe-smeared".
"""

from enum import IntEnum, IntFlag
from typing import Self


class Named(IntEnum):
    """An enum whose values have names; a newer library may have more."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        # What a newer library says must not make a reading fail.
        if not isinstance(value, int) or not 0 <= value <= 255:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"VALUE_{value}"
        member._value_ = value
        return member

    @property
    def label(self) -> str:
        """The name as the command line has it; "unknown": not known here."""
        if self.name.startswith("VALUE_"):
            return "unknown"
        return self.name.lower().replace("_", "-")

    def __str__(self) -> str:
        return self.label

    def __format__(self, spec: str) -> str:
        return format(self.label, spec)


class Timescale(Named):
    """The scale that a time is counted on."""

    UNKNOWN = 0
    MONOTONIC = 1
    """Since an unspecified start; comparable only with itself."""
    UTC = 2
    """Since 1970-01-01, POSIX count: leap seconds are not counted."""
    TAI = 3
    """Since 1970-01-01 TAI."""
    UTC_MAYBE_SMEARED = 4
    """UTC, but its keeper may smear leap seconds over hours."""


class Counter(Named):
    """A CPU counter."""

    NONE = 0
    X86_TSC = 1
    ARM_VCNT = 2
    USER = 128
    """From here to 254: the caller's own counters, for couplings."""
    ANY = 255
    """Never in a sample."""


class Reason(Named):
    """Why a sample is not valid."""

    OK = 0
    HOST_CLOCK = 1
    """The host gave a time, but no counter value with it."""
    UNSTABLE = 2
    """The counters of the CPUs are not known to agree."""
    SEQUENCE = 3
    """The host has switched the page off."""
    STATUS = 4
    """The host does not vouch for the time on the page."""
    COUNTER = 5
    """The page counts with a counter that is not this machine's."""
    WINDOW = 6
    """The counter is outside of the page's window, the page is too old, or a
    leap second is ambiguous."""
    WIDE = 7
    """The pair is wider than max_pair_error_ns."""
    DISRUPTED = 8
    """A disruption is pending: the page may still be the old one."""
    IMPLAUSIBLE = 9
    """A second clock contradicts this one."""


class MarkerClass(Named):
    """What equal epochs promise. None of them promises that the machine was
    not paused."""

    NONE = 0
    """Nothing."""
    HEURISTIC = 1
    """The page's parameters did not jump."""
    AUTHORITATIVE = 2
    """The host's own marker is unchanged."""


class Leap(Named):
    """Leap second state, for one instant."""

    NONE = 0
    PRE_POS = 1
    """A positive leap second ends this UTC month."""
    PRE_NEG = 2
    """A negative leap second ends this UTC month."""
    POS = 3
    """Now inside the inserted second, 23:59:60."""
    POST_POS = 4
    """The last UTC month ended with a positive leap second."""
    POST_NEG = 5
    """The last UTC month ended with a negative leap second."""
    UNKNOWN = 255
    """The source does not say."""


class EventKind(Named):
    """What happened."""

    UPDATED = 1
    """The host's parameters of the counter, or its marker, changed."""
    PAUSED = 2
    """The host says that it stopped this machine for a while."""
    JUMPED = 3
    """The host clock jumped against the counter."""
    MIGRATED = 4
    """A source says that the machine was moved."""
    RESTORED = 5
    """The machine was restored from a saved state, or is a clone."""
    CLOCK_SET = 6
    """This machine's CLOCK_REALTIME was set: no disruption."""
    CLOCKSOURCE_CHANGED = 7
    """The kernel has another clocksource: no disruption."""
    SOURCE_LOST = 8
    """The source can no longer be read: disruptions go unseen."""
    SOURCE_FOUND = 9
    """It can be read again."""


class SystemClock(Named):
    """A clock of this machine's kernel."""

    REALTIME = 0
    MONOTONIC = 1
    MONOTONIC_RAW = 2
    BOOTTIME = 3
    TAI = 4


class ClocksourceKind(Named):
    """How the kernel's clocksource relates to the counter."""

    UNKNOWN = 0
    COUNTER = 1
    """The counter itself."""
    IMAGE = 2
    """A page that converts the counter to ns."""
    OTHER = 3


class Firmware(Named):
    """Where firmware announces a device."""

    NONE = 0
    ACPI = 1
    DEVICE_TREE = 2
    UNKNOWN = 3
    """Firmware's tables are hidden, as in a container."""


class Smear(Named):
    """How a leap second is spread."""

    NONE = 0
    NOON_LINEAR = 1
    """From noon UTC before to noon UTC after."""
    UTC_SLS = 2
    """Over the last 1000 s of the UTC day."""


class SampleFlag(IntFlag):
    """Sample.flags."""

    OWN_KERNEL = 0x1
    """The source only repeats this kernel's own clock."""
    TAI_OFFSET = 0x2
    """tai_offset_sec is known."""
    MONOTONIC = 0x4
    """The host promises that its clock never steps back."""
    UNVOUCHED = 0x8
    """The driver hides whether the host still vouches for the time."""


class EventFlag(IntFlag):
    """Event.flags."""

    LOST = 0x1
    """Events before this one were lost."""
    BEFORE = 0x2
    AFTER = 0x4
    GAP = 0x8
    MARKERS = 0x10


class OpenFlag(IntFlag):
    """For paraclock.open()."""

    FIXED_SIZE = 0x1
    """The file at device never gets shorter while it is open, so it may be
    mapped. If it is truncated all the same, a read ends the process (SIGBUS).
    """
    MEMORY = 0x2
    """Look at the marker of this machine's vmclock in physical memory, as root,
    if no driver shows its page."""


class OffsetFlag(IntFlag):
    """Offset.flags."""

    MAYBE_SMEARED = 0x1
    """The host may smear leap seconds, and nothing shows that none is within a
    day: there is no bound."""
    BRACKETED = 0x2
    """CLOCK_REALTIME was read between two reads of the host clock."""
    NEAR_LEAP = 0x4
    """A leap second is too close. Measure again in a second or two."""


class CouplingFlag(IntFlag):
    """Coupling.flags."""

    FIXED = 0x1
    """The ratio and the offset are constant."""
    TO_DEVICE = 0x2
    """The formula computes the device's counter from the system's."""


class CheckFlag(IntFlag):
    """What a check compared, and what contradicts."""

    RATE = 0x1
    """The rate, against CLOCK_MONOTONIC_RAW."""
    OTHER_RATE = 0x2
    """The rate, against the other clock."""
    OTHER_OFFSET = 0x4
    """The offset to the other clock."""
