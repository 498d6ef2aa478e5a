# SPDX-License-Identifier: MIT
"""For pytest: a simulated VM in a test.

    def test_a_migration_is_noticed(simulated_vm):
        clock = simulated_vm.open()
        before = clock.read()
        simulated_vm.migrate()
        assert clock.read().epoch != before.epoch

@pytest.mark.simulated_vm(parts=Part.PVCLOCK) makes another VM; it takes what
paraclock.sim.make_vm() takes.
"""

from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
    from paraclock.sim import VM


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "simulated_vm(parts, ...): how the fixture simulated_vm is "
        "made; see paraclock.sim.make_vm()")


@pytest.fixture
def simulated_vm(request: pytest.FixtureRequest) -> "Iterator[VM]":
    """A VM (paraclock.sim.VM) in a world of its own, with a vmclock. At the end
    of the test its clocks are closed."""
    # Only now: a build without the simulated host must not break pytest.
    from paraclock import sim

    mark = request.node.get_closest_marker("simulated_vm")
    args, options = (mark.args, mark.kwargs) if mark else ((), {})
    with sim.make_vm(*args, **options) as vm:
        yield vm
