#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: check_cli_bench.py PARACLOCK

`paraclock bench` with and without a keep that it can ask."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import cli

TOOL = sys.argv.pop(1)

SCRIPT = """\
host h maxerror 1ms maxerror-rate 50ppb
vm vm1 on h with vmclock,generation
open vm1 with vmclock
run 86400s
"""


def bench(folder, *args):
    return subprocess.run(
        [TOOL, "bench", "--seconds", "0.1", "--keep", folder, *args],
        capture_output=True, text=True, timeout=cli.HANGS_SEC)


class Sync(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, *args):
        process = subprocess.Popen([TOOL, *args], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def start_keep(self, *args):
        """On a simulated host's page, and allowed to be off by an hour: the
        clock is right, and nothing is set."""
        page = os.path.join(self.folder, "vm1.vmclock")
        script = os.path.join(self.folder, "right.sim")
        with open(script, "w", encoding="ascii") as file:
            file.write(SCRIPT)
        host = self.start("simulate", "--realtime", "--dir", self.folder,
                          script)
        cli.wait_until(lambda: os.path.exists(page), host)
        keep = self.start("keep", "--dry-run", "--container", "--dir",
                          self.folder, "-b", "vmclock", "-d", page, *args)
        sync = [TOOL, "keep", "--sync", "--dir", self.folder]
        cli.wait_until(
            lambda: os.path.exists(os.path.join(self.folder, "keep.sock")),
            keep)
        return subprocess.run(sync, capture_output=True, text=True,
                              timeout=cli.HANGS_SEC)

    def test_a_keep_is_asked(self):
        answer = self.start_keep("--step-above", "3600")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        result = bench(self.folder, "--json")
        sync = json.loads(result.stdout)["sync"]
        self.assertEqual(list(sync), [
            "not_measured", "requests", "median_ns", "p10_ns", "p90_ns",
            "over_vdso", "over_cross"])
        self.assertIsNone(sync["not_measured"])
        self.assertGreater(sync["requests"], 0)
        self.assertGreater(sync["p10_ns"], 0)
        self.assertLessEqual(sync["p10_ns"], sync["median_ns"])
        self.assertLessEqual(sync["median_ns"], sync["p90_ns"])
        # It is a call to another process.
        self.assertGreater(sync["over_vdso"], 1)
        self.assertRegex(bench(self.folder).stdout,
                         r"One request to keep, .*\n.*\nsync +[0-9.]+ ")
        print(f"one request: {sync['median_ns'] / 1000:.0f} us")

    def test_without_a_keep_there_is_no_figure(self):
        result = bench(self.folder, "--json")
        sync = json.loads(result.stdout)["sync"]
        self.assertEqual(sync["not_measured"], "no paraclock keep runs here")
        self.assertEqual(sync["requests"], 0)
        self.assertIsNone(sync["median_ns"])
        self.assertIn("not measured: no paraclock keep runs here",
                      bench(self.folder).stdout)

    def test_a_folder_with_too_long_a_name(self):
        result = bench("/" + "x" * 300, "--json")
        self.assertIn("File name too long",
                      json.loads(result.stdout)["sync"]["not_measured"])


if __name__ == "__main__":
    cli.main()
