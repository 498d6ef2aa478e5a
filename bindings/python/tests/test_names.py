# SPDX-License-Identifier: MIT
"""Python says what the C headers say, and leaves out nothing by accident."""

import enum
import errno
import re
import types
from pathlib import Path
from typing import Callable

import pytest

import headers as c_headers
import paraclock
from paraclock import _errors, _native, _sim, sim

# enum paraclock_x: the class, and the prefix of its names.
ENUMS = {
    "timescale": (paraclock.Timescale, "TIMESCALE"),
    "counter": (paraclock.Counter, "COUNTER"),
    "reason": (paraclock.Reason, "REASON"),
    "marker_class": (paraclock.MarkerClass, "MARKER"),
    "leap": (paraclock.Leap, "LEAP"),
    "event_kind": (paraclock.EventKind, "EVENT"),
    "clock": (paraclock.SystemClock, "CLOCK"),
    "clocksource_kind": (paraclock.ClocksourceKind, "CLOCKSOURCE"),
    "firmware": (paraclock.Firmware, "FIRMWARE"),
    "smear": (paraclock.Smear, "SMEAR"),
    "status": (sim.Status, "STATUS"),
    "sim_ring": (sim.Ring, "SIM"),
    "sim_page_kind": (sim.PageKind, "SIM"),
    "sim_fault": (sim.Fault, "SIM_FAULT"),
}
ENUMS_LEFT_OUT = {
    "wall": "of wall windows, which are for the hot path of C programs",
    "sim_notice": "of notify(), which is called in the middle of an act",
    "host_clock": "of the host's side",
}

# The prefix of macros: the class.
FLAGS = {
    "FLAG": paraclock.SampleFlag,
    "EVENT": paraclock.EventFlag,
    "DEVICE": paraclock.OpenFlag,
    "COUPLING": paraclock.CouplingFlag,
    "CHECK": paraclock.CheckFlag,
    "OFFSET": paraclock.OffsetFlag,
    "SIM_HAS": sim.Part,
    "SIM": sim.Act,
}

# Functions that Python reaches by another one, or does without.
LEFT_OUT = {
    "paraclock_open_backend": "a backend in Python would run in any thread, "
                              "and in signal handlers",
    "paraclock_default_env": "NULL means it",
    "paraclock_interval": "interval_ns() has the same numbers",
    "paraclock_interval_tai": "interval_tai_ns() has the same numbers",
    "paraclock_leap_table_check": "a LeapTable is always fit for use",
    "paraclock_wall_window_at": "for the hot path of C programs",
    "paraclock_wall_read": "for the hot path of C programs",
    "paraclock_sim_backend": "VM.truth() has the truth",
    "paraclock_sim_timeline": "of the host's side",
    "paraclock_sim_enter": "for threads of a live world",
    "paraclock_sim_leave": "for threads of a live world",
    "paraclock_sim_play_vm": "for on_pages(), which a live world calls",
}
# Writing pages is what VMMs do, in C and in shared memory.
HEADERS_LEFT_OUT = ("host.h", "relay.h", "timekeeper.h")

# Those that core.c, sim.c and hot.c call.
SOURCES = ("core.c", "sim.c", "hot.c")


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum_has_the_names_and_values_of_the_header(
        name: str, headers: Path) -> None:
    cls, prefix = ENUMS[name]
    ours = {f"PARACLOCK_{prefix}_{member.name}": int(member)
            for member in cls}
    assert ours == c_headers.enums(headers)[name]


def test_every_enum_of_the_headers_is_here_or_left_out(headers: Path) -> None:
    there = c_headers.enums(headers)
    hosts = set()
    for header in HEADERS_LEFT_OUT:
        hosts |= set(re.findall(r"^enum paraclock_(\w+) \{",
                                (headers / header).read_text(), re.M))
    assert len(there) > 15
    assert set(there) - set(ENUMS) - set(ENUMS_LEFT_OUT) - hosts == set()


@pytest.mark.parametrize("prefix", FLAGS)
def test_flags_have_the_names_and_values_of_the_header(
        prefix: str, headers: Path) -> None:
    start = f"PARACLOCK_{prefix}_"
    theirs = {name.removeprefix(start): value
              for name, value in c_headers.flags(headers).items()
              if name.startswith(start)}
    if prefix == "SIM":
        theirs = {name: value for name, value in theirs.items()
                  if not name.startswith("HAS_")}
    assert {flag.name: flag.value for flag in FLAGS[prefix]} == theirs


def test_timeline_flags_are_those_of_the_header(headers: Path) -> None:
    theirs = c_headers.flags(headers)
    for flag in sim.TimelineFlag:
        assert theirs[f"PARACLOCK_TIMELINE_{flag.name}"] == flag
    assert theirs["PARACLOCK_TIMELINE_MAXERROR"] == sim._MAXERROR
    assert theirs["PARACLOCK_TIMELINE_MAXERROR_RATE"] == sim._MAXERROR_RATE
    assert theirs["PARACLOCK_TIMELINE_ESTERROR"] == sim._ESTERROR
    assert theirs["PARACLOCK_TIMELINE_ESTERROR_RATE"] == sim._ESTERROR_RATE


def test_every_flag_of_the_headers_is_here_or_left_out(headers: Path) -> None:
    left_out = set()
    # backend.h: for authors of backends.
    for header in (*HEADERS_LEFT_OUT, "backend.h"):
        left_out |= set(re.findall(r"^#define (PARACLOCK_\w+)",
                                   (headers / header).read_text(), re.M))
    for name in set(c_headers.flags(headers)) - left_out:
        rest = name.removeprefix("PARACLOCK_")
        assert any(rest.startswith(f"{prefix}_") for prefix in FLAGS), name


def test_every_function_is_bound_or_left_out(headers: Path,
                                             native: Path) -> None:
    there = c_headers.functions(headers)
    host = set()
    for header in HEADERS_LEFT_OUT:
        host |= set(re.findall(r"\b(paraclock_\w+)\(",
                               (headers / header).read_text()))
    bound = set(dir(_native.lib)) | set(dir(_sim.lib))
    called = set(re.findall(r"\b(paraclock_\w+)\(", "".join(
        (native / source).read_text() for source in SOURCES)))
    assert len(there) > 100
    assert there - host - bound - called - set(LEFT_OUT) == set()
    assert set(LEFT_OUT) - there == set()
    assert set(LEFT_OUT) & (bound | called) == set()


NAMES: list[tuple[type[enum.IntEnum], Callable[[int], object]]] = [
    (paraclock.Timescale, _native.lib.paraclock_timescale_name),
    (paraclock.Counter, _native.lib.paraclock_counter_name),
    (paraclock.Reason, _native.lib.paraclock_reason_name),
    (paraclock.MarkerClass, _native.lib.paraclock_marker_class_name),
    (paraclock.Leap, _native.lib.paraclock_leap_name),
    (paraclock.EventKind, _native.lib.paraclock_event_kind_name),
]


@pytest.mark.parametrize("cls, name_of", NAMES)
def test_str_of_a_value_is_its_name_in_json(
        cls: type[enum.IntEnum], name_of: Callable[[int], object]) -> None:
    for member in cls:
        if member in (paraclock.Counter.USER, paraclock.Counter.ANY) and \
                cls is paraclock.Counter:
            continue
        name = _native.ffi.string(name_of(member)).decode()
        assert str(member) == name
        assert f"{member:>25}" == f"{name:>25}"


def test_a_value_of_a_newer_library_is_unknown() -> None:
    reason = paraclock.Reason(200)
    assert (str(reason), int(reason)) == ("unknown", 200)
    assert reason == paraclock.Reason(200)
    with pytest.raises(ValueError):
        paraclock.Reason(256)
    with pytest.raises(ValueError):
        paraclock.Reason(-1)


def test_the_help_names_everything() -> None:
    """help() itself shows no name that another module defines."""
    modules = {name for name in dir(paraclock)
               if isinstance(getattr(paraclock, name), types.ModuleType)}
    names = {name for name in dir(paraclock)
             if not name.startswith("_")} - modules
    words = re.findall(r"\w+", paraclock.__doc__ or "")
    assert names - set(words) == set()


def test_errors_that_the_library_names_have_a_class(headers: Path) -> None:
    text = (headers / "clock.h").read_text()
    for name in ("EAGAIN", "ENODEV", "EACCES", "EPROTO", "EOPNOTSUPP",
                 "EINVAL", "ERANGE", "ETIMEDOUT"):
        assert f"-{name} " in text
        error = _errors.make_error(-getattr(errno, name), "why")
        assert type(error) is not paraclock.Error
        assert error.name == name
        assert str(error) == "why"
