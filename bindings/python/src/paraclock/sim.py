# SPDX-License-Identifier: MIT
"""Simulated hosts and VMs, for tests of programs that read a host clock.

A World has hosts, a Host has VMs. Inside of a VM the library runs unchanged:

    from paraclock import sim

    with sim.make_vm() as vm:
        clock = vm.open()
        before = clock.read()
        vm.migrate()
        assert clock.read().epoch != before.epoch

Time is virtual: it passes in World.run() and in acts that take time, not in
time.sleep(), and the same calls give the same numbers. Hosts and VMs live as long as their world, and
any object of it keeps the world. Acts of one world happen one after the other,
whichever threads make them.

What an act raises: ArgumentError for a value that is out of range or a VM that
is paused, RangeError beyond the end of the world, ClosedError when the world is
closed.
"""

import errno
import weakref
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from typing import Any, Callable, Self

from paraclock import _env, _errors
from paraclock._clock import Clock
from paraclock._enums import Leap, Named, Timescale
from paraclock._env import Env
from paraclock._errors import check, explain, make_error, new_text, to_text
from paraclock._fork import new_lock
from paraclock._sample import Sample, copy_of
from paraclock._system import Coupling, coupling_of

try:
    from paraclock._sim import ffi, lib
except ImportError as _error:
    raise ImportError(
        f"the simulated host is not here ({_error}). It needs libparaclock-sim:"
        f" install it, or build paraclock for Python anew where pkg-config "
        f"finds paraclock-sim") from _error


class Ring(IntEnum):
    """Where in a VM the user of an env is."""

    USER = 0
    """A process under Linux."""
    KERNEL = 1
    """Ring 0: MSRs, hypercalls, no devices."""


class PageKind(IntEnum):
    """Kinds of pages."""

    PVCLOCK = 0
    HYPERV = 1
    VMCLOCK = 2


class Fault(IntEnum):
    """Faults of a page."""

    NONE = 0
    """From now on the page has the right contents."""
    STALE = 1
    """It is not written: its contents age."""
    TORN = 2
    """Its sequence is odd (Hyper-V: 0), for ever."""
    DIES = 3
    """Its writer dies in the middle of the next update."""
    SLOW = 4
    """Updates become visible late."""


class Status(Named):
    """Does the host vouch for its clock?"""

    UNKNOWN = 0
    INITIALIZING = 1
    SYNCHRONIZED = 2
    FREERUNNING = 3
    UNRELIABLE = 4


class Part(IntFlag):
    """What a VM has."""

    PVCLOCK = 0x1
    """A pvclock page for each vCPU."""
    HYPERV = 0x2
    """Hyper-V's reference TSC page and MSRs."""
    VMCLOCK = 0x4
    """A vmclock page, /dev/vmclock0."""
    VMCLOCK_MARKERS = 0x8
    """A vmclock with markers and no time, like QEMU's."""
    GENERATION = 0x10
    """A VM generation id, which shows restores and clones."""
    PAIRING = 0x20
    """The PTP clock "KVM virtual PTP", and in ring 0 the pairing hypercall."""
    PTP_HYPERV = 0x40
    """The PTP clock "hyperv"."""
    PTP_VMCLOCK = 0x80
    """The PTP clock "vmclock0"; with VMCLOCK."""
    REENLIGHTENMENT = 0x100
    """With HYPERV, the reenlightenment MSRs."""
    NO_WRITER = 0x200
    """The simulation writes none of the VM's pages."""


class Act(IntFlag):
    """How something happens to a VM."""

    SCALED = 0x1
    """The host scales the TSC, so that its rate stays."""
    COUNTER_STOPS = 0x2
    """The TSC continues from where it stopped."""
    CLOCK_STOPS = 0x4
    """MONOTONIC time continues from where it stopped."""
    ANNOUNCED = 0x8
    """The VM is notified before it stops."""
    TELLS_STOP = 0x10
    """The pvclock pages say that the VM was stopped."""
    SILENT = 0x20
    """No marker and no generation id changes."""


class TimelineFlag(IntFlag):
    """What a VM's pages promise or announce."""

    MONOTONIC = 0x1
    """The host's clock never steps back."""
    NOTIFIES = 0x100
    """The guest is notified of every update."""
    DISRUPTION_SOON = 0x200
    """A disruption is expected within about a day."""
    DISRUPTION_IMMINENT = 0x400
    """A disruption is expected within about an hour."""


_MAXERROR = 0x8
_MAXERROR_RATE = 0x10
_ESTERROR = 0x20
_ESTERROR_RATE = 0x40


@dataclass(frozen=True, kw_only=True)
class Errors:
    """What a host publishes of its own error. None: nothing.

    A vmclock's samples have a bound (clock_error_ns) only if both maxerror_ns
    and maxerror_ppb are published.
    """

    maxerror_ns: int | None = None
    """The bound, ns."""
    maxerror_ppb: int | None = None
    """Its growth, ppb; at most 10^8."""
    esterror_ns: int | None = None
    """The estimate, ns."""
    esterror_ppb: int | None = None
    """Its growth, ppb; at most 10^8."""

    def _fill(self, c: Any) -> None:
        for name, value, flag in (
                ("maxerror_ns", self.maxerror_ns, _MAXERROR),
                ("maxerror_ppb", self.maxerror_ppb, _MAXERROR_RATE),
                ("esterror_ns", self.esterror_ns, _ESTERROR),
                ("esterror_ppb", self.esterror_ppb, _ESTERROR_RATE)):
            if value is not None:
                setattr(c, name, value)
                c.error_flags |= flag


NO_ERRORS = Errors()


@dataclass(frozen=True, kw_only=True)
class HostOptions:
    """How to make a host."""

    tsc_hz: int = 0
    """Frequency of its TSC, in 2^-tsc_hz_bits Hz; 0: 2.6 GHz."""
    tsc_hz_bits: int = 0
    tsc_start: int = 0
    """Its TSC now, ticks."""
    clock_ahead_ns: int = 0
    """How far its clock is ahead of true time now, ns."""
    clock_ppb: int = 0
    """How much faster than true time its clock runs, ppb."""
    status: Status = Status.SYNCHRONIZED
    errors: Errors = NO_ERRORS

    def _c(self) -> Any:
        c = ffi.new("struct paraclock_sim_host_options *")
        c.size = ffi.sizeof(c[0])
        c.tsc_hz = self.tsc_hz
        c.tsc_hz_bits = self.tsc_hz_bits
        c.tsc_start = self.tsc_start
        c.clock_ahead_ns = self.clock_ahead_ns
        c.clock_ppb = self.clock_ppb
        c.status = self.status
        self.errors._fill(c)
        return c


@dataclass(frozen=True, kw_only=True)
class VMOptions:
    """How to make a VM."""

    parts: Part = Part.PVCLOCK
    vcpus: int = 1
    tsc_hz: int = 0
    """Frequency of its TSC, in 2^-tsc_hz_bits Hz; 0: the host's own."""
    tsc_hz_bits: int = 0
    tsc_start: int = 0
    """Its TSC now, ticks."""
    timeline_flags: TimelineFlag = TimelineFlag(0)
    vmclock_timescale: Timescale = Timescale.TAI
    user_vcpu: int = 0
    """The vCPU whose pvclock page user space sees."""
    clocksource: str = "tsc"
    """The guest kernel's."""
    pvclock_period_ns: int = 0
    """A pvclock page is rewritten after this, ns; 0: 300 s."""
    vmclock_period_ns: int = 0
    """A vmclock page is renewed after this, ns; 0: 60 s."""


# The library's sentences are about clocks.
_REFUSALS = {
    -errno.EINVAL: "a value is out of range, or the VM or host cannot do that "
                   "now: see the function's manual page",
    -errno.ERANGE: "the time or the rate would be beyond what a world can show",
}


def _name(text: str) -> bytes:
    name = text.encode()
    if b"\0" in name:
        raise ValueError(f"{text!r} contains a NUL")
    return name


class World:
    """A world of virtual time. It has no hosts yet."""

    def __init__(self, *, seed: int = 0, start_tai_ns: int = 0,
                 tai_offset_sec: int = 0, leap: Leap = Leap.NONE,
                 clock_ns: int = 0, exit_ns: int = 0) -> None:
        """
        seed            Of random() and of the markers.
        start_tai_ns    True TAI at the start, ns; 0: 2026-01-15 12:00:37.
        tai_offset_sec  TAI - UTC, s; 0: 37.
        leap            PRE_POS, PRE_NEG: how the present UTC month ends.
        clock_ns        What reading a system clock takes, ns; 0: 20.
        exit_ns         What a hypercall, an ioctl or a PTP clock takes, ns; 0:
                        1000.
        """
        self._closed = True
        self._clocks: "weakref.WeakSet[Clock]" = weakref.WeakSet()
        self._lock = new_lock(self)
        opts = ffi.new("struct paraclock_sim_options *", {
            "size": ffi.sizeof("struct paraclock_sim_options"),
            "seed": seed,
            "start_tai_ns": start_tai_ns,
            "tai_offset_sec": tai_offset_sec,
            "leap": leap,
            "clock_ns": clock_ns,
            "exit_ns": exit_ns,
        })
        ret_world = ffi.new("struct world **")
        check(lib.world_new(ret_world, opts))
        self._c = ffi.gc(ret_world[0], lib.world_free)
        self._sim = lib.world_sim(self._c)
        self._closed = False

    def _act(self, function: Callable[..., int], *args: object) -> None:
        with self._lock:
            if self._closed:
                raise _errors.closed("world")
            ret = function(*args)
        if ret:
            raise make_error(ret, f"{function.__name__}(): "
                                  f"{_REFUSALS.get(ret) or explain(ret)}")

    def run(self, ns: int) -> None:
        """Let virtual time pass, ns, and do what falls due in it."""
        self._act(lib.paraclock_sim_run, self._sim, ns)

    def now(self, timescale: Timescale = Timescale.TAI) -> int:
        """The true time, ns; MONOTONIC is since the start."""
        ret_ns = ffi.new("int64_t *")
        check(lib.paraclock_sim_now(self._sim, timescale, ret_ns))
        return int(ret_ns[0])

    def random(self, sides: int) -> int:
        """The next random number of the seed, 0 to sides - 1; sides 0: any 64
        bits."""
        with self._lock:
            return int(lib.paraclock_sim_random(self._sim, sides))

    def host(self, options: HostOptions | None = None,
             **changes: Any) -> "Host":
        """Make a host, of HostOptions or its members: host(clock_ppb=50)."""
        made = replace(options or HostOptions(), **changes)
        ret_host = ffi.new("struct paraclock_sim_host **")
        self._act(lib.paraclock_sim_host_new, ret_host, self._sim, made._c())
        return Host(self, ret_host[0], made)

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Close every clock that is open in the world, and end the world."""
        for clock in list(self._clocks):
            clock.close()
        with self._lock:
            self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Host:
    """A host; World.host() and VM.host() make one."""

    def __init__(self, world: World, c_host: Any,
                 options: HostOptions | None) -> None:
        self.world = world
        self.options = options
        """What it was made with; None: it is a VM."""
        self._c = c_host

    def vm(self, options: VMOptions | None = None, **changes: Any) -> "VM":
        """Make a VM, of VMOptions or its members: vm(parts=Part.VMCLOCK). It
        runs, and its pages are written."""
        made = replace(options or VMOptions(), **changes)
        clocksource = ffi.new("char[]", _name(made.clocksource))
        opts = ffi.new("struct paraclock_sim_vm_options *", {
            "size": ffi.sizeof("struct paraclock_sim_vm_options"),
            "parts": made.parts,
            "vcpus": made.vcpus,
            "tsc_hz": made.tsc_hz,
            "tsc_hz_bits": made.tsc_hz_bits,
            "tsc_start": made.tsc_start,
            "timeline_flags": made.timeline_flags,
            "vmclock_timescale": made.vmclock_timescale,
            "user_vcpu": made.user_vcpu,
            "clocksource": clocksource,
            "pvclock_period_ns": made.pvclock_period_ns,
            "vmclock_period_ns": made.vmclock_period_ns,
        })
        ret_vm = ffi.new("struct paraclock_sim_vm **")
        self.world._act(lib.paraclock_sim_vm_new, ret_vm, self._c, opts)
        return VM(self.world, self, ret_vm[0])

    @property
    def counter(self) -> int:
        """The host's TSC now, ticks."""
        return int(lib.paraclock_sim_host_counter(self._c))

    def step(self, ns: int) -> None:
        """Set its clock ahead, ns; negative: back."""
        self.world._act(lib.paraclock_sim_step, self._c, ns)

    def slew(self, ppb: int) -> None:
        """From now on its clock runs faster than true time, ppb."""
        self.world._act(lib.paraclock_sim_slew, self._c, ppb)

    def status(self, status: Status) -> None:
        """It publishes this status."""
        self.world._act(lib.paraclock_sim_status, self._c, status)

    def leap(self, leap: Leap) -> None:
        """It assumes this leap second state for its present UTC month."""
        self.world._act(lib.paraclock_sim_leap, self._c, leap)

    def tai(self, sec: int) -> None:
        """It assumes this TAI - UTC, s; 0: it does not know."""
        self.world._act(lib.paraclock_sim_tai, self._c, sec)

    def errors(self, errors: Errors) -> None:
        """It publishes these bounds and estimates from now on."""
        c = HostOptions(errors=errors)._c()
        self.world._act(lib.paraclock_sim_errors, self._c, c)

    def clocksource(self, is_tsc: bool) -> None:
        """Make its clocksource its TSC, as at the start, or another, with which
        it gives no pairs."""
        self.world._act(lib.paraclock_sim_clocksource, self._c, bool(is_tsc))

    def tsc(self, *, tsc_hz: int = 0, tsc_hz_bits: int = 0, ticks: int = 0,
            noticed: bool = True) -> None:
        """Change its TSC: the frequency in 2^-tsc_hz_bits Hz (0: unchanged),
        and a jump ahead by ticks, modulo 2^64. If the host does not notice,
        pages keep their contents until they are next renewed."""
        self.world._act(lib.paraclock_sim_tsc, self._c, tsc_hz, tsc_hz_bits,
                        ticks, bool(noticed))


class State:
    """The saved state of a VM; VM.save() makes it."""

    def __init__(self, c_state: Any) -> None:
        self._c = ffi.gc(c_state, lib.state_free)


class VM:
    """A VM; Host.vm() makes one. It is a context manager that ends its world.
    """

    def __init__(self, world: World, host: Host, c_vm: Any) -> None:
        self.world = world
        self.host_now = host
        """The host that it runs on."""
        self._c = c_vm

    # --- what is seen inside ----------------------------------------------

    def env(self, ring: Ring = Ring.USER) -> Env:
        """The outside world as seen from inside the VM, for paraclock.open()
        and for every function that takes an env."""
        return Env(lib.paraclock_sim_env(self._c, Ring(ring)),
                   lib.world_owner(self.world._c), self.world,
                   self.world._clocks)

    def open(self, backend: str | None = None, *, ring: Ring = Ring.USER,
             **options: Any) -> Clock:
        """Open a clock in the VM; the options are those of paraclock.open().
        It is closed with the world."""
        with self.world._lock:
            if self.world._closed:
                raise _errors.closed("world")
        return Clock(backend, env=self.env(ring), **options)

    def as_this_machine(self) -> AbstractContextManager[None]:
        """While this is active, what uses no env uses this VM's: a program that
        calls paraclock.open() is tested as it is."""
        return _env.this_machine(self.env())

    def counter(self, vcpu: int = 0) -> int:
        """A vCPU's TSC now, ticks."""
        return int(lib.paraclock_sim_counter(self._c, vcpu))

    def truth(self, counter: int,
              timescale: Timescale = Timescale.TAI) -> int:
        """The host clock at a value of the VM's TSC, ns: the result of a
        perfect reading."""
        ret_ns = ffi.new("int64_t *")
        check(lib.paraclock_sim_truth(self._c, counter, timescale, ret_ns))
        return int(ret_ns[0])

    def coupling(self) -> Coupling:
        """How the TSCs of the VM (device) and of its host (system) are
        coupled."""
        c = ffi.new("struct paraclock_coupling *")
        check(lib.paraclock_sim_coupling(self._c, c))
        return coupling_of(c)

    def page(self, kind: PageKind, vcpu: int = 0) -> bytes:
        """A copy of a page of the VM's memory, as decode() takes it."""
        ret_size = ffi.new("size_t *")
        with self.world._lock:
            c_page = lib.paraclock_sim_page(self._c, kind, vcpu, ret_size)
            if c_page == ffi.NULL:
                raise make_error(-errno.ENODEV,
                                 f"the VM has no page {kind!r} of vCPU {vcpu}")
            return bytes(ffi.buffer(c_page, ret_size[0]))

    # --- what may happen --------------------------------------------------

    def pause(self) -> None:
        """Stop the VM."""
        self.world._act(lib.paraclock_sim_pause, self._c)

    def resume(self, flags: Act = Act(0)) -> None:
        """Let it run again, on the same host. No marker changes: hosts do not
        report a pause. flags: COUNTER_STOPS, CLOCK_STOPS, TELLS_STOP."""
        self.world._act(lib.paraclock_sim_resume, self._c, flags)

    def migrate(self, to: Host | None = None, *,
                downtime_ns: int = 300_000_000, flags: Act = Act(0)) -> None:
        """Move it to another host; it stands still for downtime_ns, ns.

        None: to a new host, whose TSC has another frequency and value, and
        whose clock has the options of the present one.
        """
        if to is None:
            to = self._another_host()
        self.world._act(lib.paraclock_sim_migrate, self._c, to._c, downtime_ns,
                        flags)
        self.host_now = to

    def _another_host(self) -> Host:
        options = self.host_now.options or HostOptions()
        return self.world.host(options, tsc_hz=3_000_000_000, tsc_hz_bits=0,
                               tsc_start=self.world.random(1 << 40))

    def save(self) -> State:
        """Save its present state. It continues."""
        ret_state = ffi.new("struct state **")
        self.world._act(lib.state_save, ret_state, self.world._c, self._c)
        return State(ret_state[0])

    def restore(self, state: State, to: Host | None = None, *,
                flags: Act = Act(0)) -> None:
        """Restore it to a state of its own, on a host; None: the present one.
        Without COUNTER_STOPS and CLOCK_STOPS, TSC and time have run on since
        the save."""
        self.world._act(lib.state_restore, state._c, self._c,
                        ffi.NULL if to is None else to._c, flags)
        self.host_now = to or self.host_now

    def clone(self, to: Host | None = None, *, flags: Act = Act(0)) -> "VM":
        """Make another VM with its present state; None: on the same host."""
        ret_vm = ffi.new("struct paraclock_sim_vm **")
        self.world._act(lib.paraclock_sim_clone, ret_vm, self._c,
                        ffi.NULL if to is None else to._c, flags)
        return VM(self.world, to or self.host_now, ret_vm[0])

    def host(self) -> Host:
        """Make it a host: nested virtualisation."""
        ret_host = ffi.new("struct paraclock_sim_host **")
        self.world._act(lib.paraclock_sim_host_nested, ret_host, self._c)
        return Host(self.world, ret_host[0], None)

    def vcpu_halt(self, vcpu: int) -> None:
        """A vCPU halts: its pvclock page is not updated any more."""
        self.world._act(lib.paraclock_sim_vcpu_halt, self._c, vcpu)

    def vcpu_run(self, vcpu: int) -> None:
        """A vCPU enters the guest, with the calling thread on it."""
        self.world._act(lib.paraclock_sim_vcpu_run, self._c, vcpu)

    def vcpu_skew(self, vcpu: int, ticks: int) -> None:
        """Make a vCPU's TSC lead vCPU 0's by ticks, modulo 2^64."""
        self.world._act(lib.paraclock_sim_vcpu_skew, self._c, vcpu, ticks)

    def fault(self, kind: PageKind, fault: Fault, *, vcpu: int = 0,
              delay_ns: int = 0) -> None:
        """Give a page a fault, or end it. delay_ns: of Fault.SLOW, ns."""
        self.world._act(lib.paraclock_sim_fault, self._c, kind, vcpu, fault,
                        delay_ns)

    def update(self, kind: PageKind, vcpu: int = 0) -> None:
        """Rewrite a page now, with the right contents."""
        self.world._act(lib.paraclock_sim_update, self._c, kind, vcpu)

    def guest_step(self, ns: int) -> None:
        """Set the guest's CLOCK_REALTIME ahead, ns; negative: back."""
        self.world._act(lib.paraclock_sim_guest_step, self._c, ns)

    def guest_clocksource(self, name: str) -> None:
        """Switch its kernel to another clocksource."""
        self.world._act(lib.paraclock_sim_guest_clocksource, self._c,
                        _name(name))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.world.close()


def make_vm(parts: Part = Part.VMCLOCK | Part.GENERATION, *, seed: int = 0,
            errors: Errors = Errors(maxerror_ns=10_000, maxerror_ppb=1_000),
            **options: Any) -> VM:
    """A world with one host and one VM on it.

    By default the VM has a vmclock with TAI, its offset and a bound, and a VM
    generation id. The options are members of VMOptions.
    """
    world = World(seed=seed)
    return world.host(errors=errors).vm(parts=parts, **options)


# --- scripts ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ScriptEvent:
    """One statement of a script that was played."""

    time_ns: int
    """When it began: time since the start, ns."""
    line: int
    """Line of the script, from 1."""
    text: str
    """The statement."""
    detail: str
    """Its outcome; "": nothing to report."""
    failed: bool
    """It is an expectation that failed."""
    passes: bool
    """Only time passes."""
    sample: Sample | None
    """The sample of 'read'."""
    backend: str | None
    """The time source of sample."""
    error_ns: int | None
    """With a valid sample: host_ns minus the truth, ns."""


class _Play:
    def __init__(self,
                 on_event: Callable[[ScriptEvent], object] | None) -> None:
        self.on_event = on_event
        self.events: list[ScriptEvent] = []
        self.raised: BaseException | None = None

    def add(self, c: Any) -> None:
        sample = None if c.sample == ffi.NULL else copy_of(c.sample[0])
        event = ScriptEvent(
            time_ns=c.time_ns, line=c.line, text=to_text(c.text),
            detail=to_text(c.detail), failed=bool(c.failed),
            passes=bool(c.passes), sample=sample,
            backend=None if sample is None else to_text(c.backend),
            error_ns=c.error_ns if sample is not None and sample.valid
            else None)
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)


@ffi.def_extern(error=-errno.ECANCELED)
def on_event(arg: Any, c_event: Any) -> int:
    playing: _Play = ffi.from_handle(arg)
    try:
        playing.add(c_event)
        return 0
    except BaseException as raised:
        # Through C it cannot pass: play() raises it.
        playing.raised = raised
        return -errno.ECANCELED


def play(script: str,
         on_event: Callable[[ScriptEvent], object] | None = None, *,
         expect: bool = True) -> list[ScriptEvent]:
    """Play a script; paraclock-script(5) has its language.

    Returns what happened. on_event is called with each event as it happens;
    what it raises ends the play. Raises MalformedError, with the line and what
    is wrong, and AssertionError, unless expect is False, if an expectation of
    the script failed.
    """
    text = script.encode()
    playing = _Play(on_event)
    handle = ffi.new_handle(playing)
    detail = new_text()
    ret_failed = ffi.new("unsigned int *")
    ret = lib.play(text, len(text), handle, ret_failed, detail, len(detail))
    if playing.raised is not None:
        raise playing.raised
    if ret:
        raise make_error(ret, to_text(detail) or explain(ret))
    if expect and ret_failed[0]:
        raise AssertionError("\n".join(
            f"line {event.line}: {event.text}: {event.detail}"
            for event in playing.events if event.failed))
    return playing.events
