#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a page says that `paraclock status` prints on a described machine.

usage: pages.py [--write] PROGRAM PAGE...

A page has a line <!-- status: NAME --> before a block of code; the block is
what PROGRAM prints for NAME.machine, below the line `$ paraclock status`.
--write puts it there. Numbers that are measured are not compared.
"""
import argparse
import pathlib
import re
import subprocess
import sys

BLOCK = re.compile(r"(<!-- status: ([\w-]+) -->\n```console\n)(.*?)(```\n)",
                   re.S)
COMMAND = "$ paraclock status\n"
# A frequency that was measured, and differences and errors of clocks: the
# fake clocks advance with each instruction that reads them.
MEASURED = re.compile(r"\d+(?:\.\d+)?( MHz \(measured)|"
                      r"\d+(?:\.\d+)?( (?:ns|us|ms|s)\b)")


def comparable(text):
    """Without what is measured, and where it made a line break."""
    return " ".join(MEASURED.sub(r"N\1\2", text).split())


def status(program, machine):
    done = subprocess.run([program, machine], capture_output=True, text=True,
                          check=False)
    if done.returncode == 2 or not done.stdout:
        sys.exit(f"{machine}: {done.returncode}: {done.stderr}")
    return COMMAND + done.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("program")
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    machines = pathlib.Path(__file__).parent
    bad = blocks = 0

    for page in args.pages:
        text = page.read_text()
        # Nothing that looks like such a block escapes the comparison.
        if text.count("<!-- status:") != len(BLOCK.findall(text)):
            sys.exit(f"{page}: a line <!-- status: NAME --> without a block")

        def renew(match):
            nonlocal bad, blocks
            got = status(args.program, machines / (match[2] + ".machine"))
            blocks += 1
            if comparable(got) == comparable(match[3]):
                return match[0]
            bad += 1
            print(f"{page}: {match[2]}: not what status prints, which is",
                  got, sep="\n")
            return match[1] + got + match[4]

        new = BLOCK.sub(renew, text)
        if args.write and new != text:
            page.write_text(new)
    print(f"{blocks} blocks, {bad} differ")
    sys.exit(bool(bad and not args.write or not blocks))


main()
