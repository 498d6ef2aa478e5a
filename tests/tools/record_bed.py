# SPDX-License-Identifier: MIT
"""Shared by the checks of paraclock record and plot."""
import csv
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import cli

TOOL = sys.argv.pop(1)
SEC = 10**9
COLUMNS = [
    "kind", "valid", "reason", "host_ns", "host_tsc", "timescale",
    "pair_error_ns", "clock_error_ns", "epoch", "marker_class", "leap",
    "tai_offset_sec", "counter", "realtime_ns", "monotonic_ns",
    "monotonic_raw_ns", "boottime_ns", "tai_ns", "uncertainty_ns",
    "offset_ns", "gap_ns", "source", "bound_ns"]
TITLE = "# paraclock record 1"
MOVES = """host a maxerror 100us
host b maxerror 100us ahead 80us
vm v on a with vmclock,generation
open v
run 10s
migrate v to b downtime 100ms
run 10h
"""


def run(*args, **more):
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([TOOL, *map(str, args)], text=True,
                          timeout=cli.HANGS_SEC, check=False, **more)


def chosen():
    """The source that is used when none is named."""
    return json.loads(run("status", "--json").stdout)["chosen"]


def can_read_the_counter():
    return json.loads(run("status", "--json").stdout)["counter"]["id"] != \
        "none"


def can_correlate():
    """Does the kernel keep its time by the counter?"""
    return run("cross", "-b", chosen() or "tsc").returncode == 0


def parse(text):
    """The lines of the header, and the rows."""
    lines = text.splitlines()
    head = [line for line in lines if line.startswith("#")]
    return head, list(csv.DictReader(lines[len(head):]))


HAS_GNUPLOT = shutil.which("gnuplot") is not None


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.csv = self.dir / "a.csv"

    def start(self, *args, **more):
        process = subprocess.Popen([TOOL, *map(str, args)], text=True, **more)
        self.addCleanup(process.wait)
        for stream in (process.stdout, process.stderr):
            if stream:
                self.addCleanup(stream.close)
        self.addCleanup(process.kill)
        return process

    def assert_fails(self, result, *words, status=1):
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
