# SPDX-License-Identifier: MIT
"""Events: by themselves, as an iterator, and in asyncio."""

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

import paraclock
from paraclock import EventKind, MarkerClass, sim


def test_an_event_says_what_happened(simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        assert clock.next_event() is None
        epoch = clock.epoch
        before = clock.marker()
        assert not clock.disrupted(epoch)
        simulated_vm.migrate()
        assert clock.disrupted(epoch)
        (event,) = clock.events()
        assert event.kind == EventKind.UPDATED and event.is_disruption
        assert event.marker_class == MarkerClass.AUTHORITATIVE
        assert event.source == "vmclock" and not event.lost
        assert event.epoch == clock.epoch == epoch + 1
        assert event.marker_before == before
        assert event.marker_after == clock.marker() != before
        assert event.gap_ns is not None and abs(event.gap_ns) <= 2
        assert event.host_ns_before is not None
        assert event.error is None


def test_a_restore_and_a_clock_set_are_told_apart(
        simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        saved = simulated_vm.save()
        list(clock.events())
        simulated_vm.world.run(10**9)
        simulated_vm.restore(saved)
        simulated_vm.guest_step(10**9)
        kinds = {event.kind: event for event in clock.events()}
        assert kinds[EventKind.RESTORED].is_disruption
        step = kinds[EventKind.CLOCK_SET]
        assert not step.is_disruption and step.gap_ns is not None
        assert abs(step.gap_ns - 10**9) < 1000


def test_a_lost_source_has_the_error_of_reads(simulated_vm: sim.VM,
                                              tmp_path: Path) -> None:
    path = tmp_path / "page"
    good = simulated_vm.page(sim.PageKind.VMCLOCK)
    path.write_bytes(good)
    with paraclock.open("vmclock", device=path) as clock:
        path.write_bytes(b"\0" * len(good))
        lost = next(clock.events())
        assert lost.kind == EventKind.SOURCE_LOST and not lost.is_disruption
        assert isinstance(lost.error, paraclock.MalformedError)
        assert "magic" in str(lost.error)
        path.write_bytes(good)
        assert next(clock.events()).kind == EventKind.SOURCE_FOUND


def test_a_simulated_vm_has_nothing_to_poll(simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        with pytest.raises(paraclock.UnsupportedError, match="next_event"):
            clock.fileno()
        # It does not wait for ever.
        assert list(clock.events()) == []


def test_more_events_than_a_clock_keeps(simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        for _ in range(20):
            simulated_vm.migrate()
            clock.read()
        events = list(clock.events(0))
        assert len(events) == 8 and events[0].lost


@pytest.fixture
def page(simulated_vm: sim.VM, tmp_path: Path) -> Path:
    """A real file, whose events this machine's env polls."""
    path = tmp_path / "page"
    path.write_bytes(simulated_vm.page(sim.PageKind.VMCLOCK))
    return path


def replace(page: Path, simulated_vm: sim.VM) -> None:
    """In place, and at once: the file is never empty in between."""
    simulated_vm.migrate()
    with open(page, "r+b", buffering=0) as file:
        file.write(simulated_vm.page(sim.PageKind.VMCLOCK))


def test_the_iterator_waits(page: Path, simulated_vm: sim.VM) -> None:
    with paraclock.open("vmclock", device=page) as clock:
        assert list(clock.events(timeout=0)) == []
        assert list(clock.events(timeout=-1)) == []
        assert list(clock.events(timeout=0.01)) == []
        with pytest.raises(ValueError):
            clock.events(timeout=float("nan"))
        assert clock.fileno() > 2
        timer = threading.Timer(0.05, replace, (page, simulated_vm))
        timer.start()
        event = next(clock.events())
        timer.join()
        assert event.kind == EventKind.UPDATED


def test_closing_ends_the_iterator_of_another_thread(page: Path) -> None:
    clock = paraclock.open("vmclock", device=page)
    fd = clock.fileno()
    timer = threading.Timer(0.05, clock.close)
    timer.start()
    with pytest.raises(paraclock.ClosedError):
        next(clock.events())
    timer.join()
    with pytest.raises(OSError):
        os.fstat(fd)


def test_asyncio_waits_and_leaves_no_descriptor(page: Path,
                                                simulated_vm: sim.VM) -> None:
    async def follow(clock: paraclock.Clock) -> list[EventKind]:
        kinds = []
        async for event in clock.aevents():
            kinds.append(event.kind)
            if len(kinds) == 2:
                break
        return kinds

    async def main() -> list[EventKind]:
        with paraclock.open("vmclock", device=page) as clock:
            task = asyncio.create_task(follow(clock))
            for _ in range(2):
                await asyncio.sleep(0.05)
                replace(page, simulated_vm)
                # It reads each of them before the next one.
                epoch = clock.epoch
                while not clock.disrupted(epoch - 1):
                    await asyncio.sleep(0.01)
            kinds = await task
            assert [e async for e in clock.aevents(0)] == []
            assert [e async for e in clock.aevents(0.01)] == []
            return kinds

    before = set(os.listdir("/proc/self/fd"))
    assert asyncio.run(main()) == [EventKind.UPDATED] * 2
    assert set(os.listdir("/proc/self/fd")) == before


def test_asyncio_cancelled_and_closed(page: Path) -> None:
    async def main() -> None:
        clock = paraclock.open("vmclock", device=page)

        async def follow() -> None:
            async for _ in clock.aevents():
                pass

        two = [asyncio.create_task(follow()) for _ in range(2)]
        await asyncio.sleep(0.05)
        two[0].cancel()
        clock.close()
        done = await asyncio.gather(*two, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError)
        assert isinstance(done[1], paraclock.ClosedError)

    asyncio.run(main())


def test_asyncio_in_a_simulated_vm(simulated_vm: sim.VM) -> None:
    async def main() -> None:
        with simulated_vm.open() as clock:
            simulated_vm.migrate()
            assert len([event async for event in clock.aevents()]) == 1

    asyncio.run(main())


def test_a_signal_interrupts_the_iterator(page: Path) -> None:
    import signal

    def raise_it(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        with paraclock.open("vmclock", device=page) as clock:
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                next(clock.events())
            started = time.monotonic()
            assert clock.next_event() is None
            assert time.monotonic() >= started
    finally:
        signal.signal(signal.SIGALRM, before)
