#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock itself, where CPUID and the clocksource are another machine's.

usage: real.py --tool PARACLOCK --preload LIBRARY COMMAND
COMMAND: count          how often status runs CPUID here
         NAME.machine   CPUID and clocksource are those of the description

The page is this machine's own, if it has one.
"""
import argparse
import ctypes
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

CPUIDS = 80
SYSFS = "/sys/devices/system/clocksource/clocksource0/"
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def sites(tool):
    """The CPUIDs of the tool and of its libraries; libc runs some of its own
    before main(), which do not count."""
    for program in ("objdump", "ldd"):
        if not shutil.which(program):
            skip(program + " is not installed")
    objects = [tool] + re.findall(
        r"=> (\S*(?:paraclock|cpuid)\S*)",
        subprocess.run(["ldd", tool], capture_output=True, text=True).stdout)
    lines = []
    for path in objects:
        code = subprocess.run(["objdump", "-d", path], capture_output=True,
                              text=True)
        if code.returncode:
            skip("objdump cannot read " + path)
        found = re.findall(r"^ *([0-9a-f]+):\t0f a2 +\tcpuid", code.stdout,
                           re.M)
        if found:
            name = "main" if path == tool else os.path.basename(path)
            lines.append(" ".join([name] + found))
    if not lines:
        sys.exit("no CPUID in " + " ".join(objects))
    return "\n".join(lines)


def words(text):
    """EBX, ECX and EDX of twelve characters."""
    data = re.sub(rb"\\(0|x..)", lambda m: bytes([int(m[1][1:] or b"0", 16)]),
                  text.encode())
    return struct.unpack("<3I", data.ljust(12, b"\0"))


def describe(path):
    """Leaves and clocksources of a description."""
    leaves, files = [], {}
    with open(path) as file:
        for line in file:
            word, _, rest = line.strip().partition(" ")
            if word == "cpuid":
                leaf, eax, rest = rest.split(" ", 2)
                regs = words(rest[1:-1]) if rest[0] == '"' else [
                    int(part, 0) for part in rest.split()]
                leaves.append(" ".join(
                    f"{n:x}" for n in (int(leaf, 0), int(eax, 0), *regs)))
            elif word == "clocksource":
                files["current_clocksource"] = rest.split()[0]
            elif word == "file" and rest.startswith(SYSFS):
                name, _, text = rest[len(SYSFS):].partition(" ")
                files[name] = text
    return "\n".join(leaves), files


def bind(files, folder):
    """In the child: these files in place of the kernel's."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNS):
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS):
            os._exit(77)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"),
                           ("gid_map", f"0 {gid} 1")):
            with open("/proc/self/" + name, "w") as file:
                file.write(text)
    if libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        os._exit(77)
    for name, text in files.items():
        path = os.path.join(folder, name)
        with open(path, "w") as file:
            file.write(text + "\n")
        if libc.mount(path.encode(), (SYSFS + name).encode(), None, MS_BIND,
                      None):
            os._exit(77)


def status(args, leaves, files):
    """The object of status --json, and how many CPUIDs it ran."""
    with tempfile.TemporaryDirectory() as folder:
        count = os.path.join(folder, "count")
        env = dict(os.environ, LD_PRELOAD=args.preload,
                   OTHER_CPU_SITES=sites(args.tool), OTHER_CPU_LEAVES=leaves,
                   OTHER_CPU_COUNT=count)
        done = subprocess.run(
            [args.tool, "status", "--json"], capture_output=True, text=True,
            env=env, preexec_fn=(lambda: bind(files, folder)) if files else None)
        if done.returncode == 77:
            skip("no mount namespace of its own, or no clocksource in sysfs")
        if done.returncode not in (0, 1, 3) or not os.path.exists(count):
            sys.exit(f"exit {done.returncode}: {done.stderr}")
        with open(count) as file:
            return json.loads(done.stdout), int(file.read())


def check(args):
    bad = []
    leaves, files = "", {}
    if args.command != "count":
        leaves, files = describe(args.command)
    got, count = status(args, leaves, files)
    if not 0 < count <= CPUIDS:
        bad.append(f"{count} CPUIDs, not 1 to {CPUIDS}")
    if args.command != "count":
        with open(os.path.splitext(args.command)[0] + ".json") as file:
            want = json.load(file)
        for key in ("hypervisor", "clocksource"):
            if got[key] != want[key]:
                bad.append(f"{key}: {got[key]!r}, not {want[key]!r}")
        for text in want["evidence"]:
            if text.startswith(("cpuid", "clocksource", "available")) and \
                    text not in got["evidence"]:
                bad.append(f"evidence: not {text!r}")
        if got["counter"]["invariant"] != want["counter"]["invariant"]:
            bad.append("counter: invariant")
    print(json.dumps(got), f"{count} CPUIDs", *bad, sep="\n")
    sys.exit(bool(bad))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--preload", required=True)
    parser.add_argument("command")
    check(parser.parse_args())


main()
