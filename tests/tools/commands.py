# SPDX-License-Identifier: MIT
"""Runs paraclock(1), on this machine or on page images."""
import json
import os
import select
import struct
import subprocess
import sys
import tempfile
import time

import cli


TOOL = sys.argv.pop(1)

STATUS_KEYS = ["hypervisor", "evidence", "counter", "clocksource", "chosen",
               "backends", "verdict", "offset_source", "offset_timescale",
               "offset_ns", "error_ns", "bound_ns", "maybe_smeared"]
BACKEND_KEYS = ["name", "available", "valid", "reason", "timescale",
                "marker_class", "own_kernel", "quality", "detail"]
# Of a vmclock page: the TAI offset, and both error terms.
BOUND = 0x51
READ_KEYS = ["backend", "host_ns", "time", "host_tsc", "valid", "reason",
             "timescale", "counter", "pair_error_ns", "clock_error_ns", "epoch",
             "marker_class", "leap", "tai_offset_sec", "own_kernel",
             "earliest_ns", "latest_ns", "earliest", "latest"]
CROSS_KEYS = READ_KEYS + [
    "realtime_ns", "realtime", "monotonic_ns", "monotonic_raw_ns",
    "boottime_ns", "uncertainty_ns", "clocksource", "tai_ns", "offset_ns",
    "error_ns", "bound_ns", "rate_ppm", "rate_ppm_bound", "clock_was_set_seq",
    "clocksource_changed_seq"]
EVENT_KEYS = ["realtime_ns", "time", "kind", "source", "marker_class", "epoch",
              "lost", "gap_ns", "timescale", "counter_before",
              "counter_after", "host_ns_before", "host_ns_after",
              "time_before", "time_after", "marker_before",
              "generation_before", "marker_after", "generation_after"]
CLOCKS = {"realtime_ns": time.CLOCK_REALTIME,
          "monotonic_ns": time.CLOCK_MONOTONIC,
          "monotonic_raw_ns": time.CLOCK_MONOTONIC_RAW,
          "boottime_ns": time.CLOCK_BOOTTIME}
CLOCKSOURCE = ("/sys/devices/system/clocksource/clocksource0/"
               "current_clocksource")
SEC = 10**9


def run(*args, env=None, **more):
    return subprocess.run([TOOL, *args], capture_output=True, text=True,
                          timeout=cli.HANGS_SEC, env={**os.environ, **(env or {})},
                          check=False, **more)


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def status():
    return objects(run("status", "--json"))[0]


def available(name):
    return any(b["name"] == name and b["available"]
               for b in status()["backends"])


def pvclock(version=2, tsc=1000, ns=5000, mul=1 << 31, shift=1, flags=1):
    return struct.pack("<IIQQIbBxx", version, 0, tsc, ns, mul, shift, flags)


UTC, TAI, MONOTONIC = range(3)


def vmclock(size=4096, status_=2, marker=0xfedcba9876543210, counter=1,
            time_type=TAI, flags=1, at=(1000, 1700000000 * SEC), seq=4,
            hz=None, leap=0, error_ns=0):
    """The page says that its clock was at[1] ns at counter value at[0]."""
    period = (2**93 // hz) if hz else 9903520314283042199
    return struct.pack("<IIHBBIQQ2xBBhBBQQQQQQQQQ", 0x4b4c4356, size, 1,
                       counter, time_type, seq, marker, flags, status_, 0, 37,
                       leap, 29, at[0], period, 0, 0, at[1] // SEC,
                       at[1] % SEC * 2**64 // SEC, 0, error_ns, 0)


def on_terminal(test, *args, env=None):
    """The screen of a terminal of 24 lines."""
    master, slave = cli.open_terminal(test)
    with subprocess.Popen([TOOL, *args], stdout=slave, stderr=slave,
                          stdin=subprocess.DEVNULL,
                          env={**os.environ, "TERM": "xterm",
                               **(env or {})}) as tool:
        os.close(slave)
        shown = b""
        while select.select([master], [], [], cli.HANGS_SEC)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:  # The other end is closed.
                break
        tool.wait(timeout=cli.HANGS_SEC)
    os.close(master)
    return shown.decode().replace("\r\n", "\n")


class Page:
    """A page image in a file that goes away."""

    def __init__(self, data):
        self.file = tempfile.NamedTemporaryFile()
        self.file.write(data)
        self.file.flush()
        self.path = self.file.name


COUNTER_KEYS = ["id", "hz", "hz_from", "invariant", "hz_stated", "hz_measured",
                "hz_measured_error"]
