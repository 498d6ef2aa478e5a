#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock plot, as people and scripts use it.
Usage: check_cli_plot.py PARACLOCK"""
import csv
import io
import os
import re
import signal
import struct
import subprocess
import unittest
import xml.etree.ElementTree

import cli
from record_bed import (COLUMNS, HAS_GNUPLOT, MOVES, SEC, TITLE, TOOL, Folder,
                        can_correlate, can_read_the_counter, chosen, parse,
                        run)


class Plot(Folder):
    HEAD = TITLE + "\n# backend: vmclock\n# timescale: tai\n" \
        "# started: 2026-11-29T16:00:00Z\n"

    def record(self, rows, head=None):
        """Write rows, each a dictionary."""
        text = io.StringIO()
        text.write(self.HEAD if head is None else head)
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.csv.write_text(text.getvalue())

    def plot(self, name="a.svg", **more):
        return run("plot", self.csv, "-o", self.dir / name, **more)

    @staticmethod
    def reading(i, epoch=1, ahead=0):
        raw = 10**12 + i * SEC // 10
        return {"kind": "reading", "valid": 1, "reason": "ok", "epoch": epoch,
                "host_ns": 10**18 + raw + ahead + i % 7, "pair_error_ns": 0,
                "monotonic_raw_ns": raw, "uncertainty_ns": 30}

    def svg_texts(self, name="a.svg"):
        tree = xml.etree.ElementTree.parse(self.dir / name)
        self.assertTrue(tree.getroot().tag.endswith("svg"))
        return [text for text in ("".join(element.itertext()).strip()
                                  for element in tree.iter()
                                  if element.tag.endswith("}text")) if text]

    # --- errors ------------------------------------------------------------

    def test_errors_of_a_record(self):
        good = self.reading(0)
        for row, want in (
                ({"host_ns": "1e9"}, "2: host_ns: 1e9: expected an integer"),
                ({"epoch": "-1"}, "epoch: -1: expected"),
                ({"valid": "yes"}, "valid: yes: expected 0 or 1"),
                ({"monotonic_raw_ns": ""}, "monotonic_raw_ns: empty"),
                ({"kind": "\";`id`"}, "kind: "),
                ({"monotonic_raw_ns": 5}, "monotonic_raw_ns: earlier")):
            with self.subTest(row=row):
                self.record([good, dict(good, **row)])
                # 4 lines of the header, the columns, a good row.
                self.assert_fails(self.plot(), "a.csv:7: ",
                                  want.removeprefix("2: "))
                self.assertFalse((self.dir / "a.svg").exists())

    def test_no_record(self):
        for text, want in (
                (b"", "a.csv:1: ends before"),
                (b"a,b\n1,2\n", "a.csv:1: not a record"),
                (b"\x89PNG\r\n\0\xff\n", "a.csv:1: not a record"),
                (b"\0" * 100000, "a.csv:1: longer than any line"),
                (self.HEAD.encode(), "a.csv:5: ends before"),
                (self.HEAD.encode() + b"kind,valid\n", "a.csv:5: no column")):
            with self.subTest(text=text[:20]):
                self.csv.write_bytes(text)
                self.assert_fails(self.plot(), want)
        self.record([])
        self.assert_fails(self.plot(), "not one valid reading")
        self.csv.unlink()
        self.assert_fails(self.plot(), "a.csv: No such file")
        self.assert_fails(run("plot", self.dir, "-o", self.dir / "a.svg"),
                          str(self.dir))

    def test_no_gnuplot(self):
        self.record([self.reading(i) for i in range(9)])
        result = self.plot(env={"PATH": str(self.dir)})
        self.assert_fails(result, "gnuplot is not installed", "gnuplot-nox")
        self.assertEqual([path.name for path in self.dir.iterdir()],
                         ["a.csv"])

    def test_a_gnuplot_that_fails(self):
        """What stood there before stays."""
        self.record([self.reading(i) for i in range(9)])
        (self.dir / "a.svg").write_text("old")
        program = self.dir / "gnuplot"
        for script, want in (("echo no font >&2; exit 3",
                              "gnuplot failed: no font"),
                             ("exit 0", "gnuplot: No space left"),
                             ("kill -9 $$", "gnuplot failed")):
            with self.subTest(script=script):
                program.write_text(f"#!/bin/sh\n{script}\n")
                program.chmod(0o755)
                result = self.plot(env={"PATH": str(self.dir)})
                self.assert_fails(result, want)
                self.assertEqual((self.dir / "a.svg").read_text(), "old")
        self.assertEqual(len(list(self.dir.iterdir())), 3)

    def test_no_text_of_a_path_is_a_command(self):
        """gnuplot gets neither of the names; it gets the program on stdin."""
        self.csv = self.dir / "a';system('x').csv"
        self.record([self.reading(i) for i in range(9)])
        program = self.dir / "gnuplot"
        program.write_text(f"#!/bin/sh\necho \"$@\" >'{self.dir}/args'\n"
                           "exec /bin/cat\n")
        program.chmod(0o755)
        result = self.plot("b'`x`.svg", env={"PATH": str(self.dir)})
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.dir / "args").read_text(), "-d\n")
        script = (self.dir / "b'`x`.svg").read_text()
        self.assertIn("set terminal svg", script)
        for word in ("system", "`", str(self.dir)):
            self.assertNotIn(word, script)

    @unittest.skipUnless(HAS_GNUPLOT, "no gnuplot; install gnuplot-nox")
    def test_closed_descriptors(self):
        self.record([self.reading(i) for i in range(9)])
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                subprocess.run(["sh", "-c", f'"$@" {closed}', "-", TOOL,
                                "plot", self.csv, "-o", self.dir / "a.svg"],
                               timeout=cli.HANGS_SEC, check=True)
                self.assertTrue(self.svg_texts())
                (self.dir / "a.svg").unlink()

    def test_an_interrupt(self):
        self.record([self.reading(i) for i in range(9)])
        program = self.dir / "gnuplot"
        program.write_text(f"#!/bin/sh\n: >'{self.dir}/began'\n"
                           "exec /bin/sleep 1000\n")
        program.chmod(0o755)
        process = self.start("plot", self.csv, "-o", self.dir / "a.svg",
                             env={"PATH": str(self.dir)})
        cli.wait_until((self.dir / "began").exists, process)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=cli.HANGS_SEC), 1)
        self.assertEqual(sorted(path.name for path in self.dir.iterdir()),
                         ["a.csv", "began", "gnuplot"])

    # --- pictures ----------------------------------------------------------

    @unittest.skipUnless(HAS_GNUPLOT, "no gnuplot; install gnuplot-nox")
    def test_a_made_up_record(self):
        rows = [self.reading(i) for i in range(300)]
        rows += [{"kind": "jumped", "epoch": 2, "gap_ns": 800000,
                  "monotonic_raw_ns": 10**12 + 30 * SEC}]
        rows += [self.reading(i, 2, 800000) for i in range(300, 600)]
        rows += [{"kind": "clock-set", "gap_ns": -5000000,
                  "monotonic_raw_ns": 10**12 + 60 * SEC}]
        rows += [{"kind": "reading", "valid": 0, "reason": "status",
                  "monotonic_raw_ns": 10**12 + 61 * SEC}]
        rows += [self.reading(i, 2, 800000) for i in range(620, 700)]
        self.record(rows)
        self.csv.write_text(self.csv.read_text() + "reading,1,ok,12")
        result = self.plot()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertIn("the last line is incomplete", result.stderr)
        texts = self.svg_texts()
        for want in ("vmclock (tai), 69.9 s from 2026-11-29 16:00:00 UTC",
                     "host - MONOTONIC_RAW", "(us)", "against MONOTONIC_RAW",
                     "over 2 s (ppb)", "time since the first reading (s)",
                     "averaging time, tau (s)", "overlapping Allan",
                     "deviation (no unit)", "jumped +800 us",
                     "clock-set -5 ms", "disruption (1)",
                     "CLOCK_REALTIME set (1)", "not valid (1)",
                     "reading's bound, at most ±30 ns"):
            self.assertIn(want, texts)
        self.assertTrue(any("680 valid readings, every 100 ms; 1 not valid; "
                            "1 disruption;" in text for text in texts))

    def check_png(self, path):
        data = path.read_bytes()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack_from(">II", data, 16), (1200, 900))
        self.assertEqual(data[-8:-4], b"IEND")

    @unittest.skipUnless(HAS_GNUPLOT, "no gnuplot; install gnuplot-nox")
    @unittest.skipUnless(chosen() and can_correlate(),
                         "no valid source here that can be correlated")
    def test_this_machine(self):
        result = run("record", "-t", "2", "-i", "0.02", "-o", self.csv)
        self.assertIn(result.returncode, (0, 3), result.stderr)
        for name in ("a.png", "a.svg"):
            result = self.plot(name)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(result.stderr, "")
        self.check_png(self.dir / "a.png")
        texts = self.svg_texts()
        self.assertTrue(any(text.startswith(f"{chosen()} (")
                            for text in texts), texts)
        for want in ("time since the first reading (s)",
                     "averaging time, tau (s)"):
            self.assertIn(want, texts)
        # The mode is that of any new file.
        mask = os.umask(0)
        os.umask(mask)
        self.assertEqual((self.dir / "a.png").stat().st_mode & 0o777,
                         0o666 & ~mask)

    def wait_for_rows(self, recorder, pattern):
        cli.wait_until(lambda: self.csv.exists() and re.search(
            pattern, self.csv.read_text(), re.S), recorder)

    @unittest.skipUnless(HAS_GNUPLOT, "no gnuplot; install gnuplot-nox")
    @unittest.skipUnless(can_read_the_counter(), "no counter")
    @unittest.skipUnless(can_correlate(), "the kernel keeps its time by "
                                          "another clock than the counter")
    def test_a_migration(self):
        """A simulated host moves the machine, then vouches for nothing."""
        script = self.dir / "moves.sim"
        script.write_text(MOVES)
        host = self.start("simulate", "--realtime", "--dir", self.dir,
                          script, stdout=subprocess.PIPE)
        for line in host.stdout:
            if "open v" in line:
                break
        page = self.dir / "v.vmclock"
        cli.hold(host, page)
        recorder = self.start("record", "-b", "vmclock", "-d", page, "-i",
                              "0.02", "-o", self.csv, stderr=subprocess.PIPE)
        # Each is recorded before the next one happens.
        self.wait_for_rows(recorder, r"\nreading,1,")
        host.send_signal(signal.SIGCONT)
        self.wait_for_rows(recorder, r"\njumped,.*\nreading,1,")
        cli.hold(host, page)
        cli.set_status(page, cli.UNRELIABLE)
        self.wait_for_rows(recorder, r"\nreading,0,status")
        cli.set_status(page, cli.SYNCHRONIZED)
        self.wait_for_rows(recorder, r"\nreading,0,status.*\nreading,1,")
        recorder.send_signal(signal.SIGTERM)
        errors = recorder.communicate(timeout=cli.HANGS_SEC)[1]
        self.assertEqual(recorder.returncode, 3, errors)
        self.assertIn("not valid: ", errors)
        rows = parse(self.csv.read_text())[1]
        jumps = [row for row in rows if row["kind"] == "jumped"]
        self.assertEqual(len(jumps), 1)
        self.assertEqual(jumps[0]["source"], "vmclock")
        self.assertEqual(round(int(jumps[0]["gap_ns"]), -3), 80000)
        at = rows.index(jumps[0])
        valid = [row["valid"] == "1" for row in rows]
        # Nothing of the old time behind the event.
        self.assertTrue(all(row["epoch"] == "1" for row in rows[:at]
                            if row["valid"] == "1"))
        self.assertTrue(all(row["epoch"] == "2" for row in rows[at:]
                            if row["valid"] == "1"))
        # The offset moves by what the hosts differ in, as well as two readings
        # know it; CLOCK_REALTIME may be slewed meanwhile.
        before = rows[max(i for i in range(at) if valid[i])]
        after = rows[min(i for i in range(at, len(rows)) if valid[i])]
        moved = int(after["offset_ns"]) - int(before["offset_ns"])
        span = int(after["monotonic_raw_ns"]) - \
            int(before["monotonic_raw_ns"])
        known = int(after["uncertainty_ns"]) + int(before["uncertainty_ns"])
        self.assertLess(abs(moved - 80000), known + 100 + span * 500e-6)
        result = self.plot()
        self.assertEqual(result.returncode, 0, result.stderr)
        texts = self.svg_texts()
        for want in ("disruption (1)", "jumped +80 us", "offset"):
            self.assertIn(want, texts)
        self.assertTrue(any(re.fullmatch(r"not valid \(\d+\)", text)
                            for text in texts))
        self.assertTrue(any(text.startswith("host UTC - CLOCK_REALTIME")
                            for text in texts))


if __name__ == "__main__":
    cli.main()
