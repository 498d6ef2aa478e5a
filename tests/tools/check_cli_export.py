#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock export: what it prints, writes and serves, read by strict readers.
Usage: check_cli_export.py PARACLOCK"""
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import sys
import time
import unittest

import cli
import exporter
from metrics import Fault, OpenMetrics, Prometheus

TOOL = sys.argv.pop(1)
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Case(exporter.Case):
    tool = TOOL


class Readers(unittest.TestCase):
    """They can say no."""

    GOOD = ("# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n"
            '# HELP a_seconds A.\na_seconds{b="c"} 1\n# EOF\n')

    def test_openmetrics(self):
        OpenMetrics(self.GOOD)
        for wrong in (
                self.GOOD[:-6], self.GOOD + "\n", self.GOOD[:-1],
                self.GOOD.replace("# UNIT a_seconds seconds\n", ""),
                self.GOOD.replace(" 1\n", " 1.\n"),
                self.GOOD.replace(" 1\n", " NaN\n"),
                self.GOOD.replace('"c"', '"c\\d"'),
                self.GOOD.replace('"c"', '"c",b="d"'),
                self.GOOD.replace('"c"', '"c",'),
                self.GOOD.replace(" 1\n", ' 1\na_seconds{b="c"} 2\n'),
                self.GOOD.replace(" 1\n", ' 1\nb{b="c"} 2\n'),
                self.GOOD.replace("gauge", "counter"),
                self.GOOD.replace("gauge", "info"),
                self.GOOD.replace("\n# EOF", "\n\n# EOF"),
                self.GOOD.replace("# EOF", "# TYPE a_seconds gauge\n# EOF"),
                self.GOOD.replace("# EOF", "# hello\n# EOF")):
            with self.assertRaises(Fault, msg=wrong):
                OpenMetrics(wrong)

    def test_histograms(self):
        good = ("# TYPE a histogram\n# HELP a A.\n"
                'a_bucket{le="1e-05"} 1\na_bucket{le="0.0001"} 2\n'
                'a_bucket{le="+Inf"} 2\na_sum 0.1\na_count 2\n')
        Prometheus(good)
        for wrong in (good.replace("1e-05", "0.00001"),
                      good.replace('05"} 1', '05"} 3'),
                      good.replace("a_count 2", "a_count 3"),
                      good.replace('"+Inf"', '"1.0"'),
                      good.replace("a_sum 0.1\n", ""),
                      good.replace("0.0001", "1e-06")):
            with self.assertRaises(Fault, msg=wrong):
                Prometheus(wrong)

    def test_states(self):
        good = ("# TYPE a stateset\n# HELP a A.\n"
                'a{a="x"} 1\na{a="y"} 0\n# EOF\n')
        OpenMetrics(good)
        for wrong in (good.replace("} 0", "} 1"), good.replace("} 1", "} 0"),
                      good.replace("} 1", "} 2")):
            with self.assertRaises(Fault, msg=wrong):
                OpenMetrics(wrong)


class Stdout(Case):
    def test_both_formats_hold_the_same(self):
        new = OpenMetrics(self.run_tool("export").stdout)
        old = Prometheus(self.run_tool("export", "--format",
                                       "prometheus").stdout)
        self.assertEqual(new.names(), old.names())
        # A PTP clock may fail in between, and then has fewer.
        for family in ("paraclock_source_available", "paraclock_build_info",
                       "paraclock_service_state"):
            self.assertTrue(new.samples(family))
            self.assertEqual([labels for labels, _ in new.samples(family)],
                             [labels for labels, _ in old.samples(family)])

    def test_every_source_of_the_build_is_there_or_not(self):
        status = json.loads(self.run_tool("status", "--json").stdout)
        text = OpenMetrics(self.run_tool("export").stdout)
        for backend in status["backends"]:
            value = text.value("paraclock_source_available",
                               backend=backend["name"])
            self.assertIn(value, (0, 1), backend["name"])
            self.assertEqual(value == 1, backend["available"])
            got = text.value("paraclock_source_valid",
                             backend=backend["name"])
            self.assertEqual(got is not None, backend["available"])

    def test_the_manual_has_the_same_table(self):
        """Names, types and labels; each with at least a sentence."""
        page = (ROOT / "man/paraclock-export.8").read_text()
        page = page[page.index(".SH METRICS"):page.index(".SH EXIT")]
        rows = re.findall(
            r'^\.TP\n\.BR (paraclock_\w+) " \((\w+)(?:; ([\w, ]+))?\)"\n'
            r"(.+)$", page, re.M)
        self.assertEqual(page.count("paraclock_"), page.count(
            ".BR paraclock_"), "a metric outside of the table")
        text = self.full()
        shown = {}
        for family in text.families.values():
            name = family.name + (
                "" if family.type == "histogram" else
                text.suffixes(family)[0])
            labels = {label for _, found, _ in family.samples
                      for label in found} - {family.name, "le"}
            shown[name] = (family.type, labels)
        in_page = {name: (kind, set(filter(None, labels.split(", "))))
                   for name, kind, labels, _ in rows}
        self.assertEqual(set(in_page), set(shown))
        for name, (kind, labels) in shown.items():
            self.assertEqual(in_page[name][0], kind, name)
            self.assertLessEqual(labels, in_page[name][1], name)
        # Each has a sample here, but what only time or luck brings.
        bare = {name for name, (_, labels) in shown.items()
                if not labels and in_page[name][1]}
        self.assertLessEqual(bare, {
            "paraclock_source_rate_error_ratio",
            "paraclock_source_rate_error_bound_ratio",
            "paraclock_source_last_disruption_age_seconds"})

    def full(self):
        """A machine that has everything."""
        self.write_states()
        page = self.publish("")
        return OpenMetrics(self.run_tool(
            "export", "--dir", self.states, "-b", "vmclock", "-d",
            page).stdout)

    def test_usage(self):
        for args, text in (
                (["--listen", "example.org:80"], "not an address"),
                (["--listen", "127.0.0.1:99999"], "not an address"),
                (["--interval", "x", "--textfile", "a"], "--interval"),
                (["--interval", "0", "--textfile", "a"], "from 0.1"),
                (["--interval", "1"], "--textfile"),
                (["--textfile", ""], "empty"),
                (["--dir", ""], "empty"),
                (["--format", "json"], "neither"),
                (["--once", "--listen", "127.0.0.1"], "choose one"),
                (["--listen", "127.0.0.1", "--format", "prometheus"],
                 "clients"),
                (["--once"], "--textfile"),
                (["--once", "--interval", "1", "--textfile", "a"],
                 "--once"),
                (["-b", "sundial"], "not a backend"),
                (["-d", "x"], "-b"),
                (["x"], "unexpected")):
            result = self.run_tool("export", *args)
            self.assertEqual(result.returncode, 2, args)
            self.assertEqual(len(result.stderr.splitlines()), 1, args)
            if "libmicrohttpd" not in result.stderr:
                self.assertIn(text, result.stderr)

    def test_a_full_disk_is_1(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            result = subprocess.run([TOOL, "export"], stdout=full,
                                    stderr=subprocess.PIPE, text=True,
                                    timeout=cli.HANGS_SEC, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("No space", result.stderr)

    def test_a_closed_pipe_is_1_and_silent(self):
        process = self.start("export")
        process.stdout.close()
        self.assertEqual(process.wait(cli.HANGS_SEC), 1)
        self.assertEqual(process.stderr.read(), "")


class Sources(Case):
    """A simulated vmclock."""

    def export(self, page, *args):
        return OpenMetrics(self.run_tool("export", "-b", "vmclock", "-d", page,
                                         *args).stdout)

    def test_offset_and_bounds(self):
        page = self.publish("", ahead="3000s")
        text = self.export(page)
        source = {"backend": "vmclock"}
        self.assertEqual(len(text.samples("paraclock_source_available")), 1)
        self.assertEqual(text.value("paraclock_source_valid", **source), 1)
        self.assertEqual(text.state("paraclock_source_state", **source), "ok")
        self.assertEqual(text.value("paraclock_source_own_kernel"), 0)
        info = text.samples("paraclock_source_info")[0][0]
        self.assertEqual((info["timescale"], info["marker_class"]),
                         ("tai", "authoritative"))
        offset = text.value("paraclock_source_offset_seconds", **source)
        self.assertLess(abs(offset - 3000), exporter.SLACK_SEC)
        error = text.value("paraclock_source_clock_error_seconds", **source)
        bound = text.value("paraclock_source_offset_bound_seconds", **source)
        self.assertGreaterEqual(error, 0.001)
        self.assertGreater(bound, error)
        self.assertIsNotNone(text.value("paraclock_source_pair_error_seconds"))
        # One look knows no rate.
        self.assertEqual(text.samples("paraclock_source_rate_error_ratio"),
                         [])

    def test_a_source_without_utc_has_no_offset(self):
        page = self.publish("", scale=" timescale monotonic")
        text = self.export(page)
        self.assertEqual(text.value("paraclock_source_valid"), 1)
        self.assertEqual(text.samples("paraclock_source_offset_seconds"), [])
        self.assertEqual(text.samples("paraclock_source_offset_bound_seconds"),
                         [])

    def test_what_is_not_valid_has_no_numbers(self):
        page = self.publish("status a unreliable")
        text = self.export(page)
        deadline = time.monotonic() + cli.HANGS_SEC
        while text.value("paraclock_source_valid") and \
                time.monotonic() < deadline:
            text = self.export(page)
        self.assertEqual(text.value("paraclock_source_valid"), 0)
        self.assertEqual(text.state("paraclock_source_state"), "status")
        for name in ("offset", "offset_bound", "clock_error", "pair_error"):
            self.assertEqual(
                text.samples(f"paraclock_source_{name}_seconds"), [], name)

    def test_an_own_kernel_source_has_no_offset(self):
        if self.run_tool("read", "-b", "tsc").returncode == 1:
            self.skipTest("no tsc here")
        text = OpenMetrics(self.run_tool("export", "-b", "tsc").stdout)
        self.assertEqual(text.value("paraclock_source_own_kernel"), 1)
        self.assertEqual(text.samples("paraclock_source_offset_seconds"), [])

    def test_a_source_that_is_missing(self):
        result = self.run_tool("export", "-b", "vmclock", "-d",
                               self.files / "none")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertIn("waiting for vmclock", result.stderr)
        text = OpenMetrics(result.stdout)
        self.assertEqual(text.value("paraclock_source_available"), 0)
        for name in text.names() - {"paraclock_source_available"}:
            if name.startswith("paraclock_source"):
                self.assertEqual(text.samples(name), [], name)

    def test_a_page_that_is_malformed_has_failed(self):
        page = self.files / "page"
        page.write_bytes(bytes(4096))
        result = self.run_tool("export", "-b", "vmclock", "-d", page)
        text = OpenMetrics(result.stdout)
        self.assertEqual(text.value("paraclock_source_available"), 1)
        self.assertEqual(text.value("paraclock_source_valid"), 0)
        self.assertEqual(text.state("paraclock_source_state"), "failed")
        self.assertEqual(text.samples("paraclock_source_own_kernel"), [])
        self.assertEqual(text.samples("paraclock_source_info"), [])


class Services(Case):
    def export(self):
        return OpenMetrics(self.run_tool("export", "--dir", self.states).stdout)

    def test_what_is_not_there_is_absent(self):
        text = self.export()
        for service in ("keep", "feed", "serve"):
            self.assertEqual(
                text.value("paraclock_service_up", service=service), 0)
            self.assertEqual(
                text.state("paraclock_service_state", service=service),
                "absent")
        self.assertEqual(text.samples("paraclock_service_info"), [])
        self.assertEqual(text.samples("paraclock_keep_corrections_total"), [])

    def test_what_they_say(self):
        self.write_states()
        text = self.export()
        self.assertEqual(text.state("paraclock_service_state",
                                    service="keep"), "off")
        self.assertEqual(text.value("paraclock_service_reason",
                                    service="keep", reason="max-step"), 1)
        self.assertEqual(text.value("paraclock_service_offset_seconds",
                                    service="keep"), -1.5)
        self.assertEqual(text.value("paraclock_service_offset_bound_seconds",
                                    service="keep"), 0.000000001)
        self.assertEqual(text.value("paraclock_keep_corrections_total"), 3)
        self.assertEqual(text.state("paraclock_service_state",
                                    service="feed"), "feeding")
        self.assertEqual(text.value("paraclock_feed_samples_total"), 7)
        self.assertEqual(text.value("paraclock_feed_printed_bound_seconds"),
                         0.0001)
        odd = exporter.ODD_TARGET.replace("\r", "?").replace("\t", "?")
        self.assertEqual(text.value("paraclock_feed_output_connected",
                                    kind="chrony-sock", target=odd), 1)
        self.assertEqual(text.value("paraclock_feed_output_failed_total",
                                    kind="chrony-sock"), 2)
        self.assertEqual(text.state("paraclock_serve_status"), "freerunning")
        self.assertEqual(text.value("paraclock_serve_publications_total"), 11)
        self.assertEqual(text.value("paraclock_serve_info", page="/p"), 1)

    def assert_gone(self):
        text = self.export()
        for service in ("keep", "feed", "serve"):
            self.assertEqual(text.state("paraclock_service_state",
                                        service=service), "gone")
        self.assertEqual(text.samples("paraclock_service_offset_seconds"), [])
        self.assertEqual(text.samples("paraclock_feed_output_connected"), [])

    def test_a_dead_process_is_gone(self):
        process = subprocess.Popen(["true"])
        process.wait()
        self.write_states(pid=process.pid)
        self.assert_gone()

    def test_another_process_with_its_number_is_not_it(self):
        own = cli.started_ticks(os.getpid())
        self.write_states(started_ticks=own - 1)
        self.assert_gone()
        self.write_states(started_ticks=None)
        self.assert_gone()

    def test_a_process_that_is_stopped_is_gone(self):
        process = subprocess.Popen(["sleep", str(cli.HANGS_SEC)])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        process.send_signal(signal.SIGSTOP)
        cli.wait_for_state(process, "T")
        self.write_states(pid=process.pid,
                          started_ticks=cli.started_ticks(process.pid))
        self.assert_gone()

    def test_hostile_files(self):
        for content in (b"", b"\xff", b"[" * 60000, b"{}", b"x" * 10**6,
                        b'{"pid":1,"state":"\\ud800"}'):
            self.write_states(content=content)
            text = self.export()
            self.assertEqual(text.state("paraclock_service_state",
                                        service="feed"), "malformed")


class Textfile(Case):
    def setUp(self):
        super().setUp()
        self.file = self.files / "paraclock.prom"

    def test_it_is_replaced_and_removed(self):
        process = self.start("export", "--textfile", self.file, "--interval",
                             "0.1")
        cli.wait_until(self.file.exists, process)
        first = self.file.stat()
        self.assertEqual(stat.S_IMODE(first.st_mode), 0o644)
        Prometheus(self.file.read_text())
        # A reader that has it open reads the old text, whole.
        with open(self.file, encoding="utf-8") as old:
            cli.wait_until(lambda: self.inode() not in (None, first.st_ino),
                           process)
            Prometheus(old.read())
        Prometheus(self.file.read_text())
        process.terminate()
        self.assertEqual(process.wait(cli.HANGS_SEC), 0)
        self.assertEqual(os.listdir(self.files), [])

    def inode(self):
        try:
            return self.file.stat().st_ino
        except FileNotFoundError:
            return None

    def test_once_it_stays(self):
        for args, reader in (([], Prometheus),
                             (["--format", "openmetrics"], OpenMetrics)):
            result = self.run_tool("export", "--once", "--textfile", self.file,
                                   *args)
            self.assertEqual((result.returncode, result.stdout), (0, ""))
            reader(self.file.read_text())

    def test_only_a_file_is_replaced(self):
        os.mkfifo(self.file)
        link = self.files / "link.prom"
        link.symlink_to("/dev/stdout")
        for path in (self.file, link):
            before = path.lstat()
            for mode in (["--once"], []):
                result = self.run_tool("export", "--textfile", path, *mode)
                self.assertEqual(result.returncode, 1)
                self.assertIn("only a file is replaced", result.stderr)
            self.assertEqual(path.lstat().st_ino, before.st_ino)

    def test_a_folder_that_is_not_there(self):
        for mode in (["--once"], []):
            result = self.run_tool("export", "--textfile",
                                   self.files / "none" / "a.prom", *mode)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(len(result.stderr.splitlines()), 1)
            self.assertIn("No such file", result.stderr)

    def test_a_folder_that_goes_away_and_comes_back(self):
        folder = self.files / "folder"
        folder.mkdir()
        file = folder / "a.prom"
        process = self.start("export", "--textfile", file, "--interval",
                             "0.1")
        cli.wait_until(file.exists, process)
        folder.rename(self.files / "moved")
        self.assertIn("No such file", process.stderr.readline())
        (self.files / "moved").rename(folder)
        self.assertIn("written again", process.stderr.readline())
        process.terminate()
        self.assertEqual(process.wait(cli.HANGS_SEC), 0)
        self.assertEqual(process.stderr.read(), "")


if __name__ == "__main__":
    cli.main()
