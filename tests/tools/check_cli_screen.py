#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The screen of paraclock watch on terminals of 80x10 and 40x24.
Usage: check_cli_screen.py PARACLOCK"""
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time

import cli
from commands import BOUND, SEC, TAI, TOOL, Page, objects, run, status, vmclock

SIZES = ((80, 10), (40, 24))


class Screen:
    """What ncurses draws with TERM=vt100."""

    def __init__(self, columns, lines):
        self.columns, self.lines, self.rest = columns, lines, ""
        self.y = self.x = 0
        self.region = (0, lines - 1)
        self.clear()

    def clear(self):
        self.cells = [[" "] * self.columns for _ in range(self.lines)]

    def feed(self, text):
        # A read may end inside a sequence.
        text = self.rest + text
        whole = re.sub(r"\x1b([\[()][?\d;]*)?$", "", text)
        self.rest, text = text[len(whole):], whole
        token = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b[()].|\x1b(.)|(.)",
                           re.S)
        for match in token.finditer(text):
            if match[2]:
                self.act(match[2], [int(n or 0) for n in
                                    match[1].lstrip("?").split(";")])
            elif match[3] == "M":
                self.move(-1)
            elif match[3] == "D":
                self.move(1)
            elif match[4]:
                self.put(match[4])

    def move(self, by):
        """A line down or up; at the end of the region, it scrolls."""
        top, bottom = self.region
        if self.y != (bottom if by > 0 else top):
            self.y += by
            return
        blank = [" "] * self.columns
        if by > 0:
            self.cells[top:bottom + 1] = self.cells[top + 1:bottom + 1] + \
                [blank]
        else:
            self.cells[top:bottom + 1] = [blank] + self.cells[top:bottom]

    def act(self, letter, numbers):
        # Behind the last column the cursor stays on it.
        self.x = min(self.x, self.columns - 1)
        first = numbers[0] or 1
        if letter == "r":
            bottom = numbers[1] if len(numbers) > 1 else 0
            self.region = (first - 1, (bottom or self.lines) - 1)
            self.y = self.x = 0
        elif letter == "H":
            self.y = first - 1
            self.x = (numbers[1] or 1) - 1 if len(numbers) > 1 else 0
        elif letter == "J":
            self.erase_line()
            for y in range(self.y + 1, self.lines):
                self.cells[y] = [" "] * self.columns
        elif letter == "K":
            self.erase_line(numbers[0])
        elif letter in "ABCD":
            step = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}
            self.y += step[letter][0] * first
            self.x += step[letter][1] * first

    def erase_line(self, how=0):
        for x in range(self.x + 1 if how == 1 else self.columns):
            if how or x >= self.x:
                self.cells[self.y][x] = " "

    def put(self, character):
        if character < " ":
            self.x = min(self.x, self.columns - 1)
        if character == "\n":
            self.move(1)
        elif character == "\r":
            self.x = 0
        elif character == "\t":
            self.x = min(self.x // 8 * 8 + 8, self.columns - 1)
        elif character == "\b":
            self.x -= 1
        elif character >= " ":
            if self.x == self.columns:
                self.y, self.x = self.y + 1, 0
            self.cells[self.y][self.x] = character
            self.x += 1

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.cells)


class Watch(cli.Service):
    tool = TOOL

    def watch(self, columns, lines, path):
        master, slave = cli.open_terminal(self)
        fcntl.ioctl(slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", lines, columns, 0, 0))
        tool = subprocess.Popen(
            [TOOL, "watch", "-i", "0.05", "-b", "vmclock", "-d", path],
            stdin=slave, stdout=slave, stderr=slave,
            env={**os.environ, "TERM": "vt100"})
        os.close(slave)
        self.addCleanup(os.close, master)
        self.addCleanup(tool.wait)
        self.addCleanup(tool.kill)
        return tool, master, Screen(columns, lines)

    def until(self, master, screen, *words):
        """Draw until all of the words are on the screen."""
        end = time.monotonic() + cli.HANGS_SEC
        while not all(word in screen.text() for word in words):
            self.assertLess(time.monotonic(), end, screen.text())
            ready = select.select([master], [], [], cli.HANGS_SEC)[0]
            self.assertTrue(ready, screen.text())
            screen.feed(os.read(master, 65536).decode())
        return screen.text().splitlines()

    def page(self):
        counter = status()["counter"]
        now = objects(run("read", "-b", "tsc", "--json"))[0]["host_tsc"]
        kind = int(counter["id"] == "x86-tsc") or 2

        def make(marker, jumps=0, **more):
            return vmclock(counter=kind, hz=counter["hz"], flags=BOUND,
                           time_type=TAI, marker=marker, error_ns=250,
                           at=(now, (1700000000 + 2 * jumps) * SEC),
                           **more).ljust(4096, b"\0")
        return make

    def test_what_matters_is_on_top(self):
        make = self.page()
        for columns, lines in SIZES:
            with self.subTest(columns=columns, lines=lines):
                page = Page(make(2**64 - 2))
                tool, master, screen = self.watch(columns, lines, page.path)
                shown = self.until(master, screen, "ok", "not since the start",
                                   "host time", "2023-11-14T22:", "tai",
                                   "bound", "rate", "readings")
                self.assertRegex(shown[0], r"^vmclock +ok +q quits$")
                self.assertRegex(shown[1], "^disrupted +not since the start$")
                os.pwrite(page.file.fileno(), make(2**64 - 1, 1, seq=6),
                          0)
                shown = self.until(master, screen, "once, at ", "jumped",
                                   "authoritative", "host time", "readings",
                                   "worst gap")
                self.assertIn("disrupted", shown[1])
                self.assertRegex(shown[2], r"^events +\d\d:\d\d:\d\dZ jumped")
                # Not valid: the reason comes before the numbers.
                os.pwrite(page.file.fileno(), make(2**64 - 1, 1, seq=8,
                                                   status_=4), 0)
                shown = self.until(master, screen, "not valid: status",
                                   "readings", "host time")
                self.assertIn("not valid: status", shown[0])
                self.assertIn("disrupted", shown[1])
                os.write(master, b"q")
                self.assertEqual(tool.wait(timeout=cli.HANGS_SEC), 3)
                print("\n".join(shown))

    def test_a_terminal_that_is_too_small_is_no_fault(self):
        make = self.page()
        for columns, lines in ((1, 1), (5, 2), (12, 3), (200, 60)):
            page = Page(make(1))
            tool, master, screen = self.watch(columns, lines, page.path)
            self.until(master, screen, "vmclock"[:columns])
            os.write(master, b"q")
            self.assertEqual(tool.wait(timeout=cli.HANGS_SEC), 0)


if __name__ == "__main__":
    cli.main()
