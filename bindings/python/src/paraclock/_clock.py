# SPDX-License-Identifier: MIT
"""An open host clock."""

import errno
import math
import os
import select
import time
import warnings
from dataclasses import dataclass
from typing import AsyncIterator, Iterable, Iterator, NamedTuple, Self

from paraclock import _env, _errors
from paraclock._enums import (CheckFlag, Counter, EventFlag, EventKind,
                              MarkerClass, Timescale)
from paraclock._env import Env
from paraclock._errors import (Error, NotValidError, make_error, new_text,
                               to_text)
from paraclock._fork import new_lock
from paraclock._hot import ClockBase
from paraclock._native import ffi, lib
from paraclock._sample import Marker, Sample
from paraclock._leap import LeapTable
from paraclock._system import (CrossTimestamp, History, Offset, c_history,
                               new_crosststamp, new_offset, to_crosststamp,
                               to_offset)
from paraclock._types import CData

# The event descriptor polls readable that often, so nothing is lost by looking
# whether the clock was closed meanwhile.
_SLICE_SEC = 1.0

# Pages in memory: a read makes no system call.
_MAPPED = frozenset(("kvmclock", "hyperv", "vmclock", "served"))

_NO_DISRUPTION = frozenset((EventKind.CLOCK_SET, EventKind.CLOCKSOURCE_CHANGED,
                            EventKind.SOURCE_LOST, EventKind.SOURCE_FOUND))


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to this machine or its clocks."""

    kind: EventKind
    marker_class: MarkerClass
    """AUTHORITATIVE: the host or the kernel says so; HEURISTIC: inferred."""
    timescale: Timescale
    """Of host_ns_before and host_ns_after."""
    counter: Counter
    flags: EventFlag
    source: str
    """What showed it: a backend's name, "vmgenid", "clock", "clocksource"."""
    epoch: int
    """Epoch of the clock after it."""
    counter_before: int
    """Ticks: the clock last recorded the state then..."""
    counter_after: int
    """...and noticed the change then."""
    host_ns_before: int | None
    """Host clock at counter_before, ns. CLOCK_SET: CLOCK_REALTIME."""
    host_ns_after: int | None
    """Host clock at counter_after, ns. CLOCK_SET: CLOCK_REALTIME."""
    gap_ns: int | None
    """How far the host clock is ahead of what its page said before, ns.
    CLOCK_SET: by how much it was set."""
    marker_before: Marker | None
    marker_after: Marker | None
    error: Error | None
    """SOURCE_LOST: what reads raise now."""

    @property
    def is_disruption(self) -> bool:
        """Every calibration of the counter is void."""
        return self.kind not in _NO_DISRUPTION

    @property
    def lost(self) -> bool:
        """Events before this one were lost."""
        return EventFlag.LOST in self.flags


class Checked(NamedTuple):
    """What Check.look() found."""

    contradicted: bool
    """By this look or by an earlier one: the clock's samples are
    Reason.IMPLAUSIBLE until Clock.trust()."""
    compared: CheckFlag
    """What this look compared; nothing: it was the first."""
    contradictions: CheckFlag
    """Which of it contradicts."""
    interval_ns: int
    """Time since the look before, by CLOCK_MONOTONIC_RAW, ns."""
    rate_ppb: int
    """Rate of the clock against CLOCK_MONOTONIC_RAW, ppb."""
    other_rate_ppb: int
    """Rate of the clock against the other clock, ppb."""
    other_offset_ns: int
    """The clock minus the other one, ns; with OTHER_OFFSET only."""
    error_ns: int
    """The possible error of reading the clocks, ns."""


def _c_name(what: str, name: str | None, encoded: bytes | None) -> CData:
    """A C string. A NUL would cut it, and open something else."""
    if encoded is None:
        return ffi.NULL
    if b"\0" in encoded:
        raise ValueError(f"{what} {name!r} contains a NUL")
    return ffi.new("char[]", encoded)


def _mask(timescales: Timescale | Iterable[Timescale] | None) -> int:
    if timescales is None:
        return 0
    if isinstance(timescales, int):
        timescales = (timescales,)
    mask = 0
    for timescale in timescales:
        if timescale not in range(32):
            raise ValueError(f"{timescale!r} is not a timescale")
        mask |= 1 << timescale
    if not mask:
        raise ValueError("timescales names none; None accepts any")
    return mask


class Clock(ClockBase):
    """An open host clock: what open() returns.

    Any thread may use it, also while another one closes it: then methods raise
    ClosedError. Close it with close(), or by a with statement.
    """

    # _h is NULL when it is closed. Calls that are under way hold a reference
    # to what it was, and the last of them closes it. ClockBase has read(),
    # read_at() and disrupted(), and a reference until _detach().
    __slots__ = ("_h", "_env", "_lock", "__weakref__")

    def __init__(self, backend: str | None = None, *,
                 timescales: Timescale | Iterable[Timescale] | None = None,
                 device: str | os.PathLike[str] | None = None,
                 env: Env | None = None, vm_fd: int = 0, max_age_ns: int = 0,
                 max_pair_error_ns: int = 0, flags: int = 0) -> None:
        self._detach()
        self._h: CData = ffi.NULL
        self._env = _env.choose(env)
        self._lock = new_lock(self)
        detail = new_text()
        # The struct does not keep alive what its members point to.
        c_backend = _c_name("backend", backend,
                            None if backend is None else backend.encode())
        path = None if device is None else os.fspath(device)
        c_device = _c_name("device", path,
                           None if path is None else os.fsencode(path))
        opts = ffi.new("struct paraclock_options *", {
            "size": ffi.sizeof("struct paraclock_options"),
            "backend": c_backend,
            "timescales": _mask(timescales),
            "vm_fd": vm_fd,
            "env": _env.c_env(self._env),
            "device": c_device,
            "max_age_ns": max_age_ns,
            "max_pair_error_ns": max_pair_error_ns,
            "detail": detail,
            "detail_size": len(detail),
            "flags": flags,
        })
        ret_clock = ffi.new("struct clock **")
        ret = lib.clock_open(ret_clock, opts, _env.c_owner(self._env))
        if ret:
            raise make_error(ret, to_text(detail) or _errors.explain(ret))
        self._h = ffi.gc(ret_clock[0], lib.clock_free)
        may_block = (self._env is not None or device is not None or
                     self.backend not in _MAPPED)
        self._attach(int(ffi.cast("uintptr_t", lib.clock_raw(self._h))),
                     self._h, may_block)
        if self._env is not None:
            self._env._clocks.add(self)

    # --- reading ----------------------------------------------------------

    def time_ns(self) -> int:
        """UTC now, POSIX count, ns: time.time_ns() by the host's clock.

        Raises NotValidError if the sample is not valid, and UnsupportedError
        if it is valid and has no utc_ns: see there.
        """
        sample = self.read()
        if not sample.valid:
            raise NotValidError(errno.ENODATA, self.explain(sample), sample)
        ns = sample.utc_ns
        if ns is None:
            raise make_error(
                -errno.EOPNOTSUPP,
                f"{self.backend} does not say what time of day it is: it gives "
                f"{sample.timescale} time without an offset from UTC. Open a "
                f"source that does: timescales=(Timescale.UTC, Timescale.TAI).")
        return ns

    def crosststamp(self, history: History | None = None,
                    brackets: int = 0) -> CrossTimestamp:
        """Read the clock together with this machine's system clocks.

        Raises AbsentError if this kernel's clocks do not run on the sample's
        counter, and StaleError if a disruption came in between.
        """
        c = new_crosststamp(brackets)
        self._check(lib.clock_crosststamp(self._h, c_history(history), c))
        return to_crosststamp(c)

    def bracket(self) -> CrossTimestamp:
        """Read CLOCK_REALTIME and CLOCK_MONOTONIC_RAW between two reads of the
        clock: for a machine where crosststamp() raises AbsentError. It is
        wider, as uncertainty_ns says."""
        c = new_crosststamp(0)
        self._check(lib.clock_bracket(self._h, c))
        return to_crosststamp(c)

    def offset(self, *, leap_table: LeapTable | None = None,
               start_utc_ns: int = 0,
               assume_tai_offset_sec: int = 0) -> Offset:
        """How far CLOCK_REALTIME is off, with a total bound.

        leap_table              What is known of leap seconds; it gives the
                                offset of a TAI clock that does not.
        start_utc_ns            UTC of the start that a MONOTONIC source counts
                                from, ns since 1970; 0: not known.
        assume_tai_offset_sec   TAI - UTC, s, if nothing else says; 0: not
                                known.

        Raises UnsupportedError if the source does not say what UTC is, and
        StaleError if a disruption or a clock set came in between.
        """
        c = new_offset(leap_table, start_utc_ns, assume_tai_offset_sec)
        self._check(lib.clock_offset(self._h, c))
        return to_offset(c)

    def explain(self, sample: Sample) -> str:
        """A sentence: why the sample is not valid, and what to do about it."""
        return self._explain(0, sample)

    @property
    def backend(self) -> str:
        """The name of the source: "vmclock"."""
        # The name lives as long as what it is asked of.
        handle = self._h
        name = lib.clock_backend_name(handle)
        if name == ffi.NULL:
            raise _errors.closed("clock")
        return to_text(name)

    # --- disruptions ------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The count of the disruptions that this clock has noticed, now."""
        epoch = lib.clock_epoch(self._h)
        if not epoch:
            raise _errors.closed("clock")
        return int(epoch)

    def marker(self) -> Marker:
        """The host's own marker; it means the same in every process.

        Raises UnsupportedError if the clock has no source of markers.
        """
        c_marker = ffi.new("struct paraclock_marker *")
        self._check(lib.clock_marker(self._h, c_marker))
        return Marker(c_marker.value, c_marker.generation)

    def fileno(self) -> int:
        """A descriptor that polls readable when next_event() should be called,
        and at least once a second. The clock owns it: only poll it.

        Raises UnsupportedError if nothing can be polled, as in a simulated VM.
        """
        fd = self._check(lib.clock_event_fd(self._h))
        if self._env is not None:
            raise make_error(-errno.EOPNOTSUPP,
                             "a simulated VM has no descriptor to poll: call "
                             "next_event()")
        return fd

    def next_event(self) -> Event | None:
        """The next event that this clock has noticed, the oldest first; None:
        none now. It does not wait.

        Raises the errors of a read: it is not known now whether the page has
        changed.
        """
        c = ffi.new("struct paraclock_event *")
        c.size = ffi.sizeof(c[0])
        with self._lock:
            handle = self._h
            ret = lib.clock_next_event(handle, c)
            if not ret:
                return self._to_event(c)
            # An exception's traceback would keep it from being closed.
            del handle
        if ret == -errno.EAGAIN:
            return None
        raise self._error(ret)

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Iterate over events as they happen.

        Ends when none came for timeout seconds: 0 takes what is there now;
        None waits for ever. In a simulated VM no time passes by waiting: there
        it ends when no event is left. Raises ClosedError when the clock is
        closed. Each event goes to one consumer.
        """
        self._start_events(timeout)
        return self._events(timeout)

    def aevents(self, timeout: float | None = None) -> AsyncIterator[Event]:
        """The same for asyncio: async for event in clock.aevents()."""
        self._start_events(timeout)
        return self._aevents(timeout)

    def _start_events(self, timeout: float | None) -> None:
        if timeout is not None and math.isnan(timeout):
            raise ValueError("timeout is not a number")
        # What no memory shows is noticed from here on.
        ret = lib.clock_event_fd(self._h)
        if ret < 0 and ret != -errno.EOPNOTSUPP:
            raise self._error(ret)

    def _events(self, timeout: float | None) -> Iterator[Event]:
        deadline = _Deadline(timeout)
        while True:
            event = self.next_event()
            if event is not None:
                yield event
                deadline = _Deadline(timeout)
            elif self._env is not None or deadline.is_over():
                return
            else:
                self._wait(deadline.slice())

    def _wait(self, seconds: float) -> None:
        # Closed only when this returns, so the number stays that descriptor's.
        handle = self._h
        fd = lib.clock_event_fd(handle)
        if fd < 0:
            time.sleep(min(seconds, 0.1))
            return
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(math.ceil(seconds * 1000))

    async def _aevents(self, timeout: float | None) -> AsyncIterator[Event]:
        deadline = _Deadline(timeout)
        while True:
            event = self.next_event()
            if event is not None:
                yield event
                deadline = _Deadline(timeout)
            elif self._env is not None or deadline.is_over():
                return
            else:
                await self._await(deadline.slice())

    async def _await(self, seconds: float) -> None:
        # It is slow to import, and few programs need it.
        import asyncio

        # A loop has one reader for each descriptor, so each wait has its own.
        handle = self._h
        fd = lib.clock_event_fd(handle)
        if fd < 0:
            await asyncio.sleep(min(seconds, 0.1))
            return
        fd = os.dup(fd)
        del handle
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        try:
            loop.add_reader(fd, readable.set)
            try:
                await asyncio.wait_for(readable.wait(), seconds)
            except asyncio.TimeoutError:
                pass
            finally:
                loop.remove_reader(fd)
        finally:
            os.close(fd)

    def _to_event(self, c: CData) -> Event:
        flags = EventFlag(c.flags)

        def known(flag: EventFlag, value: int) -> int | None:
            return value if flag in flags else None

        def marker(c_marker: CData) -> Marker | None:
            if EventFlag.MARKERS not in flags:
                return None
            return Marker(c_marker.value, c_marker.generation)

        return Event(
            kind=EventKind(c.kind), marker_class=MarkerClass(c.marker_class),
            timescale=Timescale(c.timescale), counter=Counter(c.counter),
            flags=flags, source=to_text(c.source), epoch=c.epoch,
            counter_before=c.counter_before, counter_after=c.counter_after,
            host_ns_before=known(EventFlag.BEFORE, c.host_ns_before),
            host_ns_after=known(EventFlag.AFTER, c.host_ns_after),
            gap_ns=known(EventFlag.GAP, c.gap_ns),
            marker_before=marker(c.marker_before),
            marker_after=marker(c.marker_after),
            error=make_error(c.error, self._explain(c.error))
            if c.error else None)

    # --- a second opinion -------------------------------------------------

    def trust(self) -> None:
        """Trust the clock again that a Check has contradicted."""
        self._check(lib.clock_check_clear(self._h))

    # --- closing ----------------------------------------------------------

    @property
    def closed(self) -> bool:
        return bool(self._h == ffi.NULL)

    def close(self) -> None:
        """Close the clock. Calls of other threads that are under way end as
        if it had been closed after them."""
        self._detach()
        self._h = ffi.NULL

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A world closes its clocks.
        if not getattr(self, "closed", True) and self._env is None:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)

    def __repr__(self) -> str:
        if self.closed:
            return "<paraclock.Clock, closed>"
        return f"<paraclock.Clock on {self.backend}>"

    # --- errors -----------------------------------------------------------

    def _explain(self, error: int, sample: Sample | None = None) -> str:
        text = new_text()
        lib.clock_explain(self._h, error,
                          ffi.NULL if sample is None else sample._c, text,
                          len(text))
        return to_text(text)

    def _error(self, ret: int) -> Error:
        if self._h == ffi.NULL:
            return _errors.closed("clock")
        return make_error(ret, self._explain(ret))

    def _check(self, ret: int) -> int:
        if ret < 0:
            raise self._error(ret)
        return ret

    def _raise(self, ret: int) -> None:
        # For ClockBase.
        raise self._error(ret)


class _Deadline:
    """When to stop waiting for an event."""

    def __init__(self, timeout: float | None) -> None:
        self._end = math.inf if timeout is None else time.monotonic() + timeout

    def slice(self) -> float:
        return min(max(self._end - time.monotonic(), 0.0), _SLICE_SEC)

    def is_over(self) -> bool:
        return time.monotonic() >= self._end


class Check:
    """A second opinion on a clock: does it run as other clocks do?

    Call look() now and then, say every 10 s. After a contradiction the clock's
    samples are Reason.IMPLAUSIBLE, in every thread, until Clock.trust().
    """

    def __init__(self, clock: Clock, other: Clock | None = None, *,
                 max_rate_ppb: int = 0, max_offset_ns: int = 0) -> None:
        """other: a clock to compare with as well. A difference of rates above
        max_rate_ppb (0: 0.1 %), or between two clocks of one timescale above
        max_offset_ns (0: 1 s), is a contradiction."""
        self._clock = clock
        self._other = other
        self._lock = new_lock(self)
        self._c = ffi.new("struct paraclock_check *")
        self._c.size = ffi.sizeof(self._c[0])
        self._c.max_rate_ppb = max_rate_ppb
        self._c.max_offset_ns = max_offset_ns

    def look(self) -> Checked:
        """Compare what passed since the look before. Raises StaleError if a
        disruption or a clock set came in between: look again."""
        with self._lock:
            other = ffi.NULL if self._other is None else self._other._h
            if self._other is not None and self._other.closed:
                raise _errors.closed("other clock")
            ret = lib.clock_check(self._clock._h, other, self._c)
            del other
            self._clock._check(ret)
            c = self._c
            return Checked(bool(ret), CheckFlag(c.compared),
                           CheckFlag(c.contradicted), c.interval_ns,
                           c.rate_ppb, c.other_rate_ppb, c.other_offset_ns,
                           c.error_ns)


def open(backend: str | None = None, *,
         timescales: Timescale | Iterable[Timescale] | None = None,
         device: str | os.PathLike[str] | None = None, env: Env | None = None,
         vm_fd: int = 0, max_age_ns: int = 0, max_pair_error_ns: int = 0,
         flags: int = 0) -> Clock:
    """Open a host clock.

    Without a backend's name: the best source of this machine whose first read
    is valid, never one that repeats this kernel's own clock.

    backend             "kvmclock", "vmclock", ...: that source, valid or not.
    timescales          Those that are acceptable; None: any.
    device              Device node, or a file with a page image; needs backend.
    env                 A simulated VM's env, from paraclock.sim.
    vm_fd               Descriptor of your KVM VM, for kvm-host.
    max_age_ns          An older page is not valid, ns; 0: the backend's limit.
    max_pair_error_ns   A wider pair is not valid, ns; 0: 1000.
    flags               OpenFlag.

    Raises AbsentError, AccessError, ArgumentError, MalformedError or
    UnsupportedError; the message says why, and what to do.
    """
    return Clock(backend, timescales=timescales, device=device, env=env,
                 vm_fd=vm_fd, max_age_ns=max_age_ns,
                 max_pair_error_ns=max_pair_error_ns, flags=flags)
