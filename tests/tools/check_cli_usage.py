#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What every command of paraclock(1) has in common: help, version, JSON, and
errors of one line. Usage: check_cli_usage.py PARACLOCK"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import cli

TOOL = sys.argv.pop(1)
HUGE = "99999999999999999999"
# The commands that print no JSON.
PLAIN = ("record", "plot", "export")


def run(*args):
    return subprocess.run([TOOL, *args], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=cli.HANGS_SEC,
                          check=False)


def commands():
    listed = re.search(r"Commands:\n(.*?)\n\n", run("--help").stdout, re.S)[1]
    return re.findall(r"^  (\w+) ", listed, re.M)


def options(command):
    """(letter, name, value) of each option in its help; letter may be ""."""
    return re.findall(r"^  (?:-(\w), |    )--([\w-]+)(?:=(\w+))?",
                      run(command, "--help").stdout, re.M)


class Usage(unittest.TestCase):
    def error(self, *args):
        """The one line on stderr."""
        result = run(*args)
        # What a monitoring system reads, to which 2 would be CRITICAL.
        want = (3, "PARACLOCK UNKNOWN - wrong usage: run the command in a "
                "shell to see why\n") if args[0] == "alarm" else (2, "")
        self.assertEqual((result.returncode, result.stdout), want, args)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        return result.stderr[:-1]

    def test_help_and_version_everywhere(self):
        names = commands()
        self.assertGreaterEqual(len(names), 12)
        version = run("--version").stdout
        self.assertRegex(version, r"^paraclock \d+\.\d+\.\d+\n$")
        for name in ([], *([name] for name in names)):
            shown = run(*name, "--help")
            self.assertEqual(shown.returncode, 0, name)
            self.assertIn("xample", shown.stdout, name)
            self.assertEqual(run(*name, "-h").stdout, shown.stdout, name)
            self.assertEqual(run(*name, "-V").stdout, version, name)
            self.assertEqual(run("help", *name).stdout, shown.stdout, name)
            self.assertIn("-h, --help", shown.stdout)
            self.assertIn("-V, --version", shown.stdout)
            for line in shown.stdout.splitlines():
                self.assertLessEqual(len(line), 80, name)
        self.assertEqual(run("help", "help").stdout, run("-h").stdout)

    def test_every_option_is_json_or_it_has_a_letter(self):
        for name in commands():
            found = [letter for letter, word, _ in options(name)
                     if word == "json"]
            self.assertEqual(found, [] if name in PLAIN else ["j"], name)

    def test_json_stands_before_or_after_the_command(self):
        for args in (["status", "--json"], ["status", "-j"], ["-j"],
                     ["--json"], ["--json", "status"], ["-j", "status"],
                     ["-j", "read", "-b", "tsc", "-n", "2", "-i", "0"],
                     ["read", "-jb", "tsc"], ["--json", "cross", "-btsc"],
                     ["-j", "watch", "-b", "tsc", "-n", "1"]):
            result = run(*args)
            self.assertIn(result.returncode, (0, 1, 3), args)
            for line in result.stdout.splitlines():
                json.loads(line)
        for name in PLAIN + ("help",):
            self.assertIn(f"'{name}' prints no JSON",
                          self.error("--json", name))

    def test_what_is_not_an_option_is_named(self):
        for name in commands():
            for args, word in ((["--frobnicate"], "--frobnicate: no such"),
                               (["-h-"], None), (["-V="], None),
                               (["-Q"], "-Q: no such"),
                               (["--help=no"], "--help: it takes no value")):
                if word:
                    text = self.error(name, *args)
                    self.assertIn(word, text)
                    self.assertTrue(text.endswith(
                        f"; see 'paraclock {name} --help'"), text)
        self.assertEqual(self.error("-Q"), "paraclock: -Q: no such option; "
                         "see 'paraclock --help'")
        self.assertIn("--count: its value is missing", self.error("read",
                                                                  "--cou"))
        self.assertIn("-n: its value is missing", self.error("read", "-jn"))
        self.assertIn("--d: more than one option begins so",
                      self.error("keep", "--d"))

    def test_a_number_out_of_range_names_the_option_and_the_limits(self):
        looked = 0
        for name in commands():
            for letter, word, value in options(name):
                if value not in ("N", "S", "SECONDS", "PPM", "PORT", "UNIT",
                                 "OFFSET"):
                    continue
                looked += 1
                for bad in (HUGE, "-1", "x", "", "1e3", " 1", "0x", "1 "):
                    if word == "poll" and bad == "-1":
                        continue
                    with self.subTest(name=name, option=word, value=bad):
                        text = self.error(name, f"--{word}={bad}")
                        shown = f"-{letter} " if letter in "ni" and letter \
                            else f"--{word} "
                        self.assertRegex(
                            text, rf"(--{word}|-{letter or '-'}) {bad}: not a "
                            r".*number.* from -?[\d.]+ to \d+")
        self.assertGreater(looked, 25)

    def test_a_command_that_is_not_one(self):
        for wrong, meant in (("staus", "status"), ("raed", "read"),
                             ("event", "events"), ("simulat", "simulate")):
            for args in ([wrong], ["help", wrong], ["-j", wrong]):
                self.assertIn(f"did you mean '{meant}'?", self.error(*args))
        for args in (["sundial"], ["x"], ["y" * 10000], [""]):
            text = self.error(*args)
            self.assertNotIn("mean", text)
            self.assertIn("paraclock --help", text)
        self.assertIn("unexpected argument", self.error("help", "read", "more"))

    def test_a_closed_stdout_is_an_error_of_every_command_that_prints(self):
        for args in (["--version"], ["status"], ["export"], ["alarm"],
                     ["read", "-b", "tsc"], ["cross", "-b", "tsc", "-j"],
                     ["watch", "-b", "tsc", "-n", "1"],
                     ["record", "-b", "tsc", "-n", "1", "-o", "-"]):
            with self.subTest(args):
                result = subprocess.run(
                    ["sh", "-c", '"$@" >&-', "-", TOOL, *args],
                    stderr=subprocess.PIPE, text=True, check=False,
                    timeout=cli.HANGS_SEC)
                self.assertIn("stdout: Bad file descriptor", result.stderr)
                self.assertEqual(result.returncode,
                                 3 if args[0] == "alarm" else 1)

    def test_no_file_takes_the_number_of_a_closed_one(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "a.csv")
            with subprocess.Popen(
                    ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "-", TOOL,
                     "record", "-b", "tsc", "-o", path]) as process:
                try:
                    cli.wait_until(lambda: path.exists() and path.read_text(),
                                   process)
                    for number in range(3):
                        self.assertEqual(
                            os.readlink(f"/proc/{process.pid}/fd/{number}"),
                            "/dev/null")
                finally:
                    process.kill()


if __name__ == "__main__":
    cli.main()
