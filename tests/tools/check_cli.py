#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The interface of paraclock(1) that other people's scripts rely on: names,
JSON keys, exit codes. Usage: check_cli.py PARACLOCK"""
import json
import os
import pathlib
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import cli

TOOL = sys.argv.pop(1)

STATUS_KEYS = ["hypervisor", "evidence", "counter", "clocksource", "chosen",
               "backends"]
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
    "rate_ppm", "rate_ppm_bound", "clock_was_set_seq",
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


def hide_clocksource(name, *args):
    """Run the tool where the kernel's clocksource seems to be another one;
    None if no mount namespace is possible."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(name + "\n")
        file.flush()
        command = ["unshare", "-m", "sh", "-c",
                   'mount --bind "$0" "$1" || exit 99; shift; exec "$@"',
                   file.name, CLOCKSOURCE, TOOL, *args]
        try:
            result = subprocess.run(command, capture_output=True, text=True,
                                    timeout=cli.HANGS_SEC, check=False)
        except FileNotFoundError:
            return None
    seems = result.returncode != 99 and "unshare" not in result.stderr
    return result if seems else None


class Cross(unittest.TestCase):
    def setUp(self):
        if not os.path.exists(CLOCKSOURCE):
            self.skipTest("no clocksource in sysfs")
        source = pathlib.Path(CLOCKSOURCE).read_text().strip()
        if source not in ("tsc", "kvm-clock", "arch_sys_counter",
                          "hyperv_clocksource_tsc_page"):
            self.skipTest("the kernel's clocksource is " + source)
        # Where the kernel's clocksource is kvm-clock, it does not vouch for tsc.
        for self.name in ("tsc", "kvmclock"):
            self.system = objects(run("cross", "-b", self.name, "--json"))
            if self.system and self.system[0]["valid"]:
                self.system = self.system[0]
                return
        self.skipTest("neither tsc nor kvmclock is valid here")

    def page(self, ahead_ns, slower=1, **more):
        """A vmclock whose time is CLOCK_REALTIME plus ahead_ns."""
        at = (self.system["host_tsc"], self.system["realtime_ns"] + ahead_ns)
        counter = {"arm-vcnt": 0, "x86-tsc": 1}[self.system["counter"]]
        return Page(vmclock(at=at, counter=counter,
                            hz=status()["counter"]["hz"] * slower,
                            **more).ljust(4096, b"\0"))

    def cross(self, page, *args):
        return run("cross", "-b", "vmclock", "-d", page.path, "--json", *args)

    def test_the_object_of_read_and_the_system_clocks(self):
        before = {k: time.clock_gettime_ns(c) for k, c in CLOCKS.items()}
        result = run("cross", "-b", self.name, "-n", "3", "-i", "0.01", "--json")
        after = {k: time.clock_gettime_ns(c) for k, c in CLOCKS.items()}
        got = objects(result)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(got), 3)
        for line in got:
            self.assertEqual(list(line), CROSS_KEYS)
            self.assertTrue(line["valid"])
            self.assertEqual(line["own_kernel"], self.name == "tsc")
            self.assertGreater(line["uncertainty_ns"], 0)
            self.assertEqual(line["clocksource"], status()["clocksource"])
            for key in CLOCKS:
                if key != "realtime_ns":  # It may be set meanwhile.
                    self.assertGreater(line[key], before[key], key)
                    self.assertLess(line[key], after[key], key)
            if self.name != "tsc":
                self.assertIsNone(line["offset_ns"])
                continue
            self.assertLess(
                abs(line["offset_ns"]),
                line["uncertainty_ns"] + line["pair_error_ns"] + 1)
            self.assertEqual(line["offset_ns"],
                             line["host_ns"] - line["realtime_ns"])
            if line["tai_ns"] is not None:
                self.assertEqual((line["tai_ns"] - line["realtime_ns"]) % SEC,
                                 0)

    def test_the_rate_is_known_from_the_second_line_on(self):
        got = objects(run("cross", "-b", self.name, "-n", "3", "-i", "0.05",
                          "--json"))
        self.assertIsNone(got[0]["rate_ppm"])
        self.assertIsNone(got[0]["rate_ppm_bound"])
        for line in got[1:]:
            host = line["host_ns"] - got[0]["host_ns"]
            raw = line["monotonic_raw_ns"] - got[0]["monotonic_raw_ns"]
            self.assertAlmostEqual(line["rate_ppm"],
                                   (host - raw) / raw * 1e6, 3)
            self.assertGreater(line["rate_ppm_bound"], 0)

    def test_kvmclock_runs_at_a_constant_rate(self):
        if not available("kvmclock"):
            self.skipTest("no kvmclock page here")
        result = run("cross", "-b", "kvmclock", "-n", "100", "-i", "0.01",
                     "--json")
        got = objects(result)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(got), 100)
        for line in got:
            self.assertTrue(line["valid"])
            self.assertFalse(line["own_kernel"])
            self.assertGreater(line["uncertainty_ns"], 0)
            # Since the start of the host: no offset to a date.
            self.assertIsNone(line["offset_ns"])
        if len({line["epoch"] for line in got}) > 1:
            self.skipTest("the machine was disrupted meanwhile")
        raw = [line["monotonic_raw_ns"] - got[0]["monotonic_raw_ns"]
               for line in got]
        ahead = [line["host_ns"] - got[0]["host_ns"] - r
                 for line, r in zip(got, raw)]
        mean_raw, mean_ahead = sum(raw) / 100, sum(ahead) / 100
        rate = (sum((r - mean_raw) * (a - mean_ahead)
                    for r, a in zip(raw, ahead)) /
                sum((r - mean_raw)**2 for r in raw))
        widest = max(line["uncertainty_ns"] for line in got)
        for r, a in zip(raw, ahead):
            self.assertLessEqual(
                # Its own error, and the error of the rate.
                abs(a - mean_ahead - rate * (r - mean_raw)), 3 * widest)

    def test_the_offset_of_utc_and_tai_to_the_system_clock(self):
        # To within 50 ms: the page's rate is right to some ppm only.
        for what, ahead_sec, more, want_sec in (
                ("UTC", 5, {"time_type": UTC}, 5),
                ("UTC behind", -5, {"time_type": UTC}, -5),
                ("TAI with its offset", 37, {"time_type": TAI}, 0),
                ("monotonic", 0, {"time_type": MONOTONIC}, None)):
            page = self.page(ahead_sec * SEC, **more)
            result = self.cross(page)
            got = objects(result)[0]
            self.assertEqual(result.returncode, 0, (what, result.stderr))
            self.assertTrue(got["valid"], what)
            if want_sec is None:
                self.assertIsNone(got["offset_ns"], what)
            else:
                self.assertLess(abs(got["offset_ns"] - want_sec * SEC),
                                SEC // 20, what)
            self.assertIsNotNone(got["realtime_ns"], what)

    def test_tai_without_an_offset_is_compared_with_the_kernels(self):
        got = objects(self.cross(self.page(37 * SEC, flags=0)))[0]
        self.assertIsNone(got["tai_offset_sec"])
        if got["tai_ns"] is None:
            self.assertIsNone(got["offset_ns"])
        else:
            self.assertEqual(got["offset_ns"], got["host_ns"] - got["tai_ns"])

    def test_inside_a_leap_second_no_offset_is_made_up(self):
        # It is one second long, and begins with the page's reference point;
        # on a page that counts a second for each 10000.
        page = self.page(-(self.system["realtime_ns"] % SEC), slower=10000,
                         time_type=UTC, leap=3)
        got = objects(self.cross(page))[0]
        self.assertTrue(got["valid"], got)
        self.assertEqual(got["leap"], "pos")
        self.assertIsNotNone(got["realtime_ns"])
        self.assertIsNone(got["offset_ns"])

    def test_not_valid_has_no_system_clocks_and_is_exit_3(self):
        result = self.cross(self.page(0, status_=0))
        got = objects(result)[0]
        self.assertEqual(result.returncode, 3)
        self.assertEqual(list(got), CROSS_KEYS)
        self.assertEqual(got["reason"], "status")
        for key in (*CLOCKS, "uncertainty_ns", "tai_ns", "offset_ns",
                    "rate_ppm", "rate_ppm_bound"):
            self.assertIsNone(got[key], key)

    def test_after_a_disruption_the_series_goes_on_with_a_new_rate(self):
        page = self.page(0, time_type=UTC)
        with subprocess.Popen([TOOL, "cross", "-b", "vmclock", "-d", page.path,
                               "-n", "1000000", "-i", "0.02", "--json"],
                              text=True, stdout=subprocess.PIPE) as tool:
            got = [json.loads(tool.stdout.readline()) for _ in range(2)]
            for offset, value in ((12, b"\5"), (16, b"\xff"), (12, b"\6")):
                os.pwrite(page.file.fileno(), value, offset)
            # The first lines were printed before that.
            while [line["epoch"] for line in got[-4:]] != 4 * [2]:
                got.append(json.loads(tool.stdout.readline()))
            tool.terminate()
        self.assertEqual({line["epoch"] for line in got}, {1, 2})
        epoch = None
        for line in got:
            self.assertTrue(line["valid"])
            self.assertEqual(line["rate_ppm"] is None,
                             line["epoch"] != epoch)
            epoch = line["epoch"]

    def test_a_page_that_stays_mid_update_is_exit_1_and_one_line(self):
        page = self.page(0, seq=5)
        result = self.cross(page)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_another_clocksource_is_exit_1_and_named(self):
        result = hide_clocksource("hpet", "cross", "-b", self.name)
        if result is None:
            self.skipTest("no mount namespaces here")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn("hpet", result.stderr)

    def test_a_table_into_a_pipe_has_lines_only(self):
        result = run("cross", "-b", self.name, "-n", "2", "-i", "0")
        lines = result.stdout.splitlines()
        self.assertEqual(result.returncode, 0)
        self.assertEqual(len(lines), 2, result.stdout)
        for line in lines:
            self.assertEqual(line.split()[0],
                             "own-kernel" if self.name == "tsc" else "ok")
        self.assertNotIn("\x1b", result.stdout)

    def test_columns_stand_under_the_header(self):
        shown = on_terminal(self, "cross", "-b", self.name, "-n", "3", "-i", "0.01",
                            env={"NO_COLOR": "1"}).splitlines()
        header = [i for i, line in enumerate(shown) if "OFFSET_NS" in line]
        self.assertEqual(len(header), 1)
        names = shown[header[0]].split()
        self.assertEqual(names[0], "STATE")
        for row in shown[header[0] + 1:]:
            self.assertEqual(len(row.split()), len(names), row)
            for name in ("OFFSET_NS", "EPOCH"):
                end = shown[header[0]].index(name) + len(name)
                self.assertRegex(row[end - 1:end + 1], r"^[-0-9](\s|$)", row)

    def test_a_usage_error_is_exit_2(self):
        for args in (("-n", "0"), ("-i", "x"), ("-d", "/dev/null"), ("x",),
                     ("-b", "sundial")):
            result = run("cross", *args)
            self.assertEqual(result.returncode, 2, args)
            self.assertEqual(result.stdout, "", args)
            self.assertEqual(len(result.stderr.splitlines()), 1, args)

    def test_a_closed_pipe_ends_it(self):
        reader = subprocess.Popen([TOOL, "cross", "-b", self.name, "-n", "1000000",
                                   "-i", "0"], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        reader.stdout.readline()
        reader.stdout.close()
        self.assertNotEqual(reader.wait(timeout=cli.HANGS_SEC), 0)

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([TOOL, "cross", "-b", self.name, "--json"],
                                    stdout=full, stderr=subprocess.PIPE,
                                    timeout=cli.HANGS_SEC, check=False)
        self.assertEqual(result.returncode, 1)


class Decode(unittest.TestCase):
    def test_a_bound_gives_an_interval_of_utc(self):
        data = vmclock(flags=BOUND, error_ns=250)
        got = objects(self.decode("vmclock", data, 1000))[0]
        utc = (1700000000 - 37) * SEC
        self.assertEqual((got["earliest_ns"], got["latest_ns"]),
                         (utc - 250, utc + 250))
        page = Page(data)
        result = run("decode", "vmclock", "--page", page.path, "--counter",
                     "1000")
        self.assertIn("earliest       2023-11-14T22:12:42.999999750Z\n"
                      "latest         2023-11-14T22:12:43.000000250Z\n",
                      result.stdout)
        # In a second that a leap second may follow there is none.
        got = objects(self.decode("vmclock", vmclock(
            flags=BOUND, leap=1, at=(1000, (1483228799 + 37) * SEC)), 1000))[0]
        self.assertIsNone(got["earliest_ns"])

    def decode(self, kind, data, counter):
        page = Page(data)
        return run("decode", kind, "--page", page.path, "--counter",
                   str(counter), "--json")

    def test_a_pvclock_page_at_a_counter_value(self):
        got = objects(self.decode("pvclock", pvclock(), 3000))[0]
        self.assertEqual(list(got), READ_KEYS + ["marker"])
        self.assertEqual((got["backend"], got["host_ns"], got["host_tsc"]),
                         ("kvmclock", 7000, 3000))
        self.assertFalse(got["own_kernel"])
        self.assertIsNone(got["epoch"])
        self.assertIsNone(got["marker"])
        self.assertTrue(got["valid"])

    def test_hexadecimal_and_the_largest_counter(self):
        page = Page(pvclock())
        result = run("decode", "pvclock", "--page", page.path, "--counter",
                     "0xbb8", "--json")
        self.assertEqual(objects(result)[0]["host_ns"], 7000)
        result = self.decode("pvclock", pvclock(mul=1, shift=0), 2**64 - 1)
        got = objects(result)[0]
        self.assertEqual(got["host_tsc"], 2**64 - 1)

    def test_a_marker_is_a_string_with_all_its_digits(self):
        got = objects(self.decode("vmclock", vmclock(), 2000))[0]
        self.assertEqual(got["marker"], "0xfedcba9876543210")
        self.assertIsNone(got["epoch"])
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

    def test_an_empty_file_is_called_empty(self):
        for kind in ("pvclock", "hyperv", "vmclock"):
            result = self.decode(kind, b"", 1)
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertRegex(result.stderr, "^paraclock decode: .*: the file "
                             rf"is empty: it holds no {kind} page\n$")

    def test_an_odd_sequence_for_ever_ends(self):
        result = self.decode("pvclock", pvclock(version=3), 3000)
        self.assertEqual(result.returncode, 1)


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
