#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compile, link and run the programs that man pages show.

usage: check_man_program.py CC LIBRARY PAGE...

A page's program is the block between .nf and .fi that has a main(). It ends
with 0 and a line on stdout, or with 1 and a sentence on stderr.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]


def program(page):
    for block in re.findall(r"^\.nf\n(.*?)^\.fi$", page.read_text(),
                            re.M | re.S):
        if "int main(" in block:
            return re.sub(r"\\(e|-|\(aq)", lambda m: {"e": "\\", "-": "-"}.get(
                m[1], "'"), block)
    return sys.exit(f"{page}: no block of code has a main()")


def main():
    compiler, library, *pages = sys.argv[1:]
    folder = pathlib.Path(library).resolve().parent
    with tempfile.TemporaryDirectory() as place:
        for page in map(pathlib.Path, pages):
            source = pathlib.Path(place, page.stem + ".c")
            source.write_text(program(page))
            subprocess.run(
                [compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic",
                 "-Werror", "-I", ROOT / "include", source, "-o",
                 source.with_suffix(""), library, f"-Wl,-rpath,{folder}"],
                check=True)
            done = subprocess.run([source.with_suffix("")], text=True,
                                  capture_output=True, check=False)
            print(done.stdout + done.stderr, end="")
            if done.returncode not in (0, 1) or not (
                    done.stderr if done.returncode else done.stdout):
                sys.exit(f"{page}: exit status {done.returncode}")


main()
