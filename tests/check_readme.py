#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The programs of README.md: the C program is compiled by the README's own line
against an installed tree, and run on this machine and in a simulated VM; the
Python test runs if the binding is built.
Usage: check_readme.py BUILD_DIRECTORY"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv.pop())
HERE = pathlib.Path(__file__).parent
README = (HERE.parent / "README.md").read_text(encoding="utf-8")
WARNINGS = "-Wall -Wextra -Wpedantic -Werror"


def block(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)
    if len(found) != 1:
        raise AssertionError(f"{len(found)} blocks of {language}")
    return found[0]


class C(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for program in ("cmake", "cc", "pkg-config"):
            if not shutil.which(program):
                raise unittest.SkipTest("no " + program)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.dir = pathlib.Path(folder.name)
        prefix = cls.dir / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix],
                       check=True, stdout=subprocess.DEVNULL)
        pc = next(prefix.rglob("paraclock.pc"))
        cls.sim = bool(list(prefix.rglob("libparaclock-sim.so")))
        cls.env = dict(os.environ, PKG_CONFIG_PATH=str(pc.parent),
                       LD_LIBRARY_PATH=str(pc.parent.parent))
        # A prefix that is given at install time does not change the file.
        for path in pc.parent.glob("*.pc"):
            path.write_text(re.sub(r"^prefix=.*", f"prefix={prefix}",
                                   path.read_text(), flags=re.M))
        (cls.dir / "now.c").write_text(block("c"))
        # The README's own line.
        cls.line = re.search(r"^    (cc now\.c .*)$", README, re.M)[1]

    def compile(self, line):
        done = subprocess.run(f"{line} {WARNINGS}", shell=True, cwd=self.dir,
                              env=self.env, capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def run_it(self):
        return subprocess.run([self.dir / "a.out"], env=self.env, check=False,
                              capture_output=True, text=True)

    def test_it_compiles_and_answers(self):
        self.compile(self.line)
        done = self.run_it()
        # With a time of day here, or without one: then it says why.
        if done.returncode:
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertGreater(len(done.stderr.split()), 3)
        print(done.stdout or done.stderr)

    def test_in_a_simulated_vm_it_finds_the_offset(self):
        if not self.sim:
            self.skipTest("this build has no simulated host")
        header = (HERE / "readme.h").read_text()
        behind = int(re.search(r"BEHIND_NS (\d+)", header)[1])
        self.compile(self.line.replace(
            "cc", f"cc -include {HERE / 'readme.h'}", 1)
            .replace("libs paraclock)", "libs paraclock paraclock-sim)"))
        done = self.run_it()
        self.assertEqual(done.returncode, 0, done.stderr)
        offset, error = map(int, re.search(
            r"is (-?\d+) ns behind .* within (\d+)", done.stdout).groups())
        self.assertLessEqual(abs(offset - behind), error)
        self.assertLess(error, behind)


if __name__ == "__main__":
    unittest.main()
