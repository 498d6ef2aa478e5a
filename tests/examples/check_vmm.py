#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The VMM of examples/ on this machine's /dev/kvm: the time that its guest's
page gives, against CLOCK_REALTIME. Usage: check_vmm.py PARACLOCK EXAMPLES"""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

TOOL, EXAMPLES = sys.argv[1], pathlib.Path(sys.argv[2])
# Against hangs; nothing is judged by it.
DEADLINE_SEC = 240
# What is vouched for, and TAI - UTC.
VOUCHED_SEC, TAI_SEC = 0.01, 37
NTP = 2208988800


def leap_list():
    """One that does not expire."""
    updated, expires, entry = 1483228800 + NTP, 4102444800 + NTP, \
        1483228800 + NTP
    digest = hashlib.sha1(f"{updated}{expires}{entry}{TAI_SEC}".encode())
    words = [digest.hexdigest()[i:i + 8] for i in range(0, 40, 8)]
    return (f"#$\t{updated}\n#@\t{expires}\n{entry}\t{TAI_SEC}\n"
            f"#h\t{' '.join(words)}\n")


def read(page):
    """The page and CLOCK_REALTIME before and after: is true time inside?"""
    before = time.time_ns()
    done = subprocess.run([TOOL, "read", "-b", "vmclock", "-d", page, "--json"],
                          capture_output=True, text=True, check=False,
                          timeout=DEADLINE_SEC)
    after = time.time_ns()
    assert done.returncode == 0, done
    got = json.loads(done.stdout)
    utc = got["host_ns"] - TAI_SEC * 10**9
    print(f"{utc - before} ns after the look before, {after - utc} ns before "
          f"the one after; bound {got['clock_error_ns']} ns")
    assert got["valid"] and got["timescale"] == "tai", got
    assert got["tai_offset_sec"] == TAI_SEC, got
    assert got["clock_error_ns"] >= VOUCHED_SEC * 1e9, got
    # It is the host's clock: off by the errors of the timekeeper, not the bound.
    assert before - 1_000_000 <= utc <= after + 1_000_000, (before, utc, after)


def main():
    with tempfile.TemporaryDirectory() as folder:
        page, leaps = f"{folder}/page", f"{folder}/leaps"
        pathlib.Path(leaps).write_text(leap_list())
        command = [EXAMPLES / "vmm", str(VOUCHED_SEC), page, leaps]
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            done = subprocess.run(command, capture_output=True, text=True,
                                  timeout=DEADLINE_SEC, check=False)
            assert done.returncode == 1 and "/dev/kvm: " in done.stderr, done
            print(f"it says what is missing: {done.stderr.strip()}")
            print("skipped: no /dev/kvm that this user may use")
            return 77
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as vmm:
            signal.alarm(DEADLINE_SEC)
            try:
                for line in vmm.stdout:
                    print(line, end="")
                    if "the guest has the time" in line:
                        break
                for _ in range(10):
                    read(page)
                    time.sleep(0.5)
            finally:
                vmm.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
