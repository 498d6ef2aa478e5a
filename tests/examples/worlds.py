# SPDX-License-Identifier: MIT
"""For tests of programs that need a running clock: a simulated host publishes
it, and the clocks of hosts that nobody moves are the truth.
Each is called with PARACLOCK EXAMPLES, the tool and the folder of programs."""
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tools"))
import cli  # noqa: E402  (tests/tools)

TOOL, EXAMPLES = (pathlib.Path(arg).resolve() for arg in sys.argv[1:3])
del sys.argv[1:3]

SEC = 10**9
# Against hangs; nothing is judged by it.
DEADLINE_SEC = 240
# What a vmclock begins with.
MAGIC = b"VCLK"
# How well a line through cross timestamps is known.
LINE_NS = 100


class Program:
    """A program whose lines are read as they come."""

    def __init__(self, test, *command):
        self.process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, text=True,
            stderr=subprocess.STDOUT)
        test.addCleanup(self.process.stdout.close)
        test.addCleanup(self.process.wait)
        test.addCleanup(self.process.kill)
        self.lines = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, good, what):
        end = time.monotonic() + DEADLINE_SEC
        while not (got := good(list(self.lines))):
            if time.monotonic() > end or not self.reader.is_alive():
                raise AssertionError(f"{what}: " + "\n".join(self.lines[-30:]))
            time.sleep(0.05)
        return got


class Line:
    """A host's clock as an affine function of CLOCK_MONOTONIC_RAW."""

    def __init__(self, points):
        self.raw, self.ns = points[0]
        raw, ns = points[-1]
        self.run, self.rise = raw - self.raw, ns - self.ns

    def at(self, raw):
        return self.ns + (raw - self.raw) * self.rise // self.run

    def ppb(self):
        return (self.rise - self.run) * SEC / self.run


class Worlds(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def page(self, name):
        return self.dir / f"{name}.vmclock"

    def simulate(self, text):
        script = self.dir / "script.sim"
        script.write_text(text)
        sim = Program(self, TOOL, "simulate", "--realtime", "--dir", self.dir,
                      script)
        # Its line comes before its page.
        sim.wait_for(lambda lines: self.is_published("vm1"),
                     "the simulated host starts")
        return sim

    def is_published(self, name):
        """The page is there, and it is not being written."""
        page = self.page(name)
        data = page.read_bytes() if page.exists() else b""
        return data[:4] == MAGIC and not data[cli.SEQ_COUNT] & 1

    def hold(self, sim, name="vm1"):
        """The script goes on at go_on(); what is due by then happens at
        once."""
        cli.hold(sim.process, self.page(name))

    def go_on(self, sim):
        sim.process.send_signal(signal.SIGCONT)

    def cross(self, name):
        """(CLOCK_MONOTONIC_RAW, the host's clock): the best of some."""
        done = subprocess.run(
            [TOOL, "cross", "-b", "vmclock", "-d", self.page(name), "-n", "20",
             "-i", "0.01", "--json"], capture_output=True, text=True,
            timeout=DEADLINE_SEC, check=True)
        best = min((json.loads(line) for line in done.stdout.splitlines()),
                   key=lambda got: got["uncertainty_ns"])
        return best["monotonic_raw_ns"], best["host_ns"]
