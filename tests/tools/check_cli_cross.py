#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock cross and decode, as other people's scripts rely on them.
Usage: check_cli_cross.py PARACLOCK"""
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import time
import unittest

import cli
from commands import (BOUND, CLOCKS, CLOCKSOURCE, CROSS_KEYS, MONOTONIC,
                      READ_KEYS, SEC, TAI, TOOL, UTC, Page, available, objects,
                      on_terminal, pvclock, run, status, vmclock)


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

    def test_only_an_offset_of_the_hosts_has_a_bound(self):
        """Else readers add the host's own bound to what is not of the host."""
        vouched = {"error_ns": 7000}
        for flags, is_bound in ((BOUND, True), (BOUND & ~1, False)):
            page = self.page(37 * SEC, flags=flags, **vouched)
            got = objects(self.cross(page))[0]
            self.assertGreaterEqual(got["clock_error_ns"], 7000)
            rows = run("record", "-b", "vmclock", "-d", page.path, "-n", "1",
                       "-o", "-").stdout.splitlines()
            row = dict(zip(*(line.split(",") for line in rows[-2:])))
            if not is_bound:
                self.assertIsNone(got["bound_ns"])
                self.assertEqual(row["bound_ns"], "")
                continue
            self.assertEqual(
                got["error_ns"],
                got["uncertainty_ns"] + (got["pair_error_ns"] or 0))
            for bound in (got["bound_ns"] - got["error_ns"],
                          int(row["bound_ns"]) - int(row["uncertainty_ns"]) -
                          int(row["pair_error_ns"])):
                self.assertGreaterEqual(bound, 7000)

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


if __name__ == "__main__":
    cli.main()
