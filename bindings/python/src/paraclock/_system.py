# SPDX-License-Identifier: MIT
"""The system clocks: this machine's own, and the host's time beside them."""

import errno
from dataclasses import dataclass, field
from typing import Callable, Mapping

from paraclock import _env, _errors
from paraclock._enums import (ClocksourceKind, Counter, CouplingFlag, Firmware,
                              OffsetFlag, Reason, SystemClock)
from paraclock._env import Env
from paraclock._errors import check, to_text
from paraclock._fork import new_lock
from paraclock._hot import read_counter
from paraclock._leap import LeapTable
from paraclock._native import ffi, lib
from paraclock._sample import Sample, copy_of, unknown_to_none
from paraclock._types import CData


def _known_clocks(c: CData, known: int) -> dict[SystemClock, int]:
    return {clock: c.ns[clock] for clock in SystemClock if known >> clock & 1}


@dataclass(frozen=True, kw_only=True)
class _SystemTimes:
    counter: int
    """This machine's counter, ticks."""
    ns: Mapping[SystemClock, int]
    """The clocks that are known at counter, ns."""
    uncertainty_ns: int
    """Each is within this of what the kernel would have said then, ns."""
    clocksource: str
    """The kernel's clocksource, as sysfs names it; "": unknown."""
    clocksource_kind: ClocksourceKind
    clock_was_set_seq: int
    """Changes after CLOCK_REALTIME (or the TAI offset) was set."""
    clocksource_changed_seq: int
    """Changes after another clocksource, or a jump of the counter."""
    tai_offset_sec: int | None
    """TAI - UTC by this kernel, s; None: it has no offset."""

    @property
    def realtime_ns(self) -> int | None:
        """CLOCK_REALTIME, ns since 1970; None: not known."""
        return self.ns.get(SystemClock.REALTIME)

    @property
    def monotonic_ns(self) -> int | None:
        """CLOCK_MONOTONIC, ns; None: not known."""
        return self.ns.get(SystemClock.MONOTONIC)

    @property
    def monotonic_raw_ns(self) -> int | None:
        """CLOCK_MONOTONIC_RAW, ns; None: not known."""
        return self.ns.get(SystemClock.MONOTONIC_RAW)

    @property
    def boottime_ns(self) -> int | None:
        """CLOCK_BOOTTIME, ns; None: not known."""
        return self.ns.get(SystemClock.BOOTTIME)

    @property
    def tai_ns(self) -> int | None:
        """CLOCK_TAI, ns; None: not known."""
        return self.ns.get(SystemClock.TAI)


@dataclass(frozen=True, kw_only=True)
class Snapshot(_SystemTimes):
    """The system clocks and the counter, captured together."""

    counter_id: Counter
    valid_for_correlation: bool
    """False: a counter value says nothing about these clocks."""
    counter_step: int
    """The step of the counter, ticks; 0: not known."""


@dataclass(frozen=True, kw_only=True)
class CrossTimestamp(_SystemTimes):
    """A sample and the system clocks at the same instant. If the sample is not
    valid, no clock is known."""

    sample: Sample
    realtime_valid: bool
    """False: CLOCK_REALTIME was set around that instant, or sample is not
    valid."""
    interpolated_from_history: bool
    _c: CData = field(repr=False, compare=False)

    def offset(self, *, leap_table: LeapTable | None = None,
               start_utc_ns: int = 0,
               assume_tai_offset_sec: int = 0) -> "Offset":
        """How far CLOCK_REALTIME was off then; see Clock.offset(). Raises
        StaleError if CLOCK_REALTIME is not known."""
        c = new_offset(leap_table, start_utc_ns, assume_tai_offset_sec)
        check(lib.paraclock_offset_of(self._c, c))
        return to_offset(c)


@dataclass(frozen=True, kw_only=True)
class Offset:
    """How far CLOCK_REALTIME is off: the host's UTC less CLOCK_REALTIME."""

    valid: bool
    """False: it is not known, and the numbers are None; reason says why."""
    reason: Reason
    """That of the sample, or WINDOW with the flag NEAR_LEAP."""
    flags: OffsetFlag
    offset_ns: int | None
    """Positive: this machine is behind. Add it to CLOCK_REALTIME, ns."""
    error_ns: int | None
    """offset_ns is the host clock's to within this, ns."""
    bound_ns: int | None
    """True UTC less CLOCK_REALTIME is offset_ns to within this, ns. None: the
    host states no bound, or none that holds for UTC."""
    utc_ns: int | None
    """The host's UTC at counter, POSIX count, ns."""
    realtime_ns: int | None
    """CLOCK_REALTIME at counter, ns."""
    monotonic_raw_ns: int | None
    """CLOCK_MONOTONIC_RAW at counter, ns."""
    counter: int
    """This machine's counter at that instant, ticks."""
    sample: Sample
    """Its flag OWN_KERNEL says that the offset is of no use: this kernel's
    clock against itself."""


def new_offset(leap_table: LeapTable | None, start_utc_ns: int,
               assume_tai_offset_sec: int) -> CData:
    """Keep the table for as long as this is in use."""
    c = ffi.new("struct paraclock_offset *")
    c.size = ffi.sizeof(c[0])
    c.leap_table = ffi.NULL if leap_table is None else leap_table._c
    c.start_utc_ns = start_utc_ns
    c.assume_tai_offset_sec = assume_tai_offset_sec
    return c


def to_offset(c: CData) -> Offset:
    # With NEAR_LEAP the library gives the difference of two counts, which is
    # not an offset that anybody should add.
    def known(value: int) -> int | None:
        return value if c.valid else None

    return Offset(
        valid=bool(c.valid), reason=Reason(c.reason),
        flags=OffsetFlag(c.flags), offset_ns=known(c.offset_ns),
        error_ns=unknown_to_none(c.error_ns),
        bound_ns=unknown_to_none(c.bound_ns) if c.valid else None,
        utc_ns=known(c.utc_ns), realtime_ns=known(c.realtime_ns),
        monotonic_raw_ns=known(c.monotonic_raw_ns), counter=c.counter,
        sample=copy_of(c.sample))


def _common(c: CData, known: int) -> dict[str, object]:
    return {
        "counter": c.counter,
        "ns": _known_clocks(c, known),
        "uncertainty_ns": c.uncertainty_ns,
        "clocksource": to_text(c.clocksource),
        "clocksource_kind": ClocksourceKind(c.clocksource_kind),
        "clock_was_set_seq": c.clock_was_set_seq,
        "clocksource_changed_seq": c.clocksource_changed_seq,
        "tai_offset_sec":
            c.tai_offset_sec if known >> SystemClock.TAI & 1 else None,
    }


def to_crosststamp(c: CData) -> CrossTimestamp:
    known = c.known
    if not c.realtime_valid:
        known &= ~(1 << SystemClock.REALTIME)
    common: dict[str, object] = _common(c, known)
    return CrossTimestamp(
        **common,  # type: ignore[arg-type]
        sample=copy_of(c.sample),
        realtime_valid=bool(c.realtime_valid),
        interpolated_from_history=bool(c.interpolated_from_history),
        _c=c)


def new_crosststamp(brackets: int) -> CData:
    c = ffi.new("struct paraclock_crosststamp *")
    c.size = ffi.sizeof(c[0])
    c.brackets = brackets
    return c


def _new_snapshot(brackets: int) -> CData:
    c = ffi.new("struct paraclock_snapshot *")
    c.size = ffi.sizeof(c[0])
    c.brackets = brackets
    return c


def _to_snapshot(c: CData) -> Snapshot:
    return Snapshot(
        **_common(c, c.known),  # type: ignore[arg-type]
        counter_id=Counter(c.counter_id),
        valid_for_correlation=bool(c.valid_for_correlation),
        counter_step=c.counter_step)


def snapshot(brackets: int = 0, *, env: Env | None = None) -> Snapshot:
    """Capture the system clocks and the counter together.

    brackets, 0 to 16, is how many brackets to take; 0: two. More of them make
    uncertainty_ns smaller. Raises AgainError if the clocks kept being set.
    """
    env = _env.choose(env)
    c = _new_snapshot(brackets)
    check(lib.paraclock_snapshot(_env.c_env(env), c))
    return _to_snapshot(c)


def refresh(*, env: Env | None = None) -> None:
    """Read the name of the kernel's clocksource anew: call this after changing
    it. Otherwise snapshots notice a change by themselves."""
    env = _env.choose(env)
    check(lib.paraclock_refresh(_env.c_env(env)))


def counter(*, env: Env | None = None) -> int:
    """The CPU counter now, ticks: stamp with it, and convert by
    Clock.read_at() later."""
    env = _env.choose(env)
    if env is None:
        return read_counter()
    return int(lib.paraclock_counter(_env.c_env(env)))


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What machine this is, as far as clocks go."""

    hypervisor: str
    """"kvm", "hyper-v", ...; "unknown": not known which; "none": none is here;
    "": not known whether one is here."""
    clocksource: str
    """The kernel's clocksource; "": unknown."""
    counter: Counter
    invariant: bool
    """The counter runs at one rate in every power state."""
    measured: bool
    """counter_hz was measured; otherwise firmware states it."""
    vmclock: Firmware
    """Is a vmclock announced?"""
    vmgenid: Firmware
    """Is a VM generation id announced?"""
    counter_hz: int | None
    """Frequency of the counter, Hz; None: unknown."""
    stated_hz: int | None
    """What firmware states, Hz; None: nothing."""
    measured_hz: int | None
    """The frequency by CLOCK_MONOTONIC_RAW, Hz; None: not measured."""
    measured_error_hz: int
    """measured_hz is within this of the frequency, Hz."""
    evidence: tuple[str, ...]
    """The signs of a hypervisor."""


def describe_machine(*, env: Env | None = None) -> Machine:
    """Describe this machine. Takes 1 ms, or 10 ms if nothing states the
    counter's frequency."""
    env = _env.choose(env)
    c = ffi.new("struct paraclock_machine *")
    c.size = ffi.sizeof(c[0])
    check(lib.paraclock_describe_machine(_env.c_env(env), c))
    return Machine(
        hypervisor=to_text(c.hypervisor),
        clocksource=to_text(c.clocksource),
        counter=Counter(c.counter),
        invariant=bool(c.invariant),
        measured=bool(c.measured),
        vmclock=Firmware(c.vmclock),
        vmgenid=Firmware(c.vmgenid),
        counter_hz=c.counter_hz or None,
        stated_hz=c.stated_hz or None,
        measured_hz=c.measured_hz or None,
        measured_error_hz=c.measured_error_hz,
        evidence=tuple(text for text in map(to_text, c.evidence) if text))


class History:
    """Snapshots of earlier times, for counter values from before a call.

    Feed it with add(), from one thread at a time; pass it to crosststamp().
    """

    def __init__(self, entries: int = 64, *, env: Env | None = None) -> None:
        """entries: how many snapshots it holds, 2 to 65536."""
        self._env = _env.choose(env)
        self._lock = new_lock(self)
        ret_history = ffi.new("struct history **")
        check(lib.history_new(ret_history, _env.c_env(self._env),
                              _env.c_owner(self._env), entries))
        self._h = ffi.gc(ret_history[0], lib.history_free)

    def add(self, brackets: int = 0) -> Snapshot:
        """Take a snapshot, add it as the newest, and return it."""
        c = _new_snapshot(brackets)
        with self._lock:
            check(lib.paraclock_snapshot(_env.c_env(self._env), c))
            check(lib.history_add(self._h, c))
        return _to_snapshot(c)


def c_history(history: History | None) -> CData:
    return ffi.NULL if history is None else history._h


class Watch:
    """Sees CLOCK_REALTIME being set, however little, and another clocksource.

    Snapshots notice most of that by themselves.
    """

    def __init__(self, *, env: Env | None = None) -> None:
        self._env = _env.choose(env)
        self._lock = new_lock(self)
        ret_watch = ffi.new("struct watch **")
        self._h: CData = ffi.NULL
        check(lib.watch_open(ret_watch, _env.c_env(self._env),
                             _env.c_owner(self._env)))
        self._h = ffi.gc(ret_watch[0], lib.watch_free)

    def fileno(self) -> int:
        """A descriptor that polls readable when update() should be called, and
        at least once a second. The watch owns it."""
        return self._check(lib.watch_fd(self._h))

    def update(self) -> bool:
        """True: something was set or changed since the last call."""
        with self._lock:
            return bool(self._check(lib.watch_update(self._h)))

    def _check(self, ret: int) -> int:
        if ret < 0 and self._h == ffi.NULL:
            raise _errors.closed("watch")
        return check(ret)

    @property
    def closed(self) -> bool:
        return bool(self._h == ffi.NULL)

    def close(self) -> None:
        """Close the watch and its descriptor."""
        self._h = ffi.NULL

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@dataclass(frozen=True, kw_only=True)
class Coupling:
    """How a device's counter and the system's are coupled:
    to = floor(from * mult / 2^shift) + offset, modulo 2^64."""

    mult: int
    """The ratio, in 2^-shift ticks per tick; 0: not coupled."""
    offset: int = 0
    """Ticks, modulo 2^64."""
    shift: int = 0
    """0 to 63."""
    device_counter: int = Counter.USER
    """A Counter, or a number of yours from Counter.USER to 254."""
    system_counter: int = Counter.X86_TSC
    flags: CouplingFlag = CouplingFlag.FIXED

    def _c(self) -> CData:
        c = ffi.new("struct paraclock_coupling *")
        c.size = ffi.sizeof(c[0])
        c.mult = self.mult
        c.offset = self.offset
        c.shift = self.shift
        c.device_counter = self.device_counter
        c.system_counter = self.system_counter
        c.flags = self.flags
        return c

    def to_system(self, device: int) -> int:
        """The system's counter at a value of the device's, ticks."""
        ret_ticks = ffi.new("uint64_t *")
        check(lib.paraclock_coupling_to_system(self._c(), device, ret_ticks))
        return int(ret_ticks[0])

    def to_device(self, system: int) -> int:
        """The device's counter at a value of the system's, ticks."""
        ret_ticks = ffi.new("uint64_t *")
        check(lib.paraclock_coupling_to_device(self._c(), system, ret_ticks))
        return int(ret_ticks[0])

    @classmethod
    def of_kvm_vcpu(cls, vcpu_fd: int, ratio: int = 0, frac_bits: int = 0, *,
                    env: Env | None = None) -> "Coupling":
        """The coupling of this host's TSC and a KVM guest's, for a VMM.

        ratio: guest ticks per host tick in 2^-frac_bits; 0: not scaled.
        """
        env = _env.choose(env)
        c = ffi.new("struct paraclock_coupling *")
        check(lib.paraclock_coupling_kvm(c, _env.c_env(env), vcpu_fd, ratio,
                                         frac_bits))
        return coupling_of(c)


def coupling_of(c: CData) -> Coupling:
    return Coupling(mult=c.mult, offset=c.offset, shift=c.shift,
                    device_counter=c.device_counter,
                    system_counter=c.system_counter,
                    flags=CouplingFlag(c.flags))


class _Device:
    """A call of correlate() that is under way."""

    def __init__(self, get_time: Callable[[], Sample]) -> None:
        self.get_time = get_time
        self.raised: BaseException | None = None


@ffi.def_extern(error=-errno.EIO)
def get_device_time(ctx: CData, ret_sample: CData) -> int:
    device: _Device = ffi.from_handle(ctx)
    try:
        # What _c points to lives as long as the sample does.
        sample = device.get_time()
        ffi.memmove(ret_sample, sample._c, ffi.sizeof(ret_sample[0]))
        return 0
    except BaseException as raised:
        # Through C it cannot pass: correlate() raises it.
        device.raised = raised
        return -errno.EIO


def correlate(get_time: Callable[[], Sample], *,
              coupling: Coupling | None = None, history: History | None = None,
              brackets: int = 0, env: Env | None = None) -> CrossTimestamp:
    """Read a device of yours together with the system clocks.

    get_time() returns a Sample with host_ns, host_tsc, counter, pair_error_ns
    and valid. It is called between two snapshots, and again if they have to be
    repeated. What it raises, correlate() raises. coupling says how the
    sample's counter and this machine's are coupled; None: they are the same.
    """
    env = _env.choose(env)
    device = _Device(get_time)
    handle = ffi.new_handle(device)
    c_coupling = ffi.NULL if coupling is None else coupling._c()
    c = new_crosststamp(brackets)
    ret = lib.correlate(_env.c_env(env), handle, c_coupling,
                        c_history(history), c)
    if device.raised is not None:
        raise device.raised
    check(ret)
    return to_crosststamp(c)
