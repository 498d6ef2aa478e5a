# SPDX-License-Identifier: MIT
"""Images of pages, honest and hostile."""

import mmap
import os
import random
import struct
from typing import Callable

import pytest

import paraclock
from paraclock import MarkerClass, Reason, Timescale, sim

KINDS = ("pvclock", "hyperv", "vmclock")


@pytest.fixture
def pages() -> dict[str, tuple[bytes, int, int]]:
    """A page of each kind, a counter value, and the host clock there."""
    vm = sim.make_vm(sim.Part.PVCLOCK | sim.Part.HYPERV | sim.Part.VMCLOCK)
    # Until each of them has been renewed.
    vm.world.run(301 * 10**9)
    counter = vm.counter()
    mono = vm.truth(counter, Timescale.MONOTONIC)
    return {
        "pvclock": (vm.page(sim.PageKind.PVCLOCK), counter, mono),
        "hyperv": (vm.page(sim.PageKind.HYPERV), counter, mono),
        "vmclock": (vm.page(sim.PageKind.VMCLOCK), counter,
                    vm.truth(counter, Timescale.TAI)),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_says_what_the_host_said(
        kind: str, pages: dict[str, tuple[bytes, int, int]]) -> None:
    page, counter, truth = pages[kind]
    got = paraclock.decode(kind, page, counter)
    assert got.sample.valid and got.detail == ""
    # Hyper-V's resolution is 100 ns.
    assert abs(got.sample.host_ns - truth) <= 100
    assert got.sample.host_tsc == counter and got.sample.epoch == 0
    assert (got.marker is not None) == (kind == "vmclock")
    if got.marker is None:
        assert got.sample.marker_class == MarkerClass.NONE
    assert paraclock.decode(kind, bytearray(page), counter) == got
    assert paraclock.decode(kind, memoryview(page), counter) == got


def test_an_anonymous_map_is_a_page(
        pages: dict[str, tuple[bytes, int, int]]) -> None:
    page, counter, _ = pages["vmclock"]
    with mmap.mmap(-1, 1 << 20) as area:
        area[:len(page)] = page
        got = paraclock.decode("vmclock", memoryview(area), counter)
    assert got == paraclock.decode("vmclock", page, counter)


def test_a_page_that_is_not_valid_says_why(
        pages: dict[str, tuple[bytes, int, int]]) -> None:
    page, _, _ = pages["vmclock"]
    got = paraclock.decode("vmclock", page, 0)
    assert not got.sample.valid and got.sample.reason == Reason.WINDOW
    assert got.detail and got.sample.time is None


@pytest.mark.parametrize("size", (0, 1, 7, 8, 31, 32, 39, 63, 79))
@pytest.mark.parametrize("kind", KINDS)
def test_a_short_page_is_refused_or_read_within_its_size(
        kind: str, size: int,
        pages: dict[str, tuple[bytes, int, int]]) -> None:
    page, counter, _ = pages[kind]
    whole = paraclock.decode(kind, page, counter)
    try:
        got = paraclock.decode(kind, page[:size], counter)
    except paraclock.Error as error:
        assert str(error)
    else:
        # What is beyond the end does not count.
        assert got == whole or not got.sample.valid or size >= 32


def test_a_malformed_page_names_the_field(
        pages: dict[str, tuple[bytes, int, int]]) -> None:
    page, counter, _ = pages["vmclock"]
    with pytest.raises(paraclock.MalformedError, match="magic"):
        paraclock.decode("vmclock", b"\0" * 4 + page[4:], counter)
    pvclock = bytearray(pages["pvclock"][0])
    # system_time, tsc_to_system_mul 0.
    pvclock[24:28] = b"\0" * 4
    with pytest.raises(paraclock.MalformedError, match="mul"):
        paraclock.decode("pvclock", pvclock, counter)
    torn = bytearray(pages["pvclock"][0])
    torn[0] |= 1
    with pytest.raises(paraclock.AgainError):
        paraclock.decode("pvclock", torn, counter)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_pages_never_do_more_than_raise(
        kind: str, pages: dict[str, tuple[bytes, int, int]]) -> None:
    rng = random.Random(20261129)
    page = pages[kind][0]
    answers = 0
    for _ in range(600):
        hostile = bytearray(page[:rng.choice((64, 128, 4096))])
        for _ in range(rng.randrange(1, 12)):
            at = rng.randrange(min(len(hostile), 112) - 8)
            hostile[at:at + 8] = struct.pack("<Q", rng.choice(
                (0, 1, 2**63, 2**64 - 1, rng.getrandbits(64),
                 1 << rng.randrange(64))))
        # An odd sequence makes each reader wait for 100 us of the counter,
        # which stands still here.
        if kind == "pvclock":
            hostile[0] &= 0xfe
        counter = rng.choice((0, 1, 2**63, 2**64 - 1, rng.getrandbits(64)))
        try:
            got = paraclock.decode(kind, hostile, counter)
        except paraclock.Error as error:
            assert str(error)
        else:
            answers += 1
            assert repr(got.sample)
            assert got.sample.valid or got.detail
            methods: list[Callable[[], object]] = [
                got.sample.isoformat, got.sample.interval,
                got.sample.interval_tai, lambda: got.sample.time]
            for method in methods:
                try:
                    method()
                except paraclock.Error as error:
                    assert str(error)
    assert answers


def test_bad_arguments_are_refused() -> None:
    for kind in ("", "pvclock\0", "tsc", "VMCLOCK"):
        with pytest.raises(ValueError):
            paraclock.decode(kind, b"", 0)
    for counter in (-1, 1 << 64):
        with pytest.raises(OverflowError):
            paraclock.decode("pvclock", bytes(4096), counter)
    with pytest.raises(TypeError):
        paraclock.decode("pvclock", "text", 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        paraclock.decode("pvclock", bytes(32), 1.5)  # type: ignore[arg-type]
    # No list of numbers, no strides.
    with pytest.raises((TypeError, ValueError)):
        paraclock.decode("pvclock", memoryview(bytes(64))[::2], 0)


def test_it_agrees_with_the_command(
        pages: dict[str, tuple[bytes, int, int]],
        tmp_path: os.PathLike[str]) -> None:
    tool = os.environ.get("PARACLOCK_TOOL")
    if not tool:
        pytest.skip("the command is not built")
    import json
    import subprocess
    path = os.path.join(tmp_path, "page")
    for kind in KINDS:
        page, counter, _ = pages[kind]
        with open(path, "wb") as file:
            file.write(page)
        done = subprocess.run(
            [tool, "decode", kind, "--page", path, "--counter", str(counter),
             "--json"], capture_output=True, check=True)
        said = json.loads(done.stdout)
        got = paraclock.decode(kind, page, counter)
        assert said["host_ns"] == got.sample.host_ns
        assert said["clock_error_ns"] == got.sample.clock_error_ns
        assert said["timescale"] == str(got.sample.timescale)
