#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The relay and the follower, on the clocks of simulated hosts."""
import json
import os
import signal
import struct
import subprocess
import time
import unittest

from worlds import DEADLINE_SEC, EXAMPLES, TOOL, Program, Worlds, cli

RELAY, FOLLOWER = EXAMPLES / "relay", EXAMPLES / "follower"

# Of struct vmclock_abi, bytes.
PAGE_SIZE, COUNTER_VALUE = 4096, 40
# Pages round to this.
PAGE_NS = 1

# The hosts are so far apart that no page of one is near the other's.
MOVES = """
host a maxerror 1ms maxerror-rate 50ppb
host b ahead 800us maxerror 2ms maxerror-rate 50ppb
vm vm1 on a with vmclock
run {calm}s
migrate vm1 to b downtime 100ms
run 600s
"""


def paraclock(*args):
    """(exit status, the JSON object or None)."""
    done = subprocess.run([TOOL, *map(str, args), "--json"], text=True,
                          capture_output=True, timeout=DEADLINE_SEC,
                          check=False)
    return (done.returncode,
            json.loads(done.stdout) if done.stdout.strip() else None)


def copy_of(page):
    """One state of a page whose writer goes on: programs that look at it one
    after the other see different ones."""
    with open(page, "rb") as file:
        for _ in range(1_000_000):
            copy = os.pread(file.fileno(), PAGE_SIZE, 0)
            again = os.pread(file.fileno(), PAGE_SIZE, 0)
            if copy == again and not copy[cli.SEQ_COUNT] & 1:
                return copy
    raise AssertionError(f"{page}: it is always being written")


class Relays(Worlds):
    def relay(self):
        self.below = self.dir / "below"
        relay = Program(self, RELAY, "-b", "vmclock", "-d", self.page("vm1"),
                        self.below)
        relay.wait_for(lambda lines: "reads the time of vmclock" in
                       "".join(lines), "L2 has the time")
        return relay

    def is_passed_on(self):
        """Above and below say the same at one counter value."""
        end = time.monotonic() + DEADLINE_SEC
        while True:
            copies = [copy_of(page) for page in (self.page("vm1"), self.below)]
            # Before its reference point a page says nothing.
            counter = max(struct.unpack_from("<Q", copy, COUNTER_VALUE)[0]
                          for copy in copies)
            above, below = (self.says(copy, counter) for copy in copies)
            # Between the two copies the page above may have been rewritten.
            if below["valid"] and \
                    abs(above["host_ns"] - below["host_ns"]) <= PAGE_NS:
                return above, below
            if time.monotonic() > end:
                self.fail(f"{above} {below}")

    def says(self, copy, counter):
        page = self.dir / "copy"
        page.write_bytes(copy)
        return paraclock("decode", "vmclock", "--page", page, "--counter",
                         counter)[1]

    def test_time_bound_and_moves_are_passed_on(self):
        sim = self.simulate(MOVES.format(calm=10))
        self.hold(sim)
        relay = self.relay()
        above, below = self.is_passed_on()
        first = below["marker"]
        for key in ("timescale", "tai_offset_sec", "leap", "counter"):
            self.assertEqual(above[key], below[key])
        self.assertLessEqual(above["clock_error_ns"], below["clock_error_ns"])
        self.go_on(sim)
        relay.wait_for(lambda lines: "disruptions 1: L2 reads" in
                       "".join(lines), "the move is noticed")
        above, below = self.is_passed_on()
        self.assertNotEqual(below["marker"], first)
        self.assertGreaterEqual(below["clock_error_ns"], 2_000_000)

    def test_an_announced_move_freezes_it(self):
        self.simulate(MOVES.format(calm=600))
        relay = self.relay()
        first = self.is_passed_on()[1]["marker"]
        relay.process.send_signal(signal.SIGUSR1)
        relay.wait_for(lambda lines: "EAGAIN" in lines[-1], "it freezes")
        status, got = paraclock("read", "-b", "vmclock", "-d", self.below)
        self.assertEqual((status, got["valid"], got["reason"]),
                         (3, False, "status"))
        relay.process.send_signal(signal.SIGUSR2)
        relay.wait_for(lambda lines: "reads the time" in lines[-1], "it goes on")
        self.assertNotEqual(self.is_passed_on()[1]["marker"], first)

    def test_at_its_end_the_guest_has_no_time(self):
        self.simulate(MOVES.format(calm=600))
        relay = self.relay()
        relay.process.terminate()
        self.assertEqual(relay.process.wait(DEADLINE_SEC), 0)
        self.assertEqual(paraclock("read", "-b", "vmclock", "-d",
                                   self.below)[0], 3)

    def test_it_takes_no_page_of_another(self):
        self.simulate(MOVES.format(calm=600))
        for page in (self.page("vm1"), self.dir / "none" / "page"):
            done = subprocess.run(
                [RELAY, "-b", "vmclock", "-d", self.page("vm1"), page],
                capture_output=True, text=True, timeout=DEADLINE_SEC,
                check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(page), done.stderr)


class Followers(Worlds):
    def test_the_host_steps_back_and_its_readers_do_not(self):
        sim = self.simulate(
            "host exact\nhost a\nvm on-exact on exact with vmclock\n"
            "vm vm1 on a with vmclock\nrun 10s\nstep a -100ms\nrun 600s\n")
        self.hold(sim)
        clock = self.dir / "clock"
        writer = Program(self, FOLLOWER, "-b", "vmclock", "-d",
                         self.page("vm1"), clock)
        writer.wait_for(lambda lines: any("it follows" in line
                                          for line in lines), "it follows")
        reader = Program(self, FOLLOWER, "-r", clock)
        reader.wait_for(lambda lines: any(line.startswith("ok ")
                                          for line in lines), "it reads")
        self.go_on(sim)

        def behind():
            raw, ns = self.cross("vm1")
            exact_raw, exact_ns = self.cross("on-exact")
            return (exact_ns - exact_raw) - (ns - raw)

        end = time.monotonic() + DEADLINE_SEC
        while behind() < 90_000_000:
            self.assertLess(time.monotonic(), end, "the host never steps")
        self.assertIsNone(writer.process.poll())
        seen = len(reader.lines)
        reader.wait_for(lambda lines: len(lines) > seen + 20, "it reads on")
        times = [int(line.split()[1].split("=")[1]) for line in reader.lines
                 if line.startswith("ok ")]
        self.assertGreater(len(times), 20)
        self.assertEqual(times, sorted(set(times)))

    def test_a_second_writer_is_refused(self):
        self.simulate("host a\nvm vm1 on a with vmclock\nrun 600s\n")
        command = (FOLLOWER, "-b", "vmclock", "-d", self.page("vm1"),
                   self.dir / "clock")
        writer = Program(self, *command)
        writer.wait_for(lambda lines: any("it follows" in line
                                          for line in lines), "it follows")
        done = subprocess.run(list(map(str, command)), capture_output=True,
                              text=True, timeout=DEADLINE_SEC, check=False)
        self.assertEqual((done.returncode, "EBUSY" in done.stderr), (1, True),
                         done)

    def test_a_file_that_is_no_timekeeper_is_refused(self):
        (self.dir / "short").write_bytes(b"short")
        done = subprocess.run([FOLLOWER, "-r", self.dir / "short"],
                              capture_output=True, text=True,
                              timeout=DEADLINE_SEC, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not a timekeeper", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
