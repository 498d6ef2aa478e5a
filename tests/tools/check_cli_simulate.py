#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock simulate, as other people's scripts use it.
Usage: check_cli_simulate.py PARACLOCK"""
import fcntl
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import cli

TOOL = sys.argv.pop(1)
EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
EVENT_KEYS = ["elapsed_ns", "line", "text", "failed", "detail"]
MAGIC = 0x4b4c4356
STATUS_AT = 34
SEC = 10**9

HOST = "host a\nvm v on a with vmclock,pvclock,hyperv vcpus 2\n"
MOVE = """host a
host b ahead 5ms
vm v on a with vmclock
open v
run 1s
migrate v to b downtime 1s
expect v valid disrupted error < 2ns
read v
"""


def run(*args, **more):
    return subprocess.run([TOOL, *map(str, args)], capture_output=True,
                          text=True, timeout=cli.HANGS_SEC, check=False, **more)


def can_read_the_counter():
    """--realtime and the readers of its pages need x86 here."""
    result = run("status", "--json")
    return json.loads(result.stdout)["counter"]["id"] != "none"


class Simulate(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def script(self, text):
        path = self.dir / "a.sim"
        path.write_text(text)
        return path

    def page(self, name):
        return (self.dir / "out" / name).read_bytes()

    def simulate(self, text, *args):
        return run("simulate", *args, self.script(text))

    def start(self, text, *args):
        """In real time; returns when its pages are there."""
        process = subprocess.Popen(
            [TOOL, "simulate", "--realtime", "--dir", self.dir / "out",
             *map(str, args), self.script(text)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        # A hanging process is ended, and the test fails.
        guard = threading.Timer(600, process.kill)
        guard.start()
        self.addCleanup(guard.cancel)
        # The pages are written before the next line is.
        for line in process.stdout:
            if "open v" in line:
                break
        return process

    # --- the script --------------------------------------------------------

    def test_the_examples_hold(self):
        for path in sorted(EXAMPLES.glob("*.sim")):
            with self.subTest(path.name):
                result = run("simulate", path)
                self.assertEqual(result.stderr, "")
                self.assertEqual(result.returncode, 0)
                self.assertEqual(run("simulate", "--check",
                                     path).returncode, 0)

    def test_an_error_has_file_line_and_column(self):
        for args in ([], ["--check"]):
            result = self.simulate("host a\nrun 5\n", *args)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stdout, "")
            error = result.stderr.splitlines()
            self.assertIn(f"{self.dir}/a.sim:2:5: '5' has no unit; expected",
                          error[0])
            self.assertEqual(error[1:], ["    run 5", "        ^"])

    def test_a_refusal_has_file_and_line(self):
        result = self.simulate(HOST + "skew v vcpu 0 by 5\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("a.sim:3:1: skew v vcpu 0 by 5: vCPU 0", result.stderr)

    def test_a_script_that_is_absent(self):
        for path in (self.dir / "no.sim", self.dir):
            result = run("simulate", path)
            self.assertEqual(result.returncode, 1)
            self.assertIn(str(path), result.stderr)

    def test_a_script_that_is_too_long(self):
        result = self.simulate("#" * 70000)
        self.assertEqual(result.returncode, 1)
        self.assertIn("a.sim:1:1: the script is too long", result.stderr)

    def test_a_script_of_nothing(self):
        for text in ("", "# host a\n"):
            for args in ([], ["--check"]):
                result = self.simulate(text, *args)
                self.assertEqual(result.returncode, 1)
                self.assertIn("a.sim:1:1: the script has no statement",
                              result.stderr)
                self.assertIn("paraclock-script(5)", result.stderr)

    def test_check_plays_nothing(self):
        result = self.simulate(MOVE + "expect v invalid", "--check")
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, "", ""))

    # --- the output --------------------------------------------------------

    def test_a_line_for_each_act(self):
        result = self.simulate(MOVE)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        self.assertEqual(len(lines), 7)
        self.assertEqual(lines[0].split(), ["0.000000000", "host", "a"])
        self.assertEqual(lines[4].split(maxsplit=1),
                         ["1.000000000", "migrate v to b downtime 1s"])
        self.assertIn("read v: vmclock 20", lines[6])
        self.assertIn("valid, off by +0 ns", lines[6])

    def test_json(self):
        result = self.simulate(MOVE + "expect v invalid", "--json")
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(lines), 8)
        for line in lines:
            self.assertEqual(list(line)[:5], EVENT_KEYS)
        self.assertEqual(lines[4], {
            "elapsed_ns": SEC, "line": 6, "text": "migrate v to b downtime 1s",
            "failed": False, "detail": None})
        read = lines[6]
        self.assertEqual(read["backend"], "vmclock")
        self.assertIs(read["valid"], True)
        self.assertEqual(read["error_ns"], 0)
        self.assertEqual(read["epoch"], 2)
        self.assertIs(lines[7]["failed"], True)
        self.assertEqual(lines[7]["detail"],
                         "not invalid: valid, off by +0 ns")

    def test_an_expectation_that_does_not_hold(self):
        result = self.simulate(MOVE + "expect v invalid\nrun 1s\n"
                               "expect v valid")
        self.assertEqual(result.returncode, 3)
        self.assertIn("expect v invalid: FAILED: not invalid", result.stdout)
        self.assertIn("a.sim:9:10: expect v invalid: not invalid",
                      result.stderr)
        # It goes on.
        self.assertIn("3.000000000  expect v valid\n", result.stdout)

    def test_usage(self):
        path = self.script(HOST)
        for args in ([], [path, path], ["--at", "4096", path],
                     ["--into", path, path], ["--check", "--realtime", path],
                     ["--check", "--dir", "x", path],
                     ["--into", path, "--at", "100", path],
                     ["--into", path, "--at", "x", path], ["-x", path]):
            with self.subTest(args=args):
                result = run("simulate", *args)
                self.assertEqual(result.returncode, 2)
                self.assertEqual(len(result.stderr.splitlines()), 1)

    # --- files -------------------------------------------------------------

    def test_the_files(self):
        result = self.simulate(HOST + "run 1s", "--dir", self.dir / "out")
        self.assertEqual(result.returncode, 0, result.stderr)
        names = sorted(p.name for p in (self.dir / "out").iterdir())
        self.assertEqual(names, ["v.hyperv", "v.pvclock.0", "v.pvclock.1",
                                 "v.vmclock"])
        for name in names:
            self.assertEqual(len(self.page(name)), 4096)
        self.assertEqual(struct.unpack_from("<I", self.page("v.vmclock"))[0],
                         MAGIC)

    def test_decode_agrees_with_read(self):
        """In virtual time only the script has the counter."""
        script = ("host a ahead 5ms\nvm v on a with vmclock,pvclock\n"
                  "open v with %s\nrun 1s\nread v")
        for backend, name, kind in (("vmclock", "v.vmclock", "vmclock"),
                                    ("kvmclock", "v.pvclock.0", "pvclock")):
            result = self.simulate(script % backend, "--json", "--dir",
                                   self.dir / "out")
            read = json.loads(result.stdout.splitlines()[-1])
            result = run("decode", kind, "--page", self.dir / "out" / name,
                         "--counter", read["host_tsc"], "--json")
            self.assertEqual(json.loads(result.stdout)["host_ns"],
                             read["host_ns"])

    def test_a_page_of_virtual_time_is_not_this_machines(self):
        self.simulate(HOST + "run 1s", "--dir", self.dir / "out")
        for backend, name in (("vmclock", "v.vmclock"),
                              ("kvmclock", "v.pvclock.0")):
            result = run("read", "-b", backend, "-d", self.dir / "out" / name,
                         "--json")
            self.assertEqual(result.returncode, 3, result.stderr)
            self.assertEqual(json.loads(result.stdout)["reason"], "window")

    def test_a_file_that_is_no_page_stays(self):
        (self.dir / "out").mkdir()
        (self.dir / "out" / "v.vmclock").write_text("letters")
        result = self.simulate(HOST, "--dir", self.dir / "out")
        self.assertEqual(result.returncode, 1)
        self.assertIn("v.vmclock: exists and is not a page", result.stderr)
        self.assertEqual(self.page("v.vmclock"), b"letters")

    def test_a_link_is_not_followed(self):
        (self.dir / "out").mkdir()
        target = self.dir / "target"
        target.write_bytes(b"")
        (self.dir / "out" / "v.vmclock").symlink_to(target)
        result = self.simulate(HOST, "--dir", self.dir / "out")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(target.read_bytes(), b"")

    def test_one_publisher_a_file(self):
        self.simulate(HOST, "--dir", self.dir / "out")
        with open(self.dir / "out" / "v.hyperv", "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            result = self.simulate(HOST, "--dir", self.dir / "out")
        self.assertEqual(result.returncode, 1)
        self.assertIn("another process publishes there", result.stderr)

    def on_a_disk_of_a_page(self, inside, *args):
        """Where another page does not fit; None if no mount namespace is
        possible."""
        disk = self.dir / "disk"
        disk.mkdir(exist_ok=True)
        command = ["unshare", "-rm", "sh", "-c",
                   'mount -t tmpfs -o size=4k none "$0" || exit 99; '
                   f'{inside}; exec "$@"', disk, TOOL, "simulate", *args]
        try:
            result = subprocess.run(
                list(map(str, command)), capture_output=True, text=True,
                timeout=cli.HANGS_SEC, check=False)
        except FileNotFoundError:
            return None
        lacks = result.returncode == 99 or "unshare" in result.stderr
        return None if lacks else result

    def test_a_full_disk(self):
        """It ends with a message, not by a signal."""
        path = self.script("host a\nvm v on a with vmclock\nrun 1s\n"
                           "clone v as w\nrun 1s")
        disk = self.dir / "disk"
        hole = 'truncate -s 4096 "$0"/%s.vmclock'
        for case, inside, args in (
                ("no room for a file", ":", ["--dir", disk]),
                ("a file of the right size that is a hole", hole % "w",
                 ["--dir", disk]),
                ("memory that is a hole", hole % "m",
                 ["--dir", disk, "--into", disk / "m.vmclock", "--at", 0])):
            with self.subTest(case):
                result = self.on_a_disk_of_a_page(inside, *args, path)
                if result is None:
                    self.skipTest("no mount namespace")
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn("No space left", result.stderr)
                self.assertEqual(len(result.stderr.splitlines()), 1)

    # --- into a guest's memory ---------------------------------------------

    def into(self, memory, at, text=HOST + "run 1s"):
        path = self.dir / "memory"
        path.write_bytes(memory)
        result = self.simulate(text, "--into", path, "--at", at)
        return result, path.read_bytes()

    def test_into_memory(self):
        around = b"x" * 4096
        for at in (4096, "0x1000"):
            result, memory = self.into(around + bytes(4096) + around, at)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(struct.unpack_from("<I", memory, 4096)[0], MAGIC)
            self.assertEqual(memory[:4096], around)
            self.assertEqual(memory[8192:], around)
        # An earlier process left a page, which is written over.
        result, memory = self.into(memory, 4096, HOST + "status a unreliable")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(memory[4096 + STATUS_AT], 4)

    def test_into_memory_has_bounds(self):
        for size, at in ((4095, 0), (8192, 8192), (8191, 4096), (0, 0),
                         (8192, 2**64 - 4096), (8192, 2**63)):
            with self.subTest(size=size, at=at):
                result, memory = self.into(bytes(size), at)
                self.assertEqual(result.returncode, 1)
                self.assertIn("--at is beyond its end", result.stderr)
                self.assertEqual(memory, bytes(size))

    def test_into_memory_that_is_used(self):
        used = bytes(4095) + b"x"
        result, memory = self.into(used, 0)
        self.assertEqual(result.returncode, 1)
        self.assertIn("something else", result.stderr)
        self.assertEqual(memory, used)

    def test_one_publisher_into_a_file(self):
        path = self.dir / "memory"
        path.write_bytes(bytes(4096))
        with open(path, "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            result = self.simulate(HOST, "--into", path, "--at", 0)
        self.assertEqual(result.returncode, 1)
        self.assertIn("another process publishes there", result.stderr)
        self.assertEqual(path.read_bytes(), bytes(4096))

    def test_into_a_file_that_is_no_memory(self):
        for path in (self.dir / "no", self.dir, "/dev/null"):
            result = self.simulate(HOST, "--into", path, "--at", 0)
            self.assertEqual(result.returncode, 1)
            self.assertIn(str(path), result.stderr)

    def test_into_memory_without_a_vmclock(self):
        result, memory = self.into(bytes(4096), 0, "host a\nvm v on a")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no vmclock", result.stderr)
        self.assertEqual(memory, bytes(4096))

    # --- in real time ------------------------------------------------------

    def read(self, backend, name):
        result = run("read", "-b", backend, "-d", self.dir / "out" / name,
                     "--json")
        self.assertIn(result.returncode, (0, 3), result.stderr)
        return json.loads(result.stdout)

    @unittest.skipUnless(can_read_the_counter(), "no counter")
    def test_its_pages_are_clocks(self):
        began = time.time_ns()
        process = self.start(HOST + "open v\nrun 10h\n")
        for backend, name in (("vmclock", "v.vmclock"),
                              ("kvmclock", "v.pvclock.0"),
                              ("hyperv", "v.hyperv")):
            first = self.read(backend, name)
            raw = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
            time.sleep(0.05)
            raw = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - raw
            second = self.read(backend, name)
            self.assertIs(first["valid"], True, first)
            self.assertIs(second["valid"], True, second)
            self.assertEqual(first["epoch"], second["epoch"])
            # The page's rate is measured; Hyper-V's is in units of 100 ns.
            self.assertGreater(second["host_ns"] - first["host_ns"],
                               0.99 * raw - 100)
            if backend == "vmclock":
                utc = second["host_ns"] - 37 * SEC
                self.assertGreater(utc, began - 2 * SEC)
                self.assertLess(utc, time.time_ns() + 2 * SEC)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=cli.HANGS_SEC), 0, process.stderr.read())

    @unittest.skipUnless(can_read_the_counter(), "no counter")
    def test_no_page_left_behind_is_valid(self):
        for end in (signal.SIGINT, signal.SIGTERM, None):
            run_for = "10h" if end else "200ms"
            process = self.start(HOST + f"open v\nrun {run_for}\n")
            if end:
                process.send_signal(end)
            self.assertEqual(process.wait(timeout=cli.HANGS_SEC), 0)
            for backend, name, reason in (
                    ("vmclock", "v.vmclock", "status"),
                    ("kvmclock", "v.pvclock.0", "unstable"),
                    ("hyperv", "v.hyperv", "sequence")):
                sample = self.read(backend, name)
                self.assertIs(sample["valid"], False)
                self.assertEqual(sample["reason"], reason)

    @unittest.skipUnless(can_read_the_counter(), "no counter")
    def test_a_failed_page_ends_the_others(self):
        """One file is impossible, and the others must not be believed."""
        (self.dir / "out").mkdir()
        (self.dir / "out" / "w.vmclock").write_text("letters")
        process = self.start(HOST + "open v\nrun 200ms\nclone v as w\n"
                             "run 10h")
        self.assertEqual(process.wait(timeout=cli.HANGS_SEC), 1)
        errors = process.stderr.read().splitlines()
        self.assertEqual(len(errors), 1, errors)
        self.assertIn("w.vmclock: exists and is not a page", errors[0])
        for backend, name, reason in (
                ("vmclock", "v.vmclock", "status"),
                ("kvmclock", "v.pvclock.0", "unstable"),
                ("kvmclock", "w.pvclock.1", "unstable"),
                ("hyperv", "v.hyperv", "sequence"),
                ("hyperv", "w.hyperv", "sequence")):
            sample = self.read(backend, name)
            self.assertIs(sample["valid"], False, name)
            self.assertEqual(sample["reason"], reason)

    def wait_for(self, holds):
        """Wait for the event; the guard of start() ends an endless wait."""
        while not holds():
            time.sleep(0.01)

    @unittest.skipUnless(can_read_the_counter(), "no counter")
    def test_a_file_that_is_truncated_is_written_again(self):
        process = self.start(HOST + "open v\nrun 3600s\n")
        names = ("v.vmclock", "v.pvclock.0", "v.pvclock.1", "v.hyperv")
        for cut in (0, 1, 13, 31):
            for name in names:
                path = self.dir / "out" / name
                size = path.stat().st_size
                os.truncate(path, cut)
                self.wait_for(lambda: process.poll() is not None or
                              path.stat().st_size == size)
                self.assertIsNone(process.poll())
        for backend, name in (("vmclock", "v.vmclock"),
                              ("kvmclock", "v.pvclock.0"),
                              ("hyperv", "v.hyperv")):
            self.wait_for(lambda: self.read(backend, name)["valid"])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(), 0)
        # Once for each.
        lines = process.stderr.read().splitlines()
        self.assertEqual(len(lines), len(names), lines)
        for name in names:
            self.assertEqual(sum(f"{name}: was truncated" in line
                                 for line in lines), 1)

    @unittest.skipUnless(can_read_the_counter(), "no counter")
    def test_memory_that_is_truncated_ends_it(self):
        path = self.dir / "memory"
        for cut in (0, 4096, 5000):
            with self.subTest(cut):
                path.write_bytes(bytes(8192))
                process = self.start(HOST + "open v\nrun 3600s\n", "--into",
                                     path, "--at", 4096)
                os.truncate(path, cut)
                self.assertEqual(process.wait(), 1)
                self.assertEqual(path.stat().st_size, cut)
                lines = process.stderr.read().splitlines()
                self.assertEqual(len(lines), 1)
                self.assertIn(f"{path}: was truncated", lines[0])
                # And the others must not be believed.
                self.assertIs(self.read("vmclock", "v.vmclock")["valid"],
                              False)

    @unittest.skipUnless(can_read_the_counter(), "no counter")
    def test_a_migration_is_seen_from_outside(self):
        # To one that is further ahead each second, so that it does not matter
        # when the events are first looked for, and how many moves are one.
        hosts = [f"h{n}" for n in range(1, 61)]
        process = self.start("host h0\n" + "".join(
            f"host {h} ahead {n + 1}s\n" for n, h in enumerate(hosts)) +
            "vm v on h0 with vmclock,generation\nopen v\n" + "".join(
                f"run 2s\nmigrate v to {h} downtime 100ms\n"
                for h in hosts) + "run 10h\n")
        events = subprocess.run(
            [TOOL, "events", "-n", "1", "--json", "-b", "vmclock", "-d",
             self.dir / "out" / "v.vmclock"], capture_output=True, text=True,
            timeout=cli.HANGS_SEC, check=False)
        process.send_signal(signal.SIGTERM)
        event = json.loads(events.stdout)
        self.assertEqual(event["kind"], "jumped")
        self.assertEqual(event["marker_class"], "authoritative")
        gap = event["gap_ns"] / SEC
        self.assertGreaterEqual(round(gap), 1)
        self.assertAlmostEqual(gap, round(gap), places=3)

    @unittest.skipUnless(can_read_the_counter(), "no counter")
    def test_acts_that_real_time_refuses(self):
        result = self.simulate(HOST + "tsc a jump 5", "--realtime")
        self.assertEqual(result.returncode, 1)
        self.assertIn("a.sim:3:1: tsc a jump 5: in a live world", result.stderr)


if __name__ == "__main__":
    cli.main()
