#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""jq keeps every digit of a time of day and of a marker, and loses digits of
the integers beside them: that is why the strings are there.
Usage: check_cli_jq.py PARACLOCK"""
import json
import shutil
import subprocess
import sys

import cli
from commands import BOUND, SEC, TAI, Page, run, vmclock

JQ = shutil.which("jq")
# The last digits of these are lost as numbers of 53 bits.
NS = 1795924260123456789
MARKER = 0xfedcba9876543211


class Jq(cli.Service):
    def ask(self, line, what):
        return subprocess.run([JQ, "-c", what], input=line, check=True,
                              capture_output=True, text=True,
                              timeout=cli.HANGS_SEC).stdout.strip()

    def test_every_digit(self):
        page = Page(vmclock(flags=BOUND, time_type=TAI, marker=MARKER,
                            error_ns=250, at=(1000, NS + 37 * SEC)))
        line = run("decode", "vmclock", "--page", page.path, "--counter",
                   "1000", "--json").stdout
        said = json.loads(line)
        # The page's fraction of a second is rounded.
        self.assertLessEqual(abs(said["host_ns"] - 37 * SEC - NS), 1)
        digits = f"{(said['host_ns'] - 37 * SEC) % SEC:09}"
        for key in ("time", "earliest", "latest", "marker"):
            self.assertEqual(self.ask(line, f".{key}"), f'"{said[key]}"')
        self.assertEqual(said["time"], f"2026-11-29T03:51:00.{digits}Z")
        self.assertEqual(said["marker"], f"0x{MARKER:016x}")
        # All of the line, through jq and back.
        again = json.loads(self.ask(line, "."))
        for key, value in said.items():
            if not isinstance(value, int) or abs(value) < 2**53:
                self.assertEqual(again[key], value, key)
        print(f"jq: host_ns {said['host_ns']} is {again['host_ns']}")


if __name__ == "__main__":
    if not JQ:
        print("jq is not installed")
        sys.exit(77)
    cli.main()
