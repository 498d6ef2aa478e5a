#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check the output of `paraclock status --json` on a described machine.

usage: run.py PROGRAM MACHINE.machine

The right answer is MACHINE.json beside the description. Its keys must appear
with these values and in this order; a "detail" or the "verdict" must contain
the text; a frequency or an offset may be off by the error of its measurement.
"""
import json
import os
import subprocess
import sys

# Of a counter that is measured by clocks of 1 ns.
HZ_PART = 500
# Of an offset: what reading the slowest PTP clock of these takes.
OFFSET_NS = 20000
# Limit of a whole `status`. Four more choose the instruction that reads the
# counter, which is the env's here.
CPUIDS = 80 - 4


def differences(want, got, where):
    """Yield a line for each difference."""
    if where.endswith(".hz") and want and got:
        if abs(want - got) > want // HZ_PART:
            yield f"{where}: {got}, not about {want}"
    elif where.endswith(".offset_ns") and want is not None:
        if got is None or abs(want - got) > OFFSET_NS:
            yield f"{where}: {got}, not about {want}"
    elif where.endswith((".detail", ".verdict")):
        if want not in got:
            yield f"{where}: {got!r} does not say {want!r}"
    elif isinstance(want, dict):
        keys = [key for key in got if key in want]
        if keys != list(want):
            yield f"{where}: keys {list(got)}, not {list(want)}"
        for key in keys:
            yield from differences(want[key], got[key], f"{where}.{key}")
    elif isinstance(want, list) and len(want) == len(got):
        for i, (one, other) in enumerate(zip(want, got)):
            name = one.get("name", i) if isinstance(one, dict) else i
            yield from differences(one, other, f"{where}[{name}]")
    elif want != got or type(want) is not type(got):
        yield f"{where}: {got!r}, not {want!r}"


def exit_status(want):
    if want["chosen"]:
        return 0
    return 3 if any(b["available"] for b in want["backends"]) else 1


def main():
    program, machine = sys.argv[1:]
    with open(os.path.splitext(machine)[0] + ".json") as file:
        want = json.load(file)
    done = subprocess.run([program, "--json", machine], capture_output=True,
                          text=True)
    if done.returncode == 2 or not done.stdout:
        sys.exit(f"{done.returncode}: {done.stderr}")
    bad = list(differences(want, json.loads(done.stdout), "status"))
    if done.returncode != exit_status(want):
        bad.append(f"exit {done.returncode}, not {exit_status(want)}")
    cpuids = int(done.stderr.split()[1])
    if cpuids > CPUIDS:
        bad.append(f"{cpuids} CPUIDs, more than {CPUIDS}")
    for line in bad:
        print(line)
    print(done.stdout, f"{cpuids} CPUIDs", sep="")
    sys.exit(bool(bad))


main()
