#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock events: a source that is lost, and found again.
Usage: check_cli_events.py PARACLOCK"""
import json
import os
import pathlib
import signal
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from commands import EVENT_KEYS, TOOL, pvclock, vmclock


def leads_to(link, path):
    try:
        return link.readlink() == path
    except FileNotFoundError:
        # A descriptor that was closed meanwhile.
        return False


def rewrite(path, content):
    """In place, and at once: the file is never empty in between."""
    with open(path, "r+b", buffering=0) as file:
        file.write(content)
        file.truncate(len(content))


def waits_for_events(tool):
    fds = pathlib.Path(f"/proc/{tool.pid}/fd")
    try:
        return any(leads_to(fd, pathlib.Path("anon_inode:[eventpoll]"))
                   for fd in fds.iterdir())
    except FileNotFoundError:
        # It has ended.
        return False


class Loss(unittest.TestCase):
    GOOD = {"vmclock": vmclock(marker=7), "kvmclock": pvclock(),
            "hyperv": struct.pack("<IIQqQ", 2, 0, 1 << 62, 0, 0)}

    def start(self, backend, path, *args):
        """Returns when it has read its page, which it then says."""
        path.write_bytes(self.GOOD[backend])
        self.stderr = path.with_name("stderr")
        with open(self.stderr, "wb") as stderr:
            tool = subprocess.Popen(
                [TOOL, "events", "-b", backend, "-d", path, *args],
                stdout=subprocess.PIPE, stderr=stderr, text=True)
        self.addCleanup(tool.wait)
        self.addCleanup(tool.stdout.close)
        self.addCleanup(tool.kill)
        # A hanging tool is ended, and then a line is missing.
        guard = threading.Timer(600, tool.kill)
        guard.start()
        self.addCleanup(guard.cancel)
        while ": following " not in self.stderr.read_text():
            self.assertIsNone(tool.poll(), self.stderr.read_text())
            time.sleep(0.01)
        return tool

    def page_path(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name).resolve() / "page"

    def kinds_follow(self, tool, *kinds):
        """The lines, which are of these kinds, and no other."""
        lines = [json.loads(tool.stdout.readline()) for _ in kinds]
        self.assertEqual([line["kind"] for line in lines], list(kinds))
        for line in lines:
            self.assertEqual(list(line), EVENT_KEYS + ["error", "reason"])
            self.assertEqual(line["marker_class"], "authoritative")
            if line["kind"] == "source-found":
                self.assertEqual((line["error"], line["reason"]),
                                 (None, None))
        return lines

    def ends(self, tool, warnings):
        """By a signal, with nothing on stdout, and with so many lines on stderr
        after the one that says what is followed."""
        tool.send_signal(signal.SIGINT)
        out, _ = tool.communicate()
        self.assertEqual((tool.returncode, out), (0, ""))
        lines = self.stderr.read_text().splitlines()
        self.assertIn(": following ", lines[0])
        self.assertEqual(len(lines), 1 + warnings, lines)

    def test_a_page_that_becomes_garbage_is_lost(self):
        good = self.GOOD["vmclock"]
        bad = {
            "empty": b"", "cut": good[:10], "zeros": bytes(len(good)),
            "ones": b"\xff" * len(good),
            "magic": b"X" + good[1:],
            "version": good[:8] + b"\x02\x00" + good[10:],
            "size": good[:4] + bytes(4) + good[8:],
            "text": b"not a clock\n" * 40,
        }
        path = self.page_path()
        tool = self.start("vmclock", path, "--json")
        for name, content in bad.items():
            with self.subTest(name):
                # In place: the file stays the same one.
                rewrite(path, content)
                lost, = self.kinds_follow(tool, "source-lost")
                self.assertEqual(lost["error"], "EPROTO")
                self.assertEqual(lost["source"], "vmclock")
                self.assertIn("malformed", lost["reason"])
                rewrite(path, good)
                self.kinds_follow(tool, "source-found")
        self.ends(tool, len(bad))

    def test_other_pages_are_lost_as_well(self):
        cases = (("kvmclock", b"", "EPROTO"),
                 ("kvmclock", bytes(32), "EPROTO"),
                 ("kvmclock", b"\xff" * 32, "EAGAIN"),
                 ("hyperv", b"", "EPROTO"),
                 ("hyperv", struct.pack("<IIQqQ", 3, 0, 0, 0, 0), "EPROTO"))
        for backend, content, error in cases:
            with self.subTest(backend, content=content):
                path = self.page_path()
                tool = self.start(backend, path, "--json")
                rewrite(path, content)
                lost, = self.kinds_follow(tool, "source-lost")
                self.assertEqual(lost["error"], error)
                rewrite(path, self.GOOD[backend])
                self.kinds_follow(tool, "source-found")
                self.ends(tool, 1)

    def test_a_page_that_is_removed_is_found_by_its_name(self):
        path = self.page_path()
        tool = self.start("vmclock", path, "--json")
        for _ in range(2):
            path.unlink()
            lost, = self.kinds_follow(tool, "source-lost")
            self.assertEqual((lost["error"], lost["reason"]),
                             ("ENODEV", f"{path}: it was removed"))
            path.write_bytes(self.GOOD["vmclock"])
            self.kinds_follow(tool, "source-found")
        # From now on events are of the new one.
        rewrite(path, vmclock(marker=8, seq=6))
        self.assertIn(json.loads(tool.stdout.readline())["kind"],
                      ("updated", "jumped"))
        self.ends(tool, 2)

    def test_a_page_that_is_replaced_is_lost_and_found(self):
        path = self.page_path()
        tool = self.start("vmclock", path, "--json")
        other = path.with_name("other")
        other.write_bytes(self.GOOD["vmclock"])
        os.link(path, path.with_name("kept"))
        other.replace(path)
        lost, _ = self.kinds_follow(tool, "source-lost", "source-found")
        self.assertEqual(lost["reason"], f"{path}: it was replaced")
        # By an unreadable file: the source is not found before it can be read.
        other.write_bytes(b"garbage")
        other.replace(path)
        self.kinds_follow(tool, "source-lost")
        path.write_bytes(self.GOOD["vmclock"])
        self.kinds_follow(tool, "source-found")
        self.ends(tool, 2)

    def test_a_line_says_why(self):
        path = self.page_path()
        tool = self.start("vmclock", path, "-n", "2")
        rewrite(path, b"")
        self.assertRegex(tool.stdout.readline(),
                         r"^20\S+Z source-lost +- vmclock +authoritative$")
        path.write_bytes(self.GOOD["vmclock"])
        out, _ = tool.communicate()
        self.assertRegex(out, r"^20\S+Z source-found +- vmclock ")
        err = self.stderr.read_text()
        self.assertRegex(err, r"^paraclock events: following vmclock .*\n"
                              r"paraclock events: vmclock: lost: the "
                              r"vmclock page is malformed: .*\n$")
        self.assertEqual(tool.returncode, 0)


class Memory(unittest.TestCase):
    def test_a_page_that_cannot_be_had_is_one_sentence(self):
        """This machine's; where it can be had, events go on."""
        tool = subprocess.Popen([TOOL, "events", "--dev-mem"],
                                stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        self.addCleanup(tool.kill)
        while tool.poll() is None and not waits_for_events(tool):
            time.sleep(0.01)
        has_it = tool.poll() is None
        tool.terminate()
        out, err = tool.communicate()
        if has_it:
            self.assertEqual(err, "")
            return
        self.assertEqual((tool.returncode, out), (1, ""))
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertRegex(err, "/proc/iomem|/dev/mem|physical memory")


if __name__ == "__main__":
    unittest.main()
