#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each table of paraclock(1) fits 80 columns, and awk finds as many fields in
each of its rows: with the longest names and the largest numbers.
Usage: check_cli_tables.py PARACLOCK MACHINE_STATUS MACHINE..."""
import pathlib
import re
import signal
import subprocess
import sys

import cli
from commands import (BOUND, MONOTONIC, SEC, TAI, TOOL, UTC, Page, objects,
                      on_terminal, run, status, vmclock)

MACHINE_STATUS, *MACHINES = sys.argv[1:]
del sys.argv[1:]


class Tables(cli.Service):
    tool = TOOL

    def fits(self, text, fields=None, rows=lambda line: True):
        """Every line has 80 columns at most; the rows have the same fields."""
        lines = text.splitlines()
        for line in lines:
            self.assertLessEqual(len(line), 80, text)
        counts = {len(line.split()) for line in lines if rows(line)}
        self.assertEqual(len(counts), 1, text)
        if fields:
            self.assertEqual(counts, {fields}, text)

    def table(self, fields, *args, **more):
        """Into a pipe, and with its header on a terminal."""
        result = run(*args, **more)
        self.assertIn(result.returncode, (0, 3), result.stderr)
        self.fits(result.stdout, fields)
        shown = on_terminal(self, *args, env={"NO_COLOR": "1"})
        head = [line for line in shown.splitlines()
                if re.match(r"[A-Z]{4,}( +[A-Z_]+)+$", line)]
        self.assertEqual({len(line.split()) for line in head}, {fields}, shown)
        for line in head:
            self.assertLessEqual(len(line), 80)

    def now(self):
        return objects(run("read", "-b", "tsc", "--json"))[0]["host_tsc"]

    def pages(self):
        """Extreme ones: bounds, times, markers, rates."""
        now = self.now()
        counter = status()["counter"]
        kind = int(counter["id"] == "x86-tsc") or 2
        for scale in (UTC, TAI, MONOTONIC):
            for more in ({}, {"error_ns": 2**64 - 1}, {"error_ns": 2**64 - 2},
                         {"status_": 4}, {"at": (now, 0)}, {"hz": 6 * 10**8},
                         {"at": (now, 2**63 - 10**15)}, {"counter": 255},
                         {"marker": 2**64 - 1}, {"hz": 10**11}):
                yield Page(vmclock(**{
                    "counter": kind, "hz": counter["hz"], "flags": BOUND,
                    "at": (now, 1700000000 * SEC), "time_type": scale,
                    **more}).ljust(4096, b"\0"))

    def test_status(self):
        def is_row(line):
            # Not the explanation of the marks.
            return re.match(r"[-*+!] ", line) and "   + valid   " not in line
        self.fits(run("status").stdout, 5, is_row)
        for machine in MACHINES:
            shown = subprocess.run([MACHINE_STATUS, machine], check=False,
                                   capture_output=True, text=True,
                                   timeout=cli.HANGS_SEC).stdout
            self.fits(shown, 5, is_row)
            # The name that nobody knows, where CPUID shows another one.
            self.assertEqual("PVM is KVM without hardware" in shown,
                             bool(re.search(r"^hypervisor +pvm$", shown,
                                            re.M)), shown)

    def test_read_and_cross(self):
        for backend in status()["backends"]:
            if not backend["available"]:
                continue
            args = ["-b", backend["name"], "-n", "3", "-i", "0"]
            self.table(5, "read", *args)
            if run("cross", *args).returncode != 1:
                self.table(7, "cross", *args)
        looked = 0
        for page in self.pages():
            for command, fields in (("read", 5), ("cross", 7)):
                result = run(command, "-b", "vmclock", "-d", page.path, "-n",
                             "3", "-i", "0.001")
                if result.returncode in (0, 3):
                    looked += 1
                    self.fits(result.stdout, fields)
        self.assertGreater(looked, 20)

    def test_vertical_ones(self):
        for page in self.pages():
            for args in (["read", "-l", "-b", "vmclock", "-d", page.path],
                         ["decode", "vmclock", "--page", page.path,
                          "--counter", str(2**64 - 1)]):
                result = run(*args)
                if result.returncode in (0, 3):
                    self.fits(result.stdout, 2)

    def test_events_and_watch(self):
        page = next(self.pages())
        good = pathlib.Path(page.path).read_bytes()
        for args in (["events"], ["watch", "-i", "0.01"]):
            tool = self.start(*args, "-b", "vmclock", "-d", page.path)
            lines = []
            cli.wait_for_handlers(tool)
            for data, kind in (
                    (good[:16] + b"\xff" * 8 + good[24:], "updated"),
                    (b"garbage", "source-lost"), (good, "source-found")):
                with open(page.path, "r+b") as file:
                    file.truncate(len(data))
                    file.write(data)
                while f" {kind} " not in (lines[-1] if lines else ""):
                    lines.append(tool.stdout.readline())
                    self.assertTrue(lines[-1], lines)
            tool.send_signal(signal.SIGINT)
            out, err = tool.communicate()
            self.fits("".join(lines) + out, 5)
            if args == ["events"]:
                self.assertIn("following vmclock (markers: authoritative)",
                              err)

    def test_bench(self):
        shown = run("bench", "--seconds", "0.1").stdout
        for line in shown.splitlines():
            self.assertLessEqual(len(line), 80, shown)
        for title, fields in (("One call", 9), ("Two threads", 5),
                              ("One read", 4)):
            table = re.search(rf"\n{title}.*\n(NAME(.|\n)*?)\n(\n|sys)", shown)
            if title == "Two threads" and not table:
                continue
            self.fits("\n".join(
                line for line in table[1].splitlines()
                if ": not measured: " not in line), fields)

if __name__ == "__main__":
    cli.main()
