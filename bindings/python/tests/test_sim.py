# SPDX-License-Identifier: MIT
"""Simulated worlds."""

from typing import Any

import pytest

import paraclock
from paraclock import Leap, Reason, Timescale, sim

NS = 1_000_000_000


def test_the_same_calls_give_the_same_numbers() -> None:
    def play() -> list[Any]:
        with sim.World(seed=5) as world:
            vm = world.host(clock_ppb=50).vm(parts=sim.Part.VMCLOCK)
            clock = vm.open()
            vm.migrate()
            world.run(NS)
            return [clock.read(), clock.marker(), world.random(1000)]

    assert play() == play()


def test_a_world_starts_where_it_is_told() -> None:
    with sim.World(start_tai_ns=1_600_000_000 * NS, tai_offset_sec=36) as world:
        assert world.now() == 1_600_000_000 * NS
        assert world.now(Timescale.UTC) == 1_599_999_964 * NS
        assert world.now(Timescale.MONOTONIC) == 0
        with pytest.raises(paraclock.ArgumentError):
            world.now(Timescale.UNKNOWN)
        for ns in (-1, 1 << 64):
            with pytest.raises(OverflowError):
                world.run(ns)
        with pytest.raises(paraclock.ArgumentError):
            world.run((1 << 62) + 1)
    with pytest.raises(paraclock.ArgumentError):
        sim.World(tai_offset_sec=101)


def test_a_host_that_is_wrong_shows_it() -> None:
    with sim.World() as world:
        host = world.host(clock_ahead_ns=5_000)
        vm = host.vm(parts=sim.Part.VMCLOCK, vmclock_timescale=Timescale.UTC)
        clock = vm.open()
        s = clock.read()
        assert s.timescale == Timescale.UTC
        assert abs(s.host_ns - world.now(Timescale.UTC) - 5_000) <= 1
        assert s.clock_error_ns is None
        host.errors(sim.Errors(maxerror_ns=7_000, maxerror_ppb=0))
        assert clock.read().clock_error_ns == 7_000
        host.step(1_000_000)
        assert abs(clock.read().host_ns - world.now(Timescale.UTC)
                   - 1_005_000) <= 1
        host.slew(-1000)
        host.status(sim.Status.FREERUNNING)
        assert clock.read().valid
        host.tai(0)
        assert clock.read().tai_offset_sec is None
        with pytest.raises(paraclock.ArgumentError):
            host.slew(10**9)


def test_an_inserted_second() -> None:
    # 2026-01-31 23:59:58 UTC.
    start = (1_769_903_998 + 37) * NS
    with sim.World(start_tai_ns=start, leap=Leap.PRE_POS) as world:
        vm = world.host().vm(parts=sim.Part.VMCLOCK,
                             vmclock_timescale=Timescale.UTC)
        clock = vm.open()
        seen = []
        for _ in range(6):
            world.run(NS // 2)
            seen.append(clock.read().isoformat())
        assert [text and text[17:21] for text in seen] == [
            "58.5", "59.0", "59.5", "60.0", "60.5", "00.0"]


@pytest.mark.simulated_vm(parts=sim.Part.PVCLOCK | sim.Part.HYPERV, vcpus=2)
def test_acts_on_a_vm(simulated_vm: sim.VM) -> None:
    vm = simulated_vm
    clock = vm.open("kvmclock")
    assert clock.read().valid
    vm.vcpu_skew(1, 5000)
    assert vm.counter(1) - vm.counter(0) == 5000
    assert clock.read().reason == Reason.UNSTABLE
    vm.vcpu_skew(1, 0)
    vm.vcpu_halt(1)
    vm.vcpu_run(1)
    assert clock.read().valid
    vm.host_now.clocksource(False)
    assert not clock.read().valid
    vm.host_now.clocksource(True)
    vm.host_now.tsc(ticks=10)
    vm.guest_clocksource("hpet")
    with pytest.raises(paraclock.AbsentError):
        vm.open("kvmclock").crosststamp()
    with pytest.raises(ValueError):
        vm.guest_clocksource("a\0b")
    with pytest.raises(paraclock.ArgumentError):
        vm.vcpu_skew(2, 1)
    vm.update(sim.PageKind.HYPERV)
    assert vm.open("hyperv").read().timescale == Timescale.MONOTONIC
    with pytest.raises(paraclock.AbsentError):
        vm.page(sim.PageKind.VMCLOCK)
    with pytest.raises(paraclock.AbsentError):
        vm.page(sim.PageKind.PVCLOCK, 2)


def test_clones_and_nested_hosts(simulated_vm: sim.VM) -> None:
    twin = simulated_vm.clone()
    assert twin.open().marker() != simulated_vm.open().marker()
    inner = twin.host().vm(parts=sim.Part.VMCLOCK)
    clock = inner.open()
    before = clock.epoch
    twin.migrate()
    assert clock.disrupted(before)
    assert inner.host_now.options is None
    inner.migrate()
    assert inner.coupling().flags == paraclock.CouplingFlag.FIXED | \
        paraclock.CouplingFlag.TO_DEVICE


def test_ring_0(simulated_vm: sim.VM) -> None:
    with simulated_vm.open(ring=sim.Ring.KERNEL) as clock:
        assert clock.read().valid
    with pytest.raises(ValueError):
        simulated_vm.env(sim.Ring(2))


def test_a_program_that_knows_nothing_of_it(simulated_vm: sim.VM) -> None:
    with simulated_vm.as_this_machine():
        with paraclock.open() as clock:
            assert clock.read().host_tsc == simulated_vm.counter()
        assert paraclock.counter() == simulated_vm.counter()
        assert paraclock.snapshot().tai_offset_sec == 37
    assert paraclock.counter() != simulated_vm.counter()


def test_a_script() -> None:
    script = """
        host a
        host b ahead 3ms
        vm vm1 on a with vmclock
        open vm1
        run 10s
        read vm1
        migrate vm1 to b downtime 300ms
        expect vm1 valid disrupted error < 10ns
    """
    seen: list[int] = []
    events = sim.play(script, lambda event: seen.append(event.line))
    assert seen == [event.line for event in events]
    (read,) = [event for event in events if event.sample is not None]
    assert read.sample is not None and read.sample.valid
    assert read.backend == "vmclock"
    assert read.error_ns is not None and abs(read.error_ns) <= 1
    wrong = script.replace("valid disrupted", "not valid")
    if wrong != script:
        try:
            sim.play(wrong)
        except AssertionError as error:
            assert "line 9" in str(error)
        except paraclock.MalformedError as error:
            assert "9" in str(error)
    with pytest.raises(paraclock.MalformedError, match="2"):
        sim.play("host a\nnonsense\n")


def test_an_expectation_that_fails_is_an_assertion() -> None:
    script = ("host a\nvm v on a with vmclock\nopen v\nrun 1s\n"
              "expect v valid disrupted\n")
    with pytest.raises(AssertionError, match="line 5: expect v"):
        sim.play(script)
    assert sim.play(script, expect=False)[-1].failed


def test_members_that_do_not_fit_are_refused() -> None:
    with sim.World() as world:
        bad: list[dict[str, Any]] = [
            {"tsc_hz": -1}, {"tsc_hz": 1 << 64}, {"clock_ahead_ns": 1 << 63},
            {"tsc_hz_bits": 256}, {"errors": sim.Errors(maxerror_ns=-1)}]
        for options in bad:
            with pytest.raises(OverflowError):
                world.host(**options)
        with pytest.raises(TypeError):
            world.host(no_such_option=1)
        host = world.host()
        with pytest.raises(paraclock.ArgumentError):
            host.vm(vcpus=65)
        with pytest.raises(paraclock.ArgumentError):
            host.vm(parts=sim.Part.PTP_VMCLOCK)
        with pytest.raises(OverflowError):
            host.vm(vcpus=1 << 32)
        with pytest.raises(ValueError):
            host.vm(clocksource="a\0b")
