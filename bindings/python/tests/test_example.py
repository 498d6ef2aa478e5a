# SPDX-License-Identifier: MIT
"""The tests of README.md, as a user would write them."""

from paraclock import Clock, Sample, sim


# A program that measures with the host's clock.
def since(clock: Clock, then: Sample) -> int | None:
    """ns since then; None: not known, because the machine was moved."""
    now = clock.read()
    if not now.valid or not then.valid or now.epoch != then.epoch:
        return None
    return now.host_ns - then.host_ns


def test_a_migration_is_noticed(simulated_vm: sim.VM) -> None:
    clock = simulated_vm.open()
    before = clock.read()
    simulated_vm.migrate()
    assert clock.read().epoch != before.epoch


def test_what_was_measured_before_a_migration_is_dropped(
        simulated_vm: sim.VM) -> None:
    with simulated_vm.open() as clock:
        then = clock.read()
        simulated_vm.world.run(10**9)
        elapsed = since(clock, then)
        assert elapsed is not None and abs(elapsed - 10**9) <= 1
        simulated_vm.migrate()
        assert since(clock, then) is None
