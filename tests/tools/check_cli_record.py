#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock record, as people and scripts use it.
Usage: check_cli_record.py PARACLOCK"""
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import cli
from record_bed import (COLUMNS, SEC, TITLE, Folder, can_correlate, chosen,
                        parse, run)


class Options(Folder):
    def test_wrong_usage(self):
        for args, word in (
                (["record"], "no file; name it with -o"),
                (["record", "-o", self.csv, "-i", "0"], "-i 0"),
                (["record", "-o", self.csv, "-i", "0.0001"], "-i 0.0001"),
                (["record", "-o", self.csv, "-i", "86401"], "-i 86401"),
                (["record", "-o", self.csv, "-t", "0"], "-t 0"),
                (["record", "-o", self.csv, "-t", "x"], "-t x"),
                (["record", "-o", self.csv, "-n", "0"], "-n 0"),
                (["record", "-o", self.csv, "x"], "x: unexpected"),
                (["record", "-o", self.csv, "-b", "no"], "-b no"),
                (["plot"], "no record"),
                (["plot", "a"], "no picture; name it with -o"),
                (["plot", "a", "-o", "a.gif"], ".png or .svg"),
                (["plot", "a", "-o", ".png"], ".png or .svg"),
                (["plot", "a", "b", "-o", "b.png"], "b: unexpected")):
            with self.subTest(args=args):
                self.assert_fails(run(*args), word, status=2)
        self.assertFalse(self.csv.exists())


@unittest.skipUnless(chosen() and can_correlate(),
                     "no valid source here that can be correlated")
class Record(Folder):
    """This machine's own clock, the real one."""

    def check_rows(self, text, at_least=1):
        head, rows = parse(text)
        self.assertEqual(head[0], TITLE)
        names = [line[2:].split(":")[0] for line in head[1:]]
        for name in ("paraclock", "backend", "timescale", "counter",
                     "clocksource", "own_kernel", "started", "interval_sec",
                     "units"):
            self.assertIn(name, names)
        self.assertIn(f"# backend: {chosen()}", head)
        self.assertEqual(list(rows[0]), COLUMNS)
        readings = [row for row in rows if row["kind"] == "reading"]
        self.assertGreaterEqual(len(readings), at_least)
        return rows

    def test_what_it_holds(self):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        result = run("record", "-t", "2", "-i", "0.05", "-o", self.csv)
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        self.assertIn(result.returncode, (0, 3), result.stderr)
        self.assertEqual(result.stdout, "")
        rows = self.check_rows(self.csv.read_text())
        valid = [row for row in rows
                 if row["kind"] == "reading" and row["valid"] == "1"]
        self.assertTrue(valid)
        print(f"{len(rows)} rows, {len(valid)} valid readings")
        # On a busy machine it leaves readings out, and never adds any.
        self.assertLessEqual(
            sum(row["kind"] == "reading" for row in rows), 40)
        last = before
        for row in valid:
            raw = int(row["monotonic_raw_ns"])
            self.assertGreaterEqual(raw, last - 1000)
            last = raw
            self.assertEqual(row["reason"], "ok")
            self.assertGreater(int(row["counter"]), 0)
            self.assertGreaterEqual(int(row["uncertainty_ns"]), 0)
            self.assertGreaterEqual(int(row["epoch"]), 1)
            if row["timescale"] == "monotonic":
                self.assertEqual(row["offset_ns"], "")
        self.assertLess(last, after)
        # A process that repeats them agrees with the host clock's rate.
        span = int(valid[-1]["monotonic_raw_ns"]) - \
            int(valid[0]["monotonic_raw_ns"])
        if valid[0]["epoch"] == valid[-1]["epoch"] and span > SEC // 10:
            host = int(valid[-1]["host_ns"]) - int(valid[0]["host_ns"])
            self.assertAlmostEqual(host / span, 1, places=2)

    def test_stdout_and_count(self):
        result = run("record", "-n", "3", "-i", "0.001", "-o", "-")
        self.assertIn(result.returncode, (0, 3), result.stderr)
        rows = self.check_rows(result.stdout)
        self.assertEqual(sum(row["kind"] in ("reading", "failed")
                             for row in rows), 3)

    def test_signals_leave_a_complete_file(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("record", "-i", "0.01", "-o", self.csv,
                                 stderr=subprocess.PIPE)
            # A row has come out, long before the end.
            cli.wait_until(lambda: self.csv.exists() and "\nreading," in
                           self.csv.read_text(), process)
            process.send_signal(number)
            errors = process.communicate(timeout=cli.HANGS_SEC)[1]
            self.assertIn(process.returncode, (0, 3), errors)
            text = self.csv.read_text()
            self.assertTrue(text.endswith("\n"))
            rows = self.check_rows(text)
            self.assertTrue(all(None not in row and None not in row.values()
                                for row in rows))
            self.csv.unlink()

    def test_a_full_disk(self):
        self.assert_fails(run("record", "-n", "1", "-o", "/dev/full"),
                          "/dev/full: No space left on device")
        with open("/dev/full", "w", encoding="ascii") as full:
            self.assert_fails(run("record", "-n", "1", "-o", "-",
                                  stdout=full),
                              "stdout: No space left on device")

    def test_a_pipe_that_is_closed(self):
        reader, writer = os.pipe()
        process = self.start("record", "-i", "0.001", "-o", "-",
                             stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        errors = process.communicate(timeout=cli.HANGS_SEC)[1]
        self.assertEqual(process.returncode, 1)
        self.assertEqual(errors, "paraclock record: stdout: the reader of "
                                 "the pipe has closed it\n")

    def test_a_folder_that_is_not_there(self):
        self.assert_fails(run("record", "-n", "1", "-o",
                              self.dir / "no" / "a.csv"),
                          "no/a.csv: No such file or directory; make the folder "
                          "first")

    # --- on a terminal -----------------------------------------------------

    def on_terminal(self, *args, columns=80, **environment):
        """What it writes to stderr, a terminal of 80 columns."""
        ours, theirs = cli.open_terminal(self)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, columns, 0, 0))
        env = dict(os.environ, TERM="xterm", **environment)
        process = self.start("record", "-o", self.csv, *args, stderr=theirs,
                             env=env)
        os.close(theirs)
        text = b""
        while True:
            try:
                if not select.select([ours], [], [], cli.HANGS_SEC)[0]:
                    self.fail("hangs")
                more = os.read(ours, 4096)
            except OSError:
                break
            if not more:
                break
            text += more
        os.close(ours)
        self.assertIn(process.wait(timeout=cli.HANGS_SEC), (0, 3))
        return text.decode("ascii")

    def test_the_progress(self):
        text = self.on_terminal("-t", "2.5", NO_COLOR="1")
        self.assertNotIn("\033", text)
        frames = [frame for frame in re.split("[\r\n]+", text)
                  if frame.strip()]
        self.assertIn(": ", frames[-1])
        self.assertIn("disruption", frames[-1])
        bars = [frame for frame in frames if frame.startswith("[")]
        self.assertTrue(bars)
        for frame in bars:
            self.assertLess(len(frame), 80)
            self.assertRegex(frame, r"^\[#*-*\] +\d+ %  \d+\.\d of 2\.5 s: ")
        # At most four a second, of a record that takes as long as it says.
        shown = [float(re.search(r"(\d+\.\d) of", bar)[1]) for bar in bars]
        self.assertEqual(shown, sorted(shown))
        self.assertLessEqual(len(bars), 4 * shown[-1] + 2)

    def test_a_narrow_terminal(self):
        text = self.on_terminal("-t", "2.1", columns=30)
        frames = re.split("[\r\n]+", text.rstrip())
        # The last line is no frame, and the terminal may wrap it.
        self.assertIn("a.csv: ", frames.pop())
        self.assertTrue(frames)
        for frame in frames:
            self.assertLess(len(frame), 30)

    def test_no_progress(self):
        """Of what is short, and where stderr is no terminal."""
        self.assertEqual(self.on_terminal("-t", "0.5"), "")
        self.assertEqual(self.on_terminal("-n", "2"), "")
        result = run("record", "-t", "2.2", "-i", "0.5", "-o", self.csv)
        if result.returncode == 0:
            self.assertEqual(result.stderr, "")


if __name__ == "__main__":
    cli.main()
