#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The programs of README.md: the C program is compiled by the README's own line
against an installed tree, and run on this machine and in a simulated VM; the
Python test runs if the binding can be built.
Usage: check_readme.py BUILD_DIRECTORY"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "tools"))
import cli

BUILD = pathlib.Path(sys.argv.pop())
HERE = pathlib.Path(__file__).parent
README = (HERE.parent / "README.md").read_text(encoding="utf-8")
WARNINGS = "-Wall -Wextra -Wpedantic -Werror"
# What the Python binding is built and tested with.
MODULES = ("cffi", "setuptools", "wheel", "pytest", "venv")


def block(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)
    if len(found) != 1:
        raise AssertionError(f"{len(found)} blocks of {language}")
    return found[0]


def python_that_builds():
    """Debian's modules are those of Debian's Python."""
    wants = ("import os, sys, sysconfig, " + ", ".join(MODULES) + "\n"
             "sys.exit(sys.version_info < (3, 11) or not os.path.exists("
             "sysconfig.get_path('include') + '/Python.h'))")
    for python in (sys.executable, "/usr/bin/python3"):
        if os.access(python, os.X_OK) and not subprocess.run(
                [python, "-c", wants], stderr=subprocess.DEVNULL,
                check=False).returncode:
            return python
    return None


class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
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
        (cls.dir / "now.c").write_text(block("c"))
        # The README's own line.
        cls.line = re.search(r"^    (cc now\.c .*)$", README, re.M)[1]

    # --- Python ---------------------------------------------------------------

    def test_the_python_test_passes(self):
        python = python_that_builds()
        if not python:
            self.skipTest("no Python 3.11 with Python.h and " +
                          ", ".join(MODULES))
        if not self.sim:
            self.skipTest("this build has no simulated host")
        venv = self.dir / "venv"
        self.must_run(python, "-m", "venv", "--system-site-packages",
                      venv)
        # pip builds where the sources are.
        shutil.copytree(HERE.parent / "bindings" / "python",
                        self.dir / "python")
        self.must_run(venv / "bin" / "python", "-m", "pip", "install",
                      "--no-build-isolation", "--no-deps", "--no-index",
                      self.dir / "python")
        (self.dir / "test_readme.py").write_text(block("python"))
        said = self.must_run(venv / "bin" / "python", "-m", "pytest", "-q",
                             "test_readme.py")
        self.assertIn("1 passed", said)

    def must_run(self, *command):
        done = subprocess.run(list(map(str, command)), cwd=self.dir,
                              env=self.env, capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    # --- C --------------------------------------------------------------------

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

    def test_the_unit_test_passes(self):
        if not self.sim:
            self.skipTest("this build has no simulated host")
        line = re.search(r"^    cc (examples/\S+) (.*) && \./a\.out$", README,
                         re.M)
        self.compile(f"cc {HERE.parent / line[1]} {line[2]}")
        done = self.run_it()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("ok ", done.stdout)

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
    for program in ("cmake", "cc", "pkg-config"):
        if not shutil.which(program):
            print(f"skipped: no {program}")
            sys.exit(77)
    cli.main()
