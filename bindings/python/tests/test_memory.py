# SPDX-License-Identifier: MIT
"""Lifetimes: nothing that Python code does ends in freed memory.

Each of these would crash, hang, or be reported by a sanitizer.
"""

import contextlib
import gc
import os
import sys
import threading
import weakref
from typing import Any, Callable

import pytest

import paraclock
from paraclock import Sample, _hot, sim


def run_threads(*functions: Callable[[], object]) -> None:
    failed: list[BaseException] = []

    def run(function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


@pytest.fixture
def hasty() -> Any:
    """Threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_a_clock_keeps_its_world() -> None:
    clock = sim.make_vm().open()
    gc.collect()
    assert clock.read().valid
    clock.crosststamp()
    assert list(clock.events(0)) == []


@pytest.mark.parametrize("order", range(6))
def test_a_cycle_is_freed_in_any_order(order: int) -> None:
    class Node:
        part: Any
        next: "Node"

    vm = sim.make_vm()
    clock = vm.open()
    parts: list[Any] = [clock, vm.save(), paraclock.History(4, env=vm.env()),
                        paraclock.Watch(env=vm.env()), vm,
                        paraclock.Check(clock)]
    parts = parts[order:] + parts[:order]
    nodes: list[Node] = []
    for part in parts:
        node = Node()
        node.part = part
        nodes.append(node)
    for node, after in zip(nodes, nodes[1:] + nodes[:1]):
        node.next = after
    gone = weakref.ref(clock)
    del vm, clock, parts, nodes, node, after, part
    gc.collect()
    assert gone() is None


def test_a_world_closes_its_clocks_and_refuses_acts() -> None:
    vm = sim.make_vm()
    clock = vm.open()
    state = vm.save()
    env = vm.env()
    host = vm.host_now
    vm.world.close()
    vm.world.close()
    assert clock.closed and vm.world.closed
    acts: list[Callable[[], object]] = [
        clock.read, vm.open, vm.migrate, vm.pause, vm.save,
        lambda: vm.restore(state), vm.clone, lambda: vm.world.run(1),
        vm.world.host, host.vm, lambda: host.step(1)]
    for act in acts:
        with pytest.raises(paraclock.ClosedError):
            act()
    # What only looks still may.
    assert vm.counter() >= 0
    with paraclock.open(env=env) as late:
        assert late.read().valid


def test_things_of_other_worlds_are_refused() -> None:
    vm, other = sim.make_vm(), sim.make_vm()
    with pytest.raises(paraclock.ArgumentError):
        vm.migrate(other.host_now)
    with pytest.raises(paraclock.ArgumentError):
        vm.restore(other.save())
    with pytest.raises(TypeError):
        vm.migrate(vm)  # type: ignore[arg-type]
    with pytest.raises(paraclock.ArgumentError):
        vm.migrate(vm.host())
    with pytest.raises(TypeError):
        paraclock.open(env=5)  # type: ignore[arg-type]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("attempt", range(20))
def test_a_clock_is_closed_while_others_read(attempt: int,
                                             simulated_vm: sim.VM) -> None:
    clock = simulated_vm.open()
    started = threading.Barrier(4)

    def use(*calls: Callable[[], object]) -> None:
        started.wait()
        try:
            while True:
                for call in calls:
                    # Each thread moves the world's time, so another one may
                    # find that an update takes too long.
                    with contextlib.suppress(paraclock.AgainError):
                        call()
        except paraclock.ClosedError:
            pass

    def close() -> None:
        started.wait()
        for _ in range(attempt * 50):
            with contextlib.suppress(paraclock.AgainError):
                clock.read()
        clock.close()

    run_threads(
        lambda: use(clock.read, lambda: clock.disrupted(1)),
        lambda: use(clock.crosststamp, clock.next_event),
        lambda: use(clock.offset, lambda: clock.epoch, lambda: clock.backend),
        close)


@pytest.mark.usefixtures("hasty")
def test_acts_of_several_threads_on_one_world(simulated_vm: sim.VM) -> None:
    other = simulated_vm.world.host()
    clock = simulated_vm.open()

    def act() -> None:
        for _ in range(60):
            simulated_vm.world.run(1_000_000)
            simulated_vm.migrate(other, downtime_ns=1000)
            simulated_vm.host_now.step(10)
            simulated_vm.page(sim.PageKind.VMCLOCK)

    def look() -> None:
        for _ in range(300):
            try:
                clock.read()
                clock.next_event()
                simulated_vm.counter()
            except paraclock.AgainError:
                pass

    run_threads(act, act, look, look)
    assert clock.read().valid


def test_a_paused_vm_is_read_without_hanging(simulated_vm: sim.VM) -> None:
    clock = simulated_vm.open()
    simulated_vm.pause()
    clock.read()
    with pytest.raises(paraclock.ArgumentError):
        simulated_vm.migrate()
    simulated_vm.resume()
    assert clock.read().valid


def fork(child: Callable[[], object]) -> int:
    """The exit status of a child that does that; 0: it was right."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            child()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_of_a_simulation(simulated_vm: sim.VM) -> None:
    clock = simulated_vm.open()

    def child() -> None:
        assert clock.read().valid
        simulated_vm.migrate()
        assert clock.next_event() is not None
        simulated_vm.world.close()

    assert fork(child) == 0
    assert clock.read().valid and clock.next_event() is None


@pytest.mark.usefixtures("hasty")
def test_a_forked_child_reads_and_closes(simulated_vm: sim.VM,
                                         tmp_path: Any) -> None:
    path = tmp_path / "page"
    path.write_bytes(simulated_vm.page(sim.PageKind.VMCLOCK))
    clock = paraclock.open("vmclock", device=path)
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            clock.next_event()
            clock.read()
            paraclock.snapshot()

    def child() -> None:
        # Locks that the other thread held are free here.
        clock.read()
        clock.next_event()
        paraclock.snapshot()
        clock.close()

    def parent() -> None:
        try:
            for _ in range(20):
                assert fork(child) == 0
        finally:
            stop.set()

    run_threads(busy, parent)
    clock.read()
    clock.close()


def test_a_callback_may_close_what_called_it(simulated_vm: sim.VM) -> None:
    env = simulated_vm.env()

    def get_time() -> Sample:
        simulated_vm.world.close()
        gc.collect()
        return Sample(valid=True, counter=1, pair_error_ns=0,
                      host_tsc=simulated_vm.counter())

    assert paraclock.correlate(get_time, env=env).sample.valid


def test_a_callback_may_end_itself() -> None:
    def stop(event: sim.ScriptEvent) -> None:
        gc.collect()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sim.play("host a\nvm v on a\nrun 1s\n", stop)


def test_an_exception_does_not_keep_a_clock_open(
        simulated_vm: sim.VM, tmp_path: Any) -> None:
    path = tmp_path / "page"
    path.write_bytes(b"\0" * 4096)
    before = set(os.listdir("/proc/self/fd"))
    clock = paraclock.open("vmclock", device=path)
    kept = []
    calls: list[Callable[[], object]] = [
        clock.read, clock.time_ns, clock.crosststamp, clock.offset,
        lambda: clock.read_at(1)]
    for call in calls:
        with pytest.raises(paraclock.Error) as raised:
            call()
        kept.append(raised)
    clock.close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_clocks_that_never_were_open_only_raise() -> None:
    clocks: list[_hot.ClockBase] = [
        paraclock.Clock.__new__(paraclock.Clock), _hot.ClockBase()]
    for clock in clocks:
        calls: list[Callable[[], object]] = [
            clock.read, lambda: clock.read_at(1), lambda: clock.disrupted(1)]
        for call in calls:
            with pytest.raises(AttributeError):
                call()
        clock._detach()
    with pytest.raises(TypeError):
        _hot.SampleBase()
    with pytest.raises(TypeError):
        _hot.set_sample_class(int)  # type: ignore[arg-type]
    for bad in (b"", b"x" * 63, b"x" * 65):
        with pytest.raises(ValueError):
            _hot.sample_from_bytes(bad)


def test_a_clock_that_is_opened_again(simulated_vm: sim.VM) -> None:
    clock = simulated_vm.open()
    clock.__init__("vmclock", env=simulated_vm.env())  # type: ignore[misc]
    assert clock.read().valid
    with pytest.raises(paraclock.ArgumentError):
        clock.__init__("nothing")  # type: ignore[misc]
    with pytest.raises(paraclock.ClosedError):
        clock.read()


def test_many_clocks_leave_nothing_behind(simulated_vm: sim.VM,
                                          tmp_path: Any) -> None:
    path = tmp_path / "page"
    path.write_bytes(simulated_vm.page(sim.PageKind.VMCLOCK))
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(100):
        with paraclock.open("vmclock", device=path) as clock:
            clock.read()
            clock.fileno()
        simulated_vm.open().read()
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) == before


def test_samples_outlive_everything() -> None:
    vm = sim.make_vm()
    sample = vm.open().read()
    xt = vm.open().crosststamp()
    del vm
    gc.collect()
    assert sample.valid and sample.interval() and xt.sample.valid
    assert xt.offset().valid
    references = sys.getrefcount(Sample)
    for _ in range(1000):
        sample = _hot.sample_from_bytes(bytes(64))
    assert abs(sys.getrefcount(Sample) - references) < 10
