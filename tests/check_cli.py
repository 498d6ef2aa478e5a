#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The interface of paraclock(1) that other people's scripts rely on: names,
JSON keys, exit codes. Usage: check_cli.py PARACLOCK"""
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

TOOL = sys.argv.pop(1)

STATUS_KEYS = ["hypervisor", "counter", "clocksource", "chosen", "backends"]
BACKEND_KEYS = ["name", "available", "valid", "reason", "timescale",
                "marker_class", "local", "quality", "detail"]
READ_KEYS = ["backend", "host_ns", "host_tsc", "valid", "reason", "timescale",
             "counter", "pair_error_ns", "clock_error_ns", "disruption",
             "marker_class", "leap", "tai_offset_sec"]


def run(*args, env=None, **more):
    return subprocess.run([TOOL, *args], capture_output=True, text=True,
                          timeout=60, env={**os.environ, **(env or {})},
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


def vmclock(size=4096, status_=2, marker=0xfedcba9876543210, counter=1):
    return struct.pack("<IIHBBIQQ2xBBhBBQQQQQQQQQ", 0x4b4c4356, size, 1,
                       counter, 1, 4, marker, 1, status_, 0, 37, 0, 29, 1000,
                       9903520314283042199, 0, 0, 1700000000, 0, 0, 0, 0)


class Page:
    """A page image in a file that goes away."""

    def __init__(self, data):
        self.file = tempfile.NamedTemporaryFile()
        self.file.write(data)
        self.file.flush()
        self.path = self.file.name


class Status(unittest.TestCase):
    def test_json_has_the_keys_in_their_order(self):
        got = status()
        self.assertEqual(list(got), STATUS_KEYS)
        self.assertEqual(list(got["counter"]), ["id", "hz", "invariant"])
        for backend in got["backends"]:
            self.assertEqual(list(backend), BACKEND_KEYS)

    def test_exit_status_says_whether_the_chosen_one_is_valid(self):
        got = status()
        answers = [b for b in got["backends"] if b["available"]]
        want = 0 if got["chosen"] else 3 if answers else 1
        self.assertEqual(run("status").returncode, want)
        self.assertEqual(run().returncode, want)

    def test_a_local_source_is_never_chosen(self):
        got = status()
        local = [b["name"] for b in got["backends"] if b["local"]]
        self.assertIn("tsc", local)
        self.assertNotIn(got["chosen"], local)

    def test_an_absent_source_has_a_reason_to_show(self):
        for backend in status()["backends"]:
            if not backend["available"]:
                self.assertFalse(backend["valid"])
                self.assertTrue(backend["detail"])

    def test_no_colour_into_a_pipe(self):
        self.assertNotIn("\x1b", run("status").stdout)


class Read(unittest.TestCase):
    def test_tsc_gives_local_time_with_a_width(self):
        result = run("read", "-b", "tsc", "-n", "3", "-i", "0.01", "--json")
        got = objects(result)
        self.assertEqual(len(got), 3)
        for line in got:
            self.assertEqual(list(line), READ_KEYS)
            self.assertEqual(line["timescale"], "utc-maybe-smeared")
            self.assertIsNone(line["clock_error_ns"])
            self.assertIsNone(line["leap"])
            self.assertLess(abs(line["host_ns"] / 1e9 - time.time()), 5)
        valid = all(line["valid"] for line in got)
        self.assertEqual(result.returncode, 0 if valid else 3)

    def test_kvmclock_keeps_the_rate_of_the_raw_clock(self):
        if not available("kvmclock"):
            self.skipTest("no kvmclock page here")
        raw = [time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)]
        first = objects(run("read", "-b", "kvmclock", "--json"))[0]
        time.sleep(0.5)
        raw.append(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))
        last = objects(run("read", "-b", "kvmclock", "--json"))[0]
        self.assertTrue(first["valid"] and last["valid"])
        ratio = (last["host_ns"] - first["host_ns"]) / (raw[1] - raw[0])
        # Starting a process takes milliseconds: coarse on purpose.
        self.assertLess(abs(ratio - 1), 0.2)
        self.assertGreater(last["host_tsc"], first["host_tsc"])

    def test_an_absent_source_is_exit_1_and_one_line(self):
        for name in ("hyperv", "vmclock"):
            if available(name):
                continue
            result = run("read", "-b", name)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stdout, "")
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_what_the_user_got_wrong_is_exit_2(self):
        for args in (("read", "-n", "0"), ("read", "-n", "x"),
                     ("read", "-i", "-1"), ("read", "-i", "nan"),
                     ("read", "--no-such"), ("no-such",), ("decode",),
                     ("decode", "pvclock"),
                     ("decode", "pvclock", "--page", "/dev/null"),
                     ("read", "-n", "99999999999999999999")):
            result = run(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertEqual(result.stdout, "", args)
            self.assertTrue(result.stderr, args)

    def test_an_unknown_backend_is_named(self):
        result = run("read", "-b", "sundial")
        self.assertIn(result.returncode, (1, 2))
        self.assertIn("sundial", result.stderr)

    def test_a_closed_pipe_is_no_endless_loop(self):
        reader = subprocess.Popen([TOOL, "read", "-b", "tsc", "-n", "1000000",
                                   "-i", "0"], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        reader.stdout.readline()
        reader.stdout.close()
        self.assertNotEqual(reader.wait(timeout=20), 0)

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([TOOL, "read", "-b", "tsc", "--json"],
                                    stdout=full, stderr=subprocess.PIPE,
                                    timeout=20, check=False)
        self.assertEqual(result.returncode, 1)

    def test_a_page_image_is_read_with_this_counter(self):
        page = Page(vmclock(status_=0, counter=255).ljust(4096, b"\0"))
        result = run("read", "-b", "vmclock", "-d", page.path, "--json")
        self.assertEqual(result.returncode, 3)
        got = objects(result)[0]
        self.assertEqual(got["reason"], "status")
        self.assertIsNone(got["clock_error_ns"])
        self.assertEqual(got["marker_class"], "authoritative")


class Decode(unittest.TestCase):
    def decode(self, kind, data, counter):
        page = Page(data)
        return run("decode", kind, "--page", page.path, "--counter",
                   str(counter), "--json")

    def test_a_pvclock_page_at_a_counter_value(self):
        got = objects(self.decode("pvclock", pvclock(), 3000))[0]
        self.assertEqual(list(got), READ_KEYS)
        self.assertEqual((got["backend"], got["host_ns"], got["host_tsc"]),
                         ("kvmclock", 7000, 3000))
        self.assertEqual(got["disruption"], 0)
        self.assertTrue(got["valid"])

    def test_hexadecimal_and_the_largest_counter(self):
        page = Page(pvclock())
        result = run("decode", "pvclock", "--page", page.path, "--counter",
                     "0xbb8", "--json")
        self.assertEqual(objects(result)[0]["host_ns"], 7000)
        result = self.decode("pvclock", pvclock(mul=1, shift=0), 2**64 - 1)
        got = objects(result)[0]
        self.assertEqual(got["host_tsc"], 2**64 - 1)

    def test_a_marker_is_printed_unsigned(self):
        got = objects(self.decode("vmclock", vmclock(), 2000))[0]
        self.assertEqual(got["disruption"], 0xfedcba9876543210)
        self.assertEqual(got["host_ns"], 1700000000 * 10**9 + 999)
        self.assertEqual(got["tai_offset_sec"], 37)

    def test_not_valid_is_exit_3(self):
        result = self.decode("pvclock", pvclock(flags=0), 3000)
        self.assertEqual(result.returncode, 3)
        self.assertEqual(objects(result)[0]["reason"], "unstable")

    def test_a_malformed_page_names_the_field(self):
        for kind, data, field in (
                ("pvclock", pvclock(mul=0), "tsc_to_system_mul"),
                ("pvclock", pvclock(shift=64), "tsc_shift"),
                ("pvclock", b"\0" * 31, "size"),
                ("hyperv", struct.pack("<IIQq", 1, 0, 0, 0), "tsc_scale"),
                ("vmclock", vmclock(size=31), "size"),
                ("vmclock", b"\0" * 112, "magic")):
            result = self.decode(kind, data, 3000)
            self.assertEqual(result.returncode, 1, field)
            self.assertEqual(result.stdout, "", field)
            self.assertEqual(len(result.stderr.splitlines()), 1)
            self.assertIn(field, result.stderr)

    def test_an_odd_sequence_for_ever_ends_soon(self):
        start = time.monotonic()
        result = self.decode("pvclock", pvclock(version=3), 3000)
        self.assertEqual(result.returncode, 1)
        self.assertLess(time.monotonic() - start, 5)


class Watch(unittest.TestCase):
    def test_plain_lines_into_a_pipe_and_an_end(self):
        result = run("watch", "-b", "tsc", "-n", "3", "-i", "0.05")
        self.assertEqual(len(result.stdout.strip().splitlines()), 3,
                         result.stdout)
        self.assertNotIn("\x1b", result.stdout)

    def test_an_interrupt_ends_it(self):
        with subprocess.Popen([TOOL, "watch", "-b", "tsc", "-i", "0.05"],
                              stdout=subprocess.PIPE, text=True) as watcher:
            watcher.stdout.readline()
            watcher.send_signal(signal.SIGINT)
            watcher.communicate(timeout=20)


class Help(unittest.TestCase):
    def test_every_subcommand_teaches(self):
        for name in ("status", "read", "decode", "watch", "bench"):
            result = run(name, "--help")
            self.assertEqual(result.returncode, 0, name)
            self.assertRegex(result.stdout.lower(), "example")

    def test_the_version_is_the_projects(self):
        source = pathlib.Path(__file__).parent.parent / "CMakeLists.txt"
        version = re.search(r"VERSION (\d+\.\d+\.\d+)", source.read_text())[1]
        self.assertIn(version, run("--version").stdout)


if __name__ == "__main__":
    unittest.main()
