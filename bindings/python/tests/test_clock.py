# SPDX-License-Identifier: MIT
"""Clocks in a simulated VM, whose truth is known."""

import errno
import os
import warnings
from typing import Any, Callable

import pytest

import paraclock
from paraclock import (Counter, OffsetFlag, Reason, Sample, SystemClock,
                       Timescale, sim)

NS = 1_000_000_000


def test_a_read_is_the_truth(simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        for _ in range(10):
            simulated_vm.world.run(123_456_789)
            s = clock.read()
            assert s.valid and s.reason == Reason.OK
            assert s.counter == Counter.X86_TSC
            truth = simulated_vm.truth(s.host_tsc)
            assert s.host_ns in (truth, truth - 1, truth + 1)
            earliest, latest = s.interval()
            utc = simulated_vm.world.now(Timescale.UTC)
            assert earliest <= utc <= latest
        assert clock.backend == "vmclock"


def test_read_at_is_a_read_in_the_past(simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        clock.read()
        simulated_vm.world.run(1000)
        counter = paraclock.counter(env=simulated_vm.env())
        assert counter == simulated_vm.counter()
        simulated_vm.world.run(NS)
        s = clock.read_at(counter)
        assert s.valid and s.host_tsc == counter
        assert abs(s.host_ns - simulated_vm.truth(counter)) <= 1
        with pytest.raises(paraclock.ArgumentError) as raised:
            clock.read_at((1 << 64) - 1)
        assert raised.value.errno == errno.EINVAL
        for bad in (-1, 1 << 64):
            with pytest.raises(OverflowError):
                clock.read_at(bad)


def test_time_ns_is_utc_or_says_why_not(simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        assert abs(clock.time_ns()
                   - simulated_vm.world.now(Timescale.UTC)) <= 1
        simulated_vm.host_now.status(sim.Status.UNRELIABLE)
        with pytest.raises(paraclock.NotValidError) as raised:
            clock.time_ns()
        assert raised.value.sample.reason == Reason.STATUS
        assert "vouches" in str(raised.value)
        assert raised.value.sample.time is None


@pytest.mark.simulated_vm(parts=sim.Part.PVCLOCK)
def test_a_monotonic_clock_is_no_time_of_day(simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        assert clock.read().time is None
        with pytest.raises(paraclock.UnsupportedError, match="timescales="):
            clock.time_ns()
        with pytest.raises(paraclock.UnsupportedError):
            clock.offset()
        got = clock.offset(start_utc_ns=1_768_478_400 * NS)
        assert got.valid and got.bound_ns is None
        assert OffsetFlag.MAYBE_SMEARED in got.flags
    with pytest.raises(paraclock.AbsentError) as raised:
        simulated_vm.open(timescales=(Timescale.UTC, Timescale.TAI))
    assert "monotonic" in str(raised.value)


def test_offset_finds_what_the_guests_clock_is_off(
        simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        simulated_vm.guest_step(-12_345_678)
        got = clock.offset()
        assert got.valid and got.offset_ns is not None
        assert got.error_ns is not None and got.bound_ns is not None
        assert abs(got.offset_ns - 12_345_678) <= got.error_ns
        assert got.bound_ns >= got.error_ns + 10_000
        assert got.utc_ns is not None and got.realtime_ns is not None
        assert got.utc_ns - got.realtime_ns == got.offset_ns
        again = clock.crosststamp().offset()
        assert again.offset_ns is not None
        assert abs(again.offset_ns - got.offset_ns) <= got.error_ns


def test_offset_takes_a_leap_table(simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        table = paraclock.LeapTable.from_sample(clock.read())
        assert clock.offset(leap_table=table).valid


def test_an_invalid_sample_has_no_offset(simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        simulated_vm.host_now.status(sim.Status.UNRELIABLE)
        got = clock.offset()
        assert not got.valid and got.reason == Reason.STATUS
        assert (got.offset_ns, got.error_ns, got.bound_ns) == (None,) * 3
        assert "vouches" in clock.explain(got.sample)


def test_a_cross_timestamp_has_the_system_clocks(simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        xt = clock.crosststamp(brackets=5)
        assert xt.sample.valid and xt.realtime_valid
        assert set(xt.ns) == set(SystemClock)
        assert xt.realtime_ns is not None and xt.sample.utc_ns is not None
        assert abs(xt.realtime_ns - xt.sample.utc_ns) <= xt.uncertainty_ns + 1
        assert xt.clocksource == "tsc" and xt.tai_offset_sec == 37
        assert xt.monotonic_ns is not None and xt.tai_ns is not None
        with pytest.raises(paraclock.ArgumentError):
            clock.crosststamp(brackets=17)
        simulated_vm.host_now.status(sim.Status.UNRELIABLE)
        xt = clock.crosststamp()
        assert not xt.sample.valid and xt.ns == {}
        assert xt.realtime_ns is None and not xt.realtime_valid


def test_a_bracket_needs_no_counter_of_the_kernels(
        simulated_vm: sim.VM) -> None:
    simulated_vm.guest_clocksource("hpet")
    with simulated_vm.open() as clock:
        with pytest.raises(paraclock.AbsentError):
            clock.crosststamp()
        xt = clock.bracket()
        assert xt.sample.valid and xt.monotonic_ns is None
        assert xt.realtime_ns is not None and xt.sample.utc_ns is not None
        assert abs(xt.realtime_ns - xt.sample.utc_ns) <= xt.uncertainty_ns + 1
        assert OffsetFlag.BRACKETED in clock.offset().flags


def test_snapshots_histories_and_watches(simulated_vm: sim.VM) -> None:
    env = simulated_vm.env()
    history = paraclock.History(8, env=env)
    for _ in range(4):
        snap = history.add()
        assert snap.valid_for_correlation
        simulated_vm.world.run(NS // 100)
    with simulated_vm.open() as clock:
        assert clock.crosststamp(history).sample.valid
    before = paraclock.snapshot(env=env)
    with paraclock.Watch(env=env) as watch:
        simulated_vm.guest_step(5 * NS)
        assert watch.update()
        assert not watch.update()
    assert watch.closed
    with pytest.raises(paraclock.ClosedError):
        watch.update()
    with pytest.raises(paraclock.ClosedError):
        watch.fileno()
    after = paraclock.snapshot(env=env)
    assert after.clock_was_set_seq != before.clock_was_set_seq
    paraclock.refresh(env=env)
    for entries in (1, 65537):
        with pytest.raises(paraclock.ArgumentError):
            paraclock.History(entries, env=env)


def test_correlate_calls_back_and_passes_on_what_is_raised(
        simulated_vm: sim.VM) -> None:
    env = simulated_vm.env()

    def get_time() -> Sample:
        return Sample(host_ns=42, host_tsc=simulated_vm.counter(),
                      counter=Counter.X86_TSC, pair_error_ns=0, valid=True)

    xt = paraclock.correlate(get_time, env=env)
    assert xt.sample.host_ns == 42 and xt.realtime_ns is not None

    class Stop(BaseException):
        pass

    def stop() -> Sample:
        raise Stop

    with pytest.raises(Stop):
        paraclock.correlate(stop, env=env)
    with pytest.raises(AttributeError):
        paraclock.correlate(lambda: 5, env=env)  # type: ignore
    half = paraclock.Coupling(mult=1, shift=1)
    assert half.to_system(10) == 5 and half.to_device(5) == 10
    with pytest.raises(paraclock.AbsentError):
        paraclock.correlate(get_time, env=env, coupling=half)
    with pytest.raises(paraclock.ArgumentError):
        paraclock.Coupling(mult=1, shift=64).to_system(1)


def test_a_check_contradicts_a_clock_that_runs_too_fast() -> None:
    with sim.World() as world:
        vm = world.host().vm(parts=sim.Part.VMCLOCK)
        clock = vm.open()
        check = paraclock.Check(clock)
        assert not check.look().contradicted
        world.run(10 * NS)
        found = check.look()
        assert paraclock.CheckFlag.RATE in found.compared
        assert not found.contradicted
        vm.host_now.slew(10**7)
        world.run(100 * NS)
        found = check.look()
        assert found.contradicted
        assert found.contradictions == paraclock.CheckFlag.RATE
        assert clock.read().reason == Reason.IMPLAUSIBLE
        clock.trust()
        assert clock.read().valid
        with pytest.raises(paraclock.ArgumentError):
            paraclock.Check(clock, clock).look()


def test_list_sources_and_describe_machine(simulated_vm: sim.VM) -> None:
    sources = {source.name: source
               for source in paraclock.list_sources(env=simulated_vm.env())}
    assert sources["vmclock"].error is None
    assert sources["vmclock"].sample is not None
    assert sources["vmclock"].sample.valid
    assert isinstance(sources["kvmclock"].error, paraclock.AbsentError)
    assert str(sources["kvmclock"].error) == sources["kvmclock"].detail
    qualities = [source.quality for source in sources.values()]
    assert qualities == sorted(qualities, reverse=True)
    machine = paraclock.describe_machine(env=simulated_vm.env())
    assert machine.counter == Counter.X86_TSC
    assert machine.clocksource == "tsc"


def test_this_machine_has_sources() -> None:
    names = [source.name for source in paraclock.list_sources()]
    assert "vmclock" in names and "tsc" in names
    assert paraclock.describe_machine().counter != Counter.NONE
    assert paraclock.counter() < paraclock.counter()
    snap = paraclock.snapshot()
    assert snap.realtime_ns is not None


@pytest.mark.parametrize("options, raised", [
    ({"backend": "nothing"}, paraclock.ArgumentError),
    ({"backend": "vm\0clock"}, ValueError),
    ({"backend": "vmclock", "device": "/nowhere/page"}, paraclock.AbsentError),
    ({"backend": "vmclock", "device": "/dev/null\0"}, ValueError),
    ({"device": "/dev/vmclock0"}, paraclock.ArgumentError),
    ({"timescales": ()}, ValueError),
    ({"timescales": 40}, ValueError),
    ({"flags": 1 << 40}, paraclock.ArgumentError),
    ({"flags": 1 << 64}, OverflowError),
    ({"max_age_ns": -1}, OverflowError),
    ({"max_pair_error_ns": 1 << 64}, OverflowError),
    ({"vm_fd": 1 << 31}, OverflowError),
    ({"backend": 5}, AttributeError),
    ({"device": 5, "backend": "vmclock"}, TypeError),
])
def test_a_bad_option_is_refused(options: dict[str, Any],
                                 raised: type[Exception]) -> None:
    with pytest.raises(raised) as error:
        paraclock.open(**options)
    assert len(str(error.value)) > 8


def test_a_page_in_a_file(simulated_vm: sim.VM, tmp_path: Any) -> None:
    path = tmp_path / "page"
    path.write_bytes(simulated_vm.page(sim.PageKind.VMCLOCK))
    with paraclock.open("vmclock", device=path) as clock:
        assert clock.read().timescale == Timescale.TAI
    os.truncate(path, 8)
    with paraclock.open("vmclock", device=path) as clock:
        with pytest.raises(paraclock.MalformedError):
            clock.read()


def test_a_closed_clock_raises(simulated_vm: sim.VM) -> None:
    clock = simulated_vm.open()
    other = simulated_vm.open()
    sample = clock.read()
    events = clock.events()
    check = paraclock.Check(other, clock)
    clock.close()
    clock.close()
    assert clock.closed and repr(clock) == "<paraclock.Clock, closed>"
    calls: list[Callable[[], object]] = [
        clock.read, clock.time_ns, lambda: clock.read_at(1), clock.crosststamp,
        clock.offset, clock.marker, clock.fileno, clock.next_event,
        clock.events, clock.aevents, clock.trust, lambda: clock.disrupted(1),
        lambda: clock.epoch, lambda: clock.backend, lambda: next(events),
        check.look]
    for call in calls:
        with pytest.raises(paraclock.ClosedError):
            call()
    assert clock.explain(sample)


def test_an_unclosed_clock_is_reported(simulated_vm: sim.VM,
                                       tmp_path: Any) -> None:
    path = tmp_path / "page"
    path.write_bytes(simulated_vm.page(sim.PageKind.VMCLOCK))
    clock = paraclock.open("vmclock", device=path)
    with pytest.warns(ResourceWarning, match="unclosed <paraclock.Clock on"):
        del clock
    clock = simulated_vm.open()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del clock
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(paraclock.ArgumentError):
            paraclock.open("nothing")


def test_an_exception_carries_the_sentence_of_explain(
        simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        simulated_vm.fault(sim.PageKind.VMCLOCK, sim.Fault.TORN)
        with pytest.raises(paraclock.AgainError) as raised:
            clock.read()
        assert raised.value.name == "EAGAIN"
        assert raised.value.errno == errno.EAGAIN
        assert "mid-update" in str(raised.value) or \
            "update" in str(raised.value)
