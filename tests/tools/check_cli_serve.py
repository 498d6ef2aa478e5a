#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock serve as a process: on a simulated vmclock, and on this kernel with
a chronyc that says what each test wants.
Usage: check_cli_serve.py PARACLOCK"""
import json
import os
import signal
import struct
import subprocess
import sys

import cli

TOOL = sys.argv.pop(1)

SEGMENT = struct.Struct("=IIIHHqqqqqQIiB7s")


def run(*args, **more):
    return subprocess.run([TOOL, *map(str, args)], capture_output=True,
                          text=True, timeout=cli.HANGS_SEC, **more)


def status_of(page):
    return page.read_bytes()[cli.CLOCK_STATUS]


def marker_of(page):
    return struct.unpack_from("<Q", page.read_bytes(), 16)[0]


def decode(page, counter):
    result = run("decode", "vmclock", "--page", page, "--counter", counter,
                 "--json")
    return json.loads(result.stdout) if result.stdout else None


class Serve(cli.Service):
    tool = TOOL

    def setUp(self):
        super().setUp()
        self.page = self.run_dir / "utc.vmclock"
        self.state = self.run_dir / "serve.json"

    def source(self, page):
        return ["-b", "vmclock", "-d", page, "--dir", self.run_dir,
                "--container"]

    def told(self):
        try:
            return json.loads(self.state.read_text())
        except FileNotFoundError:
            return {}

    def wait_for(self, process, **wanted):
        def look():
            state = self.told()
            return all(state.get(key) == value
                       for key, value in wanted.items())
        cli.wait_until(look, process)

    def serve(self, page, *args, **more):
        """Returns when it serves."""
        process = self.start("serve", *self.source(page), *args, **more)
        self.wait_for(process, status="synchronized", pid=process.pid)
        return process

    # --- the page ----------------------------------------------------------

    def test_it_says_what_the_host_says(self):
        host = self.publish()
        self.serve(host)
        # Copies, which nobody renews; one may be torn.
        ours = theirs = None
        while not (ours and theirs and ours["valid"] and theirs["valid"]):
            for page in (self.page, host):
                (self.dir / page.name).write_bytes(page.read_bytes())
            counter = json.loads(run("read", "-b", "vmclock", "-d",
                                     self.page, "--json").stdout)["host_tsc"]
            ours, theirs = (decode(self.dir / page.name, counter)
                            for page in (self.page, host))
        self.assertEqual(ours["timescale"], "tai")
        self.assertEqual(ours["tai_offset_sec"], 37)
        difference = abs(ours["host_ns"] - theirs["host_ns"])
        self.assertLessEqual(difference, ours["clock_error_ns"])
        self.assertGreaterEqual(ours["clock_error_ns"], 10**6)
        self.assertEqual(marker_of(self.page), marker_of(host))
        self.assertEqual(self.page.stat().st_mode & 0o777, 0o644)
        state = self.told()
        for key in ("pid", "state", "why", "text", "backend", "timescale",
                    "offset_ns", "bound_ns", "has_bound", "realtime_ns",
                    "time", "disruptions", "status", "page", "clockbound",
                    "publications"):
            self.assertIn(key, state)
        self.assertEqual(state["started_ticks"],
                         cli.started_ticks(state["pid"]))

    def test_one_process_serves(self):
        host = self.publish()
        first = self.serve(host)
        result = run("serve", *self.source(host))
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"process {first.pid} holds the page", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertEqual(status_of(self.page), cli.SYNCHRONIZED)

    def test_one_process_writes_the_segment(self):
        host = self.publish()
        segment = self.dir / "shm0"
        first = self.serve(host, "--clockbound", segment)
        result = run("serve", "-b", "vmclock", "-d", host, "--dir",
                     self.dir / "other", "--container", "--clockbound",
                     segment)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"process {first.pid} holds the segment", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertEqual(SEGMENT.unpack(segment.read_bytes())[12], 1)

    def test_the_end(self):
        process = self.serve(self.publish(), "--clockbound",
                             self.dir / "shm0")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(), 0)
        self.assertEqual(status_of(self.page), cli.UNRELIABLE)
        self.assertFalse(self.state.exists())
        self.assertIn(f"serve has ended; {self.page} has no time",
                      process.stderr.read())
        segment = SEGMENT.unpack((self.dir / "shm0").read_bytes())
        self.assertEqual(segment[12], 0)

    def test_a_dead_serve_is_followed_by_another(self):
        host = self.publish()
        process = self.serve(host)
        before = self.page.stat().st_ino
        process.kill()
        process.wait()
        # As if it had died in the middle of an update.
        with open(self.page, "r+b") as page:
            page.seek(12)
            page.write(struct.pack("<I", 4711))
        self.serve(host)
        self.assertEqual(self.page.stat().st_ino, before)
        result = run("read", "-b", "vmclock", "-d", self.page)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_page_that_is_garbage_is_replaced(self):
        host = self.publish()
        self.run_dir.mkdir()
        self.page.write_bytes(b"garbage" * 1000)
        process = self.serve(host)
        self.assertEqual(self.page.stat().st_size, 4096)
        self.page.unlink()
        cli.wait_until(self.page.exists, process)

    def test_a_migration(self):
        host = self.publish("host b maxerror 1ms maxerror-rate 50ppb fast "
                            "200ppb\nrun 3s\nmigrate v to b downtime 100ms")
        before = marker_of(host)
        process = self.serve(host)
        self.go_on()
        cli.wait_until(lambda: marker_of(host) != before, process)
        cli.wait_until(lambda: marker_of(self.page) == marker_of(host),
                       process)
        self.wait_for(process, status="synchronized", disruptions=1)

    def test_a_source_that_dies(self):
        host = self.publish()
        process = self.serve(host)
        # Not in the middle of an update.
        self.hold(host)
        self.simulation.kill()
        self.simulation.wait()
        cli.set_status(host, cli.UNRELIABLE)
        self.wait_for(process, status="freerunning")
        result = run("read", "-b", "vmclock", "-d", self.page)
        self.assertEqual(result.returncode, 0, result.stderr)

    # --- what is refused ---------------------------------------------------

    def refuse(self, *args, code=1):
        result = run("serve", "--dir", self.run_dir, "--container", *args)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        return result.stderr

    def test_a_host_without_a_bound(self):
        host = self.publish(errors="")
        self.assertIn("--assume-error", self.refuse("-b", "vmclock", "-d",
                                                    host))
        self.serve(host, "--assume-error", "0.002")
        sample = json.loads(run("read", "-b", "vmclock", "-d", self.page,
                                "--json").stdout)
        self.assertGreaterEqual(sample["clock_error_ns"], 2 * 10**6)

    def test_a_source_without_utc(self):
        host = self.publish(scale=" timescale monotonic")
        self.refuse("-b", "vmclock", "-d", host)

    def test_the_own_kernel(self):
        if run("read", "-b", "tsc").returncode == 1:
            self.skipTest("no tsc source here")
        self.refuse("-b", "tsc")

    def test_its_own_page(self):
        self.assertIn("name a host clock", self.refuse("-b", "served"))

    def test_wrong_usage(self):
        for args in (["--from", "ntpd"], ["--drift-ppm", "x"],
                     ["--max-slew-ppm", "1000000"], ["--max-slew-ppm", "0"],
                     ["--interval", "0"],
                     ["--interval", "3600"], ["--dir", ""],
                     ["--from", "kernel", "--assume-error", "1"], ["x"]):
            self.refuse(*args, code=2)

    def test_a_folder_that_cannot_be_written(self):
        host = self.publish()
        self.run_dir.write_text("a file")
        self.refuse("-b", "vmclock", "-d", host)

    def test_a_full_file_system(self):
        host = self.publish()
        self.run_dir.mkdir()
        command = ("mount -t tmpfs -o size=4k,mode=755 none "
                   f"{self.run_dir} && echo full > {self.run_dir}/x; "
                   f"test -s {self.run_dir}/x || exit 77; "
                   f"exec {TOOL} serve -b vmclock -d {host} --container "
                   f"--dir {self.run_dir}")
        result = subprocess.run(["unshare", "-m", "sh", "-c", command],
                                capture_output=True, text=True,
                                timeout=cli.HANGS_SEC, check=False)
        if result.returncode not in (0, 1):
            self.skipTest(f"no mount namespace: {result.stderr}")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("No space left", result.stderr)

    # --- ClockBound's segment ----------------------------------------------

    def test_the_segment_is_renewed(self):
        path = self.dir / "shm0"
        process = self.serve(self.publish(), "--clockbound", path,
                             "--max-slew-ppm", "1000")
        segment = SEGMENT.unpack(path.read_bytes())
        self.assertEqual(segment[:4], (0x414D5A4E, 0x43420200, 80, 2))
        self.assertEqual(segment[12], 1)
        self.assertIn(segment[11], range(1050000, 1060000))
        self.assertGreater(segment[9], 10**6)
        self.assertEqual(segment[7] - segment[5], 5)
        as_of = segment[5:7]
        cli.wait_until(
            lambda: SEGMENT.unpack(path.read_bytes())[5:7] != as_of,
            process)

    def test_only_a_file_is_replaced(self):
        path = self.dir / "shm0"
        os.mkfifo(path)
        result = run("serve", *self.source(self.publish()), "--clockbound",
                     path)
        self.assertEqual(result.returncode, 1)
        self.assertIn("only a file is replaced", result.stderr)
        self.assertTrue(path.is_fifo())

    # --- this kernel's clock -----------------------------------------------

    def chronyc(self, text):
        folder = self.dir / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "chronyc"
        program.write_text("#!/bin/sh\ncase \"$*\" in\n*tracking*) "
                           f"{text} ;;\n*) echo 200 OK ;;\nesac\n")
        program.chmod(0o755)
        return {"env": os.environ | {
            "PATH": f"{folder}:{os.environ['PATH']}"}}

    def wait_for_why(self, chronyc, why):
        process = self.start("serve", "--from", "kernel", "--dir",
                             self.run_dir, "--container",
                             **self.chronyc(chronyc))
        self.wait_for(process, why=why)
        told = self.told()
        self.assertNotIn(told["status"], ("synchronized", "freerunning"))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(), 0)
        self.log = process.stderr.read()
        return told["text"]

    def test_chronyd_is_silent(self):
        self.wait_for_why("echo '506 Cannot talk to daemon'; exit 1",
                          "no-reply")

    def test_chronyc_complains_each_second(self):
        """One line for each change of state, however long it lasts."""
        self.wait_for_why("echo 'Could not open connection' >&2; exit 1",
                          "no-reply")
        self.assertIn("does not answer", self.log)
        self.assertNotIn("Could not open", self.log)

    def test_chronyc_hangs(self):
        self.wait_for_why("exec sleep 1000", "no-reply")

    def test_chronyc_is_hostile(self):
        text = self.wait_for_why(
            "echo 'A,B,3,x,0,0,0,0,0,0,0,0,0,Normal'", "bad-reply")
        self.assertIn("reference time", text)
        self.assertIn('"x"', text)

    def test_chronyd_has_not_measured_since(self):
        self.wait_for_why(
            "echo \"A,B,3,$(($(date +%s) - 1000)).0,0,0,0,0,0,0,0,0,0,"
            "Normal\"", "not-updated")

    def test_chronyd_is_not_synchronised(self):
        self.wait_for_why(
            "echo \"7F7F0101,B,10,$(date +%s).0,0,0,0,0,0,0,0,0,0,Normal\"",
            "not-synchronised")


if __name__ == "__main__":
    cli.main()
