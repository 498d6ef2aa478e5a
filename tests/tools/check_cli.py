#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The interface of paraclock(1) that other people's scripts rely on: names, JSON
keys, exit codes. Usage: check_cli.py PARACLOCK"""
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

import cli
from commands import (BACKEND_KEYS, BOUND, COUNTER_KEYS, EVENT_KEYS, READ_KEYS,
                      SEC, STATUS_KEYS, TOOL, Page, available, objects,
                      on_terminal, run, status, vmclock)


class Status(unittest.TestCase):
    def test_json_has_the_keys_in_their_order(self):
        got = status()
        self.assertEqual(list(got), STATUS_KEYS)
        self.assertEqual(list(got["counter"]), COUNTER_KEYS)
        for backend in got["backends"]:
            self.assertEqual(list(backend), BACKEND_KEYS)

    def test_a_frequency_is_known_or_null(self):
        counter = status()["counter"]
        self.assertIn(counter["hz_from"], ("stated", "measured", None))
        self.assertEqual(counter["hz"] is None, counter["hz_from"] is None)
        if counter["hz_from"] == "measured":
            self.assertEqual(counter["hz"], counter["hz_measured"])
        if counter["hz_from"] == "stated" and counter["hz_measured"]:
            self.assertLessEqual(
                abs(counter["hz"] - counter["hz_measured"]),
                counter["hz_measured"] // 2000 + counter["hz_measured_error"])

    def test_no_sentence_denies_a_hypervisor_whose_clock_is_here(self):
        got = status()
        for text in got["evidence"]:
            self.assertIsInstance(text, str)
            self.assertNotEqual(text, "")
        if got["hypervisor"] in (None, "none"):
            self.assertEqual(got["evidence"], [])
        here = [b["name"] for b in got["backends"] if b["valid"]]
        if "kvmclock" in here or "hyperv" in here:
            self.assertNotIn(got["hypervisor"], (None, "none"))
        for backend in got["backends"]:
            self.assertNotIn("this is no", backend["detail"])
        out = run("status").stdout
        for text in got["evidence"]:
            self.assertIn(text, out)

    def test_exit_status_says_whether_the_chosen_one_is_valid(self):
        got = status()
        answers = [b for b in got["backends"] if b["available"]]
        want = 0 if got["chosen"] else 3 if answers else 1
        self.assertEqual(run("status").returncode, want)
        self.assertEqual(run().returncode, want)

    def test_an_own_kernel_source_is_never_chosen(self):
        got = status()
        own = [b["name"] for b in got["backends"] if b["own_kernel"]]
        self.assertIn("tsc", own)
        self.assertNotIn(got["chosen"], own)
        if got["chosen"]:
            read = objects(run("read", "--json"))[0]
            self.assertFalse(read["own_kernel"])

    def test_every_source_of_the_build_is_listed(self):
        names = [b["name"] for b in status()["backends"]]
        self.assertEqual(len(names), len(set(names)))
        for name in ("kvmclock", "kvm-pairing", "kvm-host", "hyperv",
                     "vmclock", "phc", "tsc"):
            self.assertIn(name, names)

    def test_an_absent_source_has_a_reason_to_show(self):
        for backend in status()["backends"]:
            if not backend["available"]:
                self.assertFalse(backend["valid"])
                self.assertTrue(backend["detail"])

    def test_no_colour_into_a_pipe(self):
        self.assertNotIn("\x1b", run("status").stdout)


class Read(unittest.TestCase):
    def test_tsc_gives_this_kernels_time_with_a_width(self):
        before = time.time()
        result = run("read", "-b", "tsc", "-n", "3", "-i", "0.01", "--json")
        after = time.time()
        got = objects(result)
        self.assertEqual(len(got), 3)
        for line in got:
            self.assertEqual(list(line), READ_KEYS)
            self.assertEqual(line["timescale"], "utc-maybe-smeared")
            self.assertIsNone(line["clock_error_ns"])
            self.assertIsNone(line["leap"])
            self.assertTrue(line["own_kernel"])
            # A second: another process may set the clock a little meanwhile.
            self.assertGreater(line["host_ns"] / 1e9, before - 1)
            self.assertLess(line["host_ns"] / 1e9, after + 1)
        valid = all(line["valid"] for line in got)
        self.assertEqual(result.returncode, 0 if valid else 3)

    def test_an_own_kernel_source_says_so_in_each_line(self):
        for name in ("tsc", "kvm-host"):
            if not available(name):
                continue
            result = run("read", "-b", name, "-n", "2", "-i", "0")
            lines = result.stdout.splitlines()
            self.assertEqual(len(lines), 2)
            for line in lines:
                self.assertNotEqual(line.split()[0], "ok", line)
            self.assertTrue(
                objects(run("read", "-b", name, "--json"))[0]["own_kernel"])

    def test_a_hosts_clock_is_not_own_kernel(self):
        page = Page(vmclock(counter=255).ljust(4096, b"\0"))
        got = objects(run("read", "-b", "vmclock", "-d", page.path, "--json"))
        self.assertFalse(got[0]["own_kernel"])
        result = run("read", "-b", "vmclock", "-d", page.path)
        self.assertNotIn("own-kernel", result.stdout)

    def test_a_file_of_fixed_size_says_the_same(self):
        page = Page(vmclock().ljust(4096, b"\0"))
        for command in ("read", "cross", "watch", "events"):
            args = [command, "-b", "vmclock", "-d", page.path, "--fixed-size"]
            result = run(*args, "--help")
            self.assertEqual(result.returncode, 0, command)
            self.assertIn("--fixed-size", result.stdout)
            result = run(command, "--fixed-size")
            self.assertEqual(result.returncode, 2, command)
            self.assertIn("name it with -d", result.stderr)
        args = ["read", "-b", "vmclock", "-d", page.path, "-n", "3", "-i",
                "0", "--json"]
        plain, mapped = objects(run(*args)), objects(run(*args, "--fixed-size"))
        for reading in plain + mapped:
            for key in ("host_tsc", "host_ns", "time"):
                reading.pop(key, None)
        self.assertEqual(len(plain), 3)
        self.assertEqual(plain, mapped)

    def test_memory_is_looked_at_for_events_alone(self):
        self.assertIn("--dev-mem", run("events", "--help").stdout)
        for command in ("read", "cross", "watch"):
            self.assertNotIn("--dev-mem", run(command, "--help").stdout)
            result = run(command, "-b", "tsc", "--dev-mem")
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn("--dev-mem: this command reads a clock",
                          result.stderr)
            self.assertEqual(len(result.stderr.splitlines()), 1)
        # The page of a file may be another machine's.
        page = Page(vmclock())
        result = run("events", "-b", "vmclock", "-d", page.path, "--dev-mem")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("another machine's", result.stderr)
        result = run("events", "--dev-mem", "-d", page.path)
        self.assertEqual(result.returncode, 2)
        self.assertIn("name it with -b", result.stderr)

    def test_a_terminal_gets_a_header_and_one_remark(self):
        shown = on_terminal(self, "read", "-b", "tsc", "-n", "50", "-i", "0")
        self.assertEqual(shown.count("TIMESCALE"), 3)
        self.assertEqual(shown.count("own-kernel:"), 1)
        self.assertEqual(shown.count("utc-maybe-smeared"), 50)
        self.assertIn("\x1b", shown)
        shown = on_terminal(self, "read", "-b", "tsc", env={"NO_COLOR": "1"})
        self.assertNotIn("\x1b", shown)

    def test_kvmclock_keeps_the_rate_of_the_raw_clock(self):
        if not available("kvmclock"):
            self.skipTest("no kvmclock page here")
        raw, got = [], []
        for _ in range(2):
            raw.append(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))
            got += objects(run("read", "-b", "kvmclock", "--json"))
            raw.append(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))
            time.sleep(0.2)
        first, last = got
        self.assertTrue(first["valid"] and last["valid"])
        if first["epoch"] != last["epoch"]:
            self.skipTest("the machine was disrupted meanwhile")
        # Each was read between two readings of raw; to within 100 ppm.
        took = last["host_ns"] - first["host_ns"]
        self.assertGreater(took, (raw[2] - raw[1]) * 0.9999)
        self.assertLess(took, (raw[3] - raw[0]) * 1.0001)
        self.assertGreater(last["host_tsc"], first["host_tsc"])

    def test_an_absent_source_is_exit_1_and_one_line(self):
        for name in ("hyperv", "vmclock"):
            if available(name):
                continue
            result = run("read", "-b", name)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stdout, "")
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_a_usage_error_is_exit_2(self):
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

    def test_a_closed_pipe_ends_it(self):
        reader = subprocess.Popen([TOOL, "read", "-b", "tsc", "-n", "1000000",
                                   "-i", "0"], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        reader.stdout.readline()
        reader.stdout.close()
        self.assertNotEqual(reader.wait(timeout=cli.HANGS_SEC), 0)

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([TOOL, "read", "-b", "tsc", "--json"],
                                    stdout=full, stderr=subprocess.PIPE,
                                    timeout=cli.HANGS_SEC, check=False)
        self.assertEqual(result.returncode, 1)

    def test_a_page_image_is_read_with_this_counter(self):
        page = Page(vmclock(status_=0, counter=255).ljust(4096, b"\0"))
        result = run("read", "-b", "vmclock", "-d", page.path, "--json")
        self.assertEqual(result.returncode, 3)
        got = objects(result)[0]
        self.assertEqual(got["reason"], "status")
        self.assertIsNone(got["clock_error_ns"])
        self.assertIsNone(got["earliest_ns"])
        self.assertIsNone(got["latest_ns"])
        self.assertEqual(got["marker_class"], "authoritative")

    def test_a_bound_gives_an_interval_of_utc(self):
        counter = {"arm-vcnt": 0, "x86-tsc": 1}[status()["counter"]["id"]]
        now = objects(run("read", "-b", "tsc", "--json"))[0]["host_tsc"]
        page = Page(vmclock(flags=BOUND, counter=counter, error_ns=250,
                            at=(now, 1700000000 * SEC),
                            hz=status()["counter"]["hz"]).ljust(4096, b"\0"))
        for name in ("vmclock", "served"):
            args = ("read", "-b", name, "-d", page.path)
            got = objects(run(*args, "--json"))[0]
            self.assertTrue(got["valid"], got)
            self.assertEqual(got["own_kernel"], name == "served")
            self.assertEqual(got["earliest_ns"],
                             got["host_ns"] - 37 * SEC - 250)
            self.assertEqual(got["latest_ns"], got["earliest_ns"] + 500)
            self.assertEqual(got["earliest"][:15], "2023-11-14T22:1")
            self.assertEqual(got["earliest"][20:29],
                             f"{got['earliest_ns'] % SEC:09}")
            shown = run(*args).stdout.splitlines()
            self.assertEqual(len(shown), 1)
            self.assertEqual(shown[0].split()[3], "250ns")
            shown = run(*args, "--long").stdout
            for name_ in ("earliest", "latest"):
                self.assertRegex(shown, rf"\n{name_} +2023-11-14T22:1[2-9]:"
                                 r"\d\d\.\d{9}Z\n")

    def test_a_missing_served_page_says_what_to_run(self):
        served, = [b for b in status()["backends"] if b["name"] == "served"]
        self.assertTrue(served["own_kernel"])
        if os.path.exists("/run/paraclock/serve/utc.vmclock"):
            self.skipTest("paraclock serve runs here")
        self.assertFalse(served["available"])
        self.assertEqual(served["detail"], "no page at /run/paraclock/serve/"
                         "utc.vmclock; run 'paraclock serve'")


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
            watcher.communicate(timeout=cli.HANGS_SEC)


class Events(unittest.TestCase):
    """Of an image, so that the machine's clock stays as it is."""

    def follow(self, *args, refreshes=0):
        """Move the page's marker until the tool has printed that many lines;
        returns the next one."""
        counter = int(status()["counter"]["id"] == "x86-tsc")
        page = Page(vmclock(marker=7))
        now = objects(run("read", "-b", "vmclock", "-d", page.path,
                          "--json"))[0]["host_tsc"]
        page = Page(vmclock(marker=7, counter=counter,
                            at=(now, 1700000000 * SEC)))
        with subprocess.Popen([TOOL, *args, "-b", "vmclock", "-d", page.path],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as tool:
            # Not before it has looked at the first marker.
            if refreshes:
                for _ in range(refreshes):
                    tool.stdout.readline()
            else:
                cli.wait_for_handlers(tool)
            os.pwrite(page.file.fileno(), vmclock(
                marker=8, counter=counter, at=(now, 1700000002 * SEC),
                seq=6), 0)
            line = tool.stdout.readline()
            if refreshes:
                tool.send_signal(signal.SIGINT)
            out, err = tool.communicate(timeout=cli.HANGS_SEC)
        return tool.returncode, line + out, err

    def test_a_marker_is_an_event_with_its_keys_in_their_order(self):
        before = time.time_ns()
        status_, out, err = self.follow("events", "--json", "-n", "1")
        self.assertEqual(status_, 0)
        self.assertRegex(err, r"^paraclock events: following vmclock "
                              r"\(markers: authoritative\): .*\n$")
        got = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len(got), 1)
        got = got[0]
        self.assertEqual(list(got), EVENT_KEYS)
        self.assertEqual((got["kind"], got["source"], got["marker_class"]),
                         ("jumped", "vmclock", "authoritative"))
        self.assertEqual((got["marker_before"], got["marker_after"]),
                         ("0x0000000000000007", "0x0000000000000008"))
        self.assertEqual((got["epoch"], got["lost"]), (2, False))
        self.assertLessEqual(abs(got["gap_ns"] - 2 * SEC), 1)
        # A second: another process may set the clock a little meanwhile.
        self.assertGreater(got["realtime_ns"], before - SEC)
        self.assertLess(got["realtime_ns"], time.time_ns() + SEC)

    def test_a_line_has_the_same(self):
        status_, out, err = self.follow("events", "-n", "1")
        self.assertEqual((status_, len(err.splitlines())), (0, 1))
        self.assertRegex(out, r"^20\S+Z jumped +\+2\.000s vmclock +"
                              r"authoritative\n$")

    def test_watch_shows_an_event_as_it_comes(self):
        # The next refresh is far off.
        _, out, err = self.follow("watch", "-i", "100000", refreshes=1)
        self.assertEqual(err, "")
        self.assertEqual(len(out.splitlines()), 1, out)
        self.assertEqual(out.split()[1:],
                         ["jumped", "+2.000s", "vmclock", "authoritative"])

    def test_a_signal_ends_it_with_0(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen([TOOL, "events", "-b", "tsc"],
                                  stdout=subprocess.PIPE, text=True) as tool:
                cli.wait_for_handlers(tool)
                tool.send_signal(number)
                tool.communicate(timeout=cli.HANGS_SEC)
            self.assertEqual(tool.returncode, 0)

    def test_nobody_reading_ends_it(self):
        with subprocess.Popen([TOOL, "events", "-b", "tsc"],
                              stdout=subprocess.PIPE) as tool:
            tool.stdout.close()
            tool.wait(timeout=cli.HANGS_SEC)

    def test_usage(self):
        for args in (("-n", "0"), ("more",), ("-i", "1"), ("-d", "x")):
            result = run("events", *args)
            self.assertEqual((result.returncode, result.stdout), (2, ""), args)


class Help(unittest.TestCase):
    def test_every_subcommand_has_help(self):
        for name in ("status", "read", "cross", "decode", "watch", "events",
                     "bench"):
            result = run(name, "--help")
            self.assertEqual(result.returncode, 0, name)
            self.assertRegex(result.stdout.lower(), "example")
            self.assertEqual(run("help", name).stdout, result.stdout)

    def test_help_alone_lists_and_does_not_guess(self):
        result = run("help")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stdout, run("--help").stdout)
        for args in (("help", "no-such"), ("help", "read", "more")):
            result = run(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertEqual(result.stdout, "", args)

    def test_the_version_is_the_projects(self):
        source = pathlib.Path(__file__).parents[2] / "CMakeLists.txt"
        version = re.search(r"VERSION (\d+\.\d+\.\d+)", source.read_text())[1]
        self.assertIn(version, run("--version").stdout)


if __name__ == "__main__":
    cli.main()
