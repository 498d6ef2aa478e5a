#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What pages mean, by meaning.py, against what paraclock(1) says.

  pages.py [check] --tool PATH [--count N] [--seed N] [--keep DIR]
      Random pages, well-formed and malformed, through `paraclock decode`:
      exit status, host_ns, valid, reason, clock_error_ns, timescale, leap and
      tai_offset_sec must be the same. Exit 1 on any difference.
  pages.py vectors
      The vectors that tests/backends/test_pvclock.c, test_hyperv.c and
      test_vmclock.c hold.
"""

import argparse
import concurrent.futures
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile

from meaning import (HYPERV, MAGIC, Malformed, NSEC, OutOfRange, PVCLOCK,
                     S64_MAX, U64, hyperv, pvclock, vmclock, vmclock_pack)
from random_pages import (bad_hyperv, bad_pvclock, bad_vmclock, random_hyperv,
                          random_pvclock, random_vmclock)

KINDS = {
    "pvclock": (pvclock, random_pvclock, bad_pvclock),
    "hyperv": (hyperv, random_hyperv, bad_hyperv),
    "vmclock": (vmclock, random_vmclock, bad_vmclock),
}
BACKENDS = {"pvclock": "kvmclock", "hyperv": "hyperv", "vmclock": "vmclock"}


def expect(kind, page, counter):
    """(exit status, the JSON's part, what stderr must contain)"""
    try:
        want = KINDS[kind][0](page, counter)
    except Malformed as bad:
        return 1, None, str(bad)
    except OutOfRange:
        return 1, None, ""
    want["host_tsc"] = counter
    want["backend"] = BACKENDS[kind]
    return 0 if want["valid"] else 3, want, ""


def judge(run, status, want, needle):
    """None, or the fault of a run of the tool."""
    if run.returncode != status:
        return f"exit {run.returncode}, want {status}: {run.stderr.strip()}"
    if want is None:
        if run.stdout or len(run.stderr.splitlines()) != 1:
            return f"not one line on stderr alone: {run.stdout}{run.stderr}"
        if needle not in run.stderr:
            return f"stderr does not name {needle}: {run.stderr.strip()}"
        return None
    try:
        got = json.loads(run.stdout)
    except ValueError:
        return f"no JSON: {run.stdout!r}"
    wrong = [f"{key} {got.get(key, 'absent')}, want {value}"
             for key, value in want.items()
             if key not in got or got[key] != value
             or type(got[key]) is not type(value)]
    return "; ".join(wrong) or None


def check_one(tool, directory, kind, number, page, counter):
    path = os.path.join(directory, f"{kind}-{number}")
    with open(path, "wb") as file:
        file.write(page)
    spelled = hex(counter) if number % 2 else str(counter)
    command = tool + ["decode", kind, "--page", path, "--counter", spelled,
                      "--json"]
    try:
        run = subprocess.run(command, capture_output=True, text=True,
                             timeout=1200, check=False)
    except subprocess.TimeoutExpired:
        return f"{kind} {number}: no end: {shlex.join(command)}"
    wrong = judge(run, *expect(kind, page, counter))
    if wrong is None:
        os.unlink(path)
        return None
    return f"{kind} {number}: {wrong}\n  {page[:112].hex()} @ {counter:#x}"


def cases_of(kind, options):
    _, good, bad = KINDS[kind]
    rnd = random.Random(f"{options.seed} {kind}")
    cases = [good(rnd) for _ in range(options.count)]
    for _ in range(options.count):
        page, counter = bad(rnd)
        while not expect(kind, page, counter)[2]:
            page, counter = bad(rnd)
        cases.append((page, counter))
    return cases


def tally(kind, cases):
    """How many cases of each sort, to show that they are many."""
    sorts = {}
    for page, counter in cases:
        _, want, needle = expect(kind, page, counter)
        sort = want["reason"] if want else needle or "out of range"
        sorts[sort] = sorts.get(sort, 0) + 1
    return ", ".join(f"{sorts[key]} {key}" for key in sorted(sorts))


def check_kind(kind, options, directory):
    cases = cases_of(kind, options)
    tool = shlex.split(options.tool)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        wrong = list(filter(None, pool.map(
            lambda case: check_one(tool, directory, kind, case[0], *case[1]),
            enumerate(cases))))
    for line in wrong[:20]:
        print(line)
    print(f"{kind}: {len(cases) - len(wrong)} passed, {len(wrong)} failed"
          f" ({tally(kind, cases)})", flush=True)
    return len(wrong)


def check(options):
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)
        return sum(check_kind(kind, options, options.keep) for kind in KINDS)
    with tempfile.TemporaryDirectory() as directory:
        return sum(check_kind(kind, options, directory) for kind in KINDS)


# --- vectors ----------------------------------------------------------------

# base, system_time, mul, shift, counter
PVCLOCK_VECTORS = (
    (1000, 5000, 0x80000000, 1, 1000),
    (1000, 5000, 0x80000000, 1, 1001),
    (0x2d1f3a5c7, 123456789, 3308700741, -1, 0x2d1f3a5c7 + 2596123000),
    (0x2d1f3a5c7, 123456789, 3308700741, -1, 0xffffffffffff),
    (0, 0, 0xffffffff, 0, 0xffffffff),
    (0, 0, 0xffffffff, 0, 2**63),
    (7, 1, 1, 0, 7 + 2**32 - 1),
    (7, 1, 1, 0, 7 + 2**32),
    (0, 0, 0xffffffff, -63, U64),
    (0, 0, 0xffffffff, -32, U64),
    (0, 0, 1, 63, 1),
    (0, 0, 0x80000000, 33, 2**31 - 1),
    (2**63, 10**18, 0xdeadbeef, -7, 2**63 + 0x123456789abcdef),
)

# scale, offset, counter
HYPERV_VECTORS = (
    (184467440737095516, 0, 10**9),
    (184467440737095516, -5, 10**9),
    (71055155532462, 123456789, 0x123456789abcdef),
    (10**7 * 2**64 // 2596123000, -98765432101, 0xffffffffffff),
    (10**7 * 2**64 // 2596123000, 0, 1),
    (10**7 * 2**64 // 2596123000, 0, 26),
    (1, 0, U64),
    (U64, 0, 92233720368547758),
    (2**63, 0, 2**57),
    (U64, -(2**63 // 100), 2**57),
)

# counter_value, period, shift, time_sec, time_frac, maxerror, rate, counter
VMCLOCK_VECTORS = (
    (1000, 0x89705f4136b4a597, 29, 1700000000, U64, 0, 0, 1000 + 123456789),
    (1000, 0xd3c2a3bdf68822e6, 31, 1700000000, 0, 0, 0x2b5e56c8496d6,
     1000 + 60 * 2596123000),
    (1000, 0xb2f4fc0794, 0, 1700000000, 2**63, 0, 0, 1000 + 24000000),
    (1000, U64, 127, 1700000000, 0, 0, 0, U64),
    (1000, 2**63, 0, 1700000000, 0, 100, 2**44, 1001),
    (1000, 2**63, 0, 1700000000, 0, 100, 2**44, 1002),
    (1000, 2**63, 10, 1700000000, 0, 0, 2**44, 1000 + 2**10),
    (1000, 2**63, 0, S64_MAX // NSEC, 0xdad296587a1d301b, 0, 0, 1000),
)


def vectors():
    print("pvclock: base system_time mul shift counter -> host_ns")
    for base, time, mul, shift, counter in PVCLOCK_VECTORS:
        page = PVCLOCK.pack(2, 0, base, time, mul, shift, 1, b"\0\0")
        print(f"  {base:#x} {time} {mul:#x} {shift} {counter:#x} -> "
              f"{pvclock(page, counter)['host_ns']}")
    print("hyperv: scale offset counter -> host_ns")
    for scale, offset, counter in HYPERV_VECTORS:
        page = HYPERV.pack(1, 0, scale, offset)
        print(f"  {scale} {offset} {counter:#x} -> "
              f"{hyperv(page, counter)['host_ns']}")
    print("vmclock: counter_value period shift time_sec time_frac maxerror "
          "rate counter -> host_ns clock_error_ns")
    for row in VMCLOCK_VECTORS:
        page = vmclock_pack(dict(zip(
            ("counter_value", "period", "shift", "time_sec", "time_frac",
             "maxerror", "maxerror_rate"), row), magic=MAGIC, size=112,
            version=1, counter_id=1, time_type=1, clock_status=2, flags=0x50))
        got = vmclock(page, row[-1])
        print(" ", *(f"{value:#x}" for value in row), "->", got["host_ns"],
              got["clock_error_ns"], got["reason"])


def main():
    parser = argparse.ArgumentParser(
        description="paraclock decode against an independent reading")
    parser.add_argument("command", nargs="?", default="check",
                        choices=["check", "vectors"])
    parser.add_argument("--tool", help="paraclock(1), and words before "
                        "`decode`")
    parser.add_argument("--count", type=int, default=300,
                        help="pages of each kind, well-formed and malformed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", help="leave pages that failed here")
    options = parser.parse_args()
    if options.command == "vectors":
        vectors()
        return 0
    if not options.tool:
        parser.error("check needs --tool")
    return 1 if check(options) else 0


if __name__ == "__main__":
    sys.exit(main())
