#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The meaning of pvclock, Hyper-V and vmclock pages, worked out a second time.

Python's integers have no width, so the rules stand here as the specifications
have them, not as a machine must compute them.

  pages.py [check] --tool PATH [--count N] [--seed N] [--keep DIR]
      Random pages, well-formed and malformed, through `paraclock decode`:
      exit status, host_ns, valid, reason, clock_error_ns, timescale, leap and
      tai_offset_sec must be the same. Exit 1 on any difference.
  pages.py vectors
      The vectors that tests/backends/test_pvclock.c, test_hyperv.c and
      test_vmclock.c hold.
"""

import argparse
import calendar
import concurrent.futures
import datetime
import json
import os
import random
import shlex
import struct
import subprocess
import sys
import tempfile

U64 = 2**64 - 1
S64_MAX = 2**63 - 1
S64_MIN = -(2**63)
NSEC = 10**9
HOUR_NS = 3600 * NSEC

# Believable offsets TAI - UTC; an unknown one may be any of them.
TAI_MIN, TAI_MAX = 10, 100

LEAPS = ["none", "pre-pos", "pre-neg", "pos", "post-pos", "post-neg"]


class Malformed(Exception):
    """The page contradicts its own rules; the message names the field."""


class OutOfRange(Exception):
    """The result does not fit."""


def sample(host_ns, reason, timescale, error=None, leap=None, tai=None):
    if not S64_MIN <= host_ns <= S64_MAX:
        raise OutOfRange
    valid = reason == "ok"
    return {
        "host_ns": host_ns,
        "valid": valid,
        "reason": reason,
        "clock_error_ns": error if valid else None,
        "timescale": timescale,
        "leap": leap,
        "tai_offset_sec": tai,
    }


# --- pvclock ----------------------------------------------------------------

PVCLOCK = struct.Struct("<IIQQIbB2s")


def pvclock(page, counter):
    if len(page) < PVCLOCK.size:
        raise Malformed("size")
    _, _, base, system_time, mul, shift, flags, _ = PVCLOCK.unpack(
        page[: PVCLOCK.size])
    if mul == 0:
        raise Malformed("tsc_to_system_mul")
    if abs(shift) > 63:
        raise Malformed("tsc_shift")
    stable = flags & 1
    if counter < base:
        return sample(system_time, "window" if stable else "unstable",
                      "monotonic")
    shifted = (counter - base) * 2**shift if shift >= 0 else \
        (counter - base) // 2**-shift
    if shifted > U64:
        raise OutOfRange
    ns = system_time + shifted * mul // 2**32
    return sample(ns, "ok" if stable else "unstable", "monotonic")


# --- Hyper-V ----------------------------------------------------------------

HYPERV = struct.Struct("<IIQq")


def hyperv(page, counter):
    if len(page) < HYPERV.size:
        raise Malformed("size")
    sequence, _, scale, offset = HYPERV.unpack(page[: HYPERV.size])
    if sequence in (0, 0xffffffff):
        return sample(0, "sequence", "monotonic")
    if scale == 0:
        raise Malformed("tsc_scale")
    return sample(counter * scale * 100 // 2**64 + 100 * offset, "ok",
                  "monotonic")


# --- vmclock ----------------------------------------------------------------

VMCLOCK_FIELDS = (
    ("magic", 0, "I"), ("size", 4, "I"), ("version", 8, "H"),
    ("counter_id", 10, "B"), ("time_type", 11, "B"), ("seq_count", 12, "I"),
    ("disruption_marker", 16, "Q"), ("flags", 24, "Q"), ("pad", 32, "H"),
    ("clock_status", 34, "B"), ("smearing_hint", 35, "B"),
    ("tai_offset_sec", 36, "h"), ("leap_indicator", 38, "B"),
    ("shift", 39, "B"), ("counter_value", 40, "Q"), ("period", 48, "Q"),
    ("esterror_rate", 56, "Q"), ("maxerror_rate", 64, "Q"),
    ("time_sec", 72, "Q"), ("time_frac", 80, "Q"), ("esterror", 88, "Q"),
    ("maxerror", 96, "Q"), ("generation", 104, "Q"),
)
MAGIC = 0x4b4c4356
FLAG_TAI, FLAG_RATE, FLAG_MAXERROR = 1, 1 << 4, 1 << 6
SCALES = ["utc", "tai", "monotonic"]


def vmclock_pack(field, length=112):
    page = bytearray(112)
    for name, offset, code in VMCLOCK_FIELDS:
        struct.pack_into("<" + code, page, offset, field.get(name, 0))
    return bytes(page[:length]).ljust(length, b"\xa5")


def vmclock_unpack(page):
    """The fields; those that the page's size does not cover are absent."""
    if len(page) < 32:
        raise Malformed("size")
    size = min(struct.unpack_from("<I", page, 4)[0], len(page))
    field = {}
    for name, offset, code in VMCLOCK_FIELDS:
        if offset + struct.calcsize(code) <= max(size, 32):
            field[name] = struct.unpack_from("<" + code, page, offset)[0]
    return field


def vmclock_check(field):
    if field["magic"] != MAGIC:
        raise Malformed("magic")
    if field["size"] < 32:
        raise Malformed("size")
    if field["version"] != 1:
        raise Malformed("version")
    if field["time_type"] > 2:
        raise Malformed("time_type")


def vmclock_reason(field):
    if field.get("clock_status") not in (2, 3) or "time_frac" not in field:
        return "status"
    if field["counter_id"] not in (0, 1):
        return "counter"
    if field["period"] == 0:
        raise Malformed("counter_period_frac_sec")
    if field["shift"] > 127:
        raise Malformed("counter_period_shift")
    return "ok"


def month_of(sec):
    day = datetime.date(1970, 1, 1) + datetime.timedelta(sec // 86400)
    return day.year, day.month


def month_end(sec):
    year, month = month_of(sec)
    year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return calendar.timegm((year, month, 1, 0, 0, 0))


class Leap:
    """leap_indicator and tai_offset_sec, carried on to another second."""

    def __init__(self, field):
        self.scale = SCALES[field["time_type"]]
        self.indicator = field.get("leap_indicator", 255)
        # TAI - UTC by version 1.0 of the specification, UTC - TAI by 1.1.
        tai = abs(field.get("tai_offset_sec", 0))
        known = field["flags"] & FLAG_TAI and TAI_MIN <= tai <= TAI_MAX
        self.tai = tai if known else None

    def name(self):
        if self.scale == "monotonic" or self.indicator >= len(LEAPS):
            return None
        return LEAPS[self.indicator]

    def first_renumbered(self, ref):
        """Second of the page's scale from which on the leap has happened."""
        if self.scale == "utc":
            end = month_end(ref)
        elif self.tai is not None:
            end = month_end(ref - self.tai) + self.tai
        else:
            end = month_end(ref - TAI_MAX)
        return end - (LEAPS[self.indicator] == "pre-neg")

    def offsets(self):
        """The least and the most that the page's scale is ahead of UTC."""
        if self.scale == "utc":
            return 0, 0
        return (TAI_MIN, TAI_MAX) if self.tai is None else (self.tai, self.tai)

    def forget(self, since, sec):
        """A leap second is reported in the month that begins with it, which
        second since is in; where the offset decides, it is not reported."""
        least, most = self.offsets()
        if month_of(sec - most) > month_of(since - least):
            self.indicator = LEAPS.index("none")
        elif month_of(sec - least) > month_of(since - most):
            self.indicator = 255

    def leave_inserted(self, ref, sec):
        """From a page that was written in the inserted second itself."""
        utc = ref - self.offsets()[0]
        first = month_end(utc - 1) == utc
        if self.scale == "utc" and first:
            return None
        # An offset by which TAI has begun the month is the one from before.
        if self.scale == "utc" or first:
            self.tai = None
        self.indicator = LEAPS.index("post-pos")
        self.forget(ref + TAI_MAX, sec)
        return sec

    def move(self, ref, sec):
        """From second ref to sec, counted without leaps: the real second, or
        None where it cannot be known."""
        name = self.name()
        if name == "pos" and sec != ref:
            return self.leave_inserted(ref, sec)
        if name in ("post-pos", "post-neg") and sec != ref:
            self.forget(ref, sec)
        if name not in ("pre-pos", "pre-neg"):
            return sec
        at = self.first_renumbered(ref)
        if sec < at:
            return sec
        if self.scale == "tai" and self.tai is None:
            return None
        step = 1 if name == "pre-pos" else -1
        after = "post-neg" if step < 0 else "pos" if sec == at else "post-pos"
        self.indicator = LEAPS.index(after)
        if self.tai is not None:
            self.tai += step
        moved = sec - step if self.scale == "utc" else sec
        if after != "pos":
            self.forget(at + 1, moved)
        return moved


def vmclock_error(field, ticks):
    both = FLAG_RATE | FLAG_MAXERROR
    if field["flags"] & both != both or "maxerror" not in field:
        return None
    grown = -(-ticks * field["maxerror_rate"] * NSEC
              // 2**(64 + field["shift"]))
    return field["maxerror"] + grown


def too_old(field, error, age_ns):
    """A bound that does not grow says nothing about a publisher's death."""
    if error is not None and error > NSEC:
        return True
    return age_ns > HOUR_NS and not (error is not None and
                                     field["maxerror_rate"])


def vmclock(page, counter):
    field = vmclock_unpack(page)
    vmclock_check(field)
    reason = vmclock_reason(field)
    leap = Leap(field)
    # 2^-64 s
    ref = field.get("time_sec", 0) * 2**64 + field.get("time_frac", 0)

    def answer(time, reason, leap, error=None):
        return sample(time * NSEC // 2**64, reason, leap.scale, error,
                      leap.name(), leap.tai)

    if reason != "ok":
        return answer(ref, reason, leap)
    answer(ref, reason, leap)  # the reference time itself must fit
    ticks = counter - field["counter_value"]
    if ticks < 0:
        return answer(ref, "window", leap)
    took = ticks * field["period"] // 2**field["shift"]
    error = vmclock_error(field, ticks)
    if too_old(field, error, took * NSEC // 2**64):
        return answer(ref, "window", leap)
    linear = ref + took
    moved = leap.move(ref >> 64, linear >> 64)
    if moved is None:
        return answer(ref, "window", Leap(field))
    if error is not None and error >= U64:
        error = None
    return answer((moved << 64) + linear % 2**64, "ok", leap, error)


# --- random pages -----------------------------------------------------------


def any_u64(rnd):
    """Small, large, and at the edges of every width."""
    how = rnd.randrange(6)
    if how == 0:
        return rnd.randrange(1000)
    if how == 1:
        return rnd.getrandbits(64)
    if how == 2:
        return max(0, min(U64, 2**rnd.randrange(65) + rnd.randint(-2, 2)))
    return rnd.getrandbits(rnd.randint(1, 63))


def some_counter(rnd, base):
    """Around a base: at it, after it by any power of two, before it."""
    how = rnd.randrange(10)
    if how == 0:
        return base
    if how == 1:
        return max(0, base - rnd.getrandbits(rnd.randint(1, 40)) - 1)
    if how == 2:
        return any_u64(rnd)
    return min(U64, base + rnd.getrandbits(rnd.randint(1, 64)))


def random_pvclock(rnd):
    base = rnd.choice([0, rnd.getrandbits(44), any_u64(rnd)])
    system_time = rnd.choice([rnd.getrandbits(50), any_u64(rnd),
                              S64_MAX - rnd.getrandbits(20)])
    shift = rnd.choice([-1, -2, 0, 1, rnd.randint(-63, 63),
                        rnd.choice([-63, -33, -32, -31, 31, 32, 33, 63])])
    mul = rnd.choice([1, 2**32 - 1, rnd.getrandbits(32) or 1,
                      2**31 + rnd.getrandbits(31)])
    flags = rnd.choice([1, 1, 1, 1, 3, 5, 0xff, 0, 2, 0xfe])
    page = PVCLOCK.pack(2 * rnd.getrandbits(31), 0, base, system_time, mul,
                        shift, flags, b"\0\0")
    return page.ljust(rnd.choice([32, 64, 4096]), b"\0"), \
        some_counter(rnd, base)


def random_hyperv(rnd):
    sequence = rnd.choice([1, 2, 3, rnd.getrandbits(32), 0xfffffffe, 0,
                           0xffffffff, 1, 5, 7, 11])
    hz = rnd.choice([10**9, 2596123000, rnd.randint(10**8, 5 * 10**9)])
    scale = rnd.choice([10**7 * 2**64 // hz, 10**7 * 2**64 // hz,
                        any_u64(rnd) or 1, 1, U64])
    offset = rnd.choice([0, -rnd.getrandbits(40), rnd.getrandbits(50),
                         rnd.randint(-2**63, 2**63 - 1),
                         S64_MAX // 100 - rnd.getrandbits(10),
                         S64_MIN // 100 + rnd.getrandbits(10)])
    page = HYPERV.pack(sequence, rnd.getrandbits(32), scale, offset)
    return page.ljust(rnd.choice([24, 32, 4096]), b"\x5a"), any_u64(rnd)


def random_rate(rnd, field):
    """A period and its shift, as hosts have them or at the edges."""
    hz = rnd.choice([10**9, 24000000, 2596123000,
                     rnd.randint(10**6, 5 * 10**9)])
    field["shift"] = rnd.choice([hz.bit_length() - 1, 0, 10, 20])
    field["period"] = min(U64, 2**(64 + field["shift"]) // hz) or 1
    if rnd.random() < 0.15:
        field["shift"] = rnd.choice([0, 1, 63, 64, 65, 126, 127,
                                     rnd.randrange(128)])
        field["period"] = any_u64(rnd) or 1
    # Of 1 ppb to 1000 ppm of the period, none, or anything.
    field["maxerror_rate"] = rnd.choice([
        0, field["period"] // 10**rnd.randint(3, 6),
        field["period"] // 10**rnd.randint(3, 9), any_u64(rnd)])
    field["maxerror"] = rnd.choice([0, rnd.getrandbits(20), rnd.getrandbits(29),
                                    NSEC - 1, NSEC, NSEC + 1, any_u64(rnd)])


def random_time(rnd, field):
    """Often close to a month's end, sometimes at the end of what fits."""
    year, month = rnd.randint(1970, 2250), rnd.randint(1, 12)
    end = calendar.timegm((year, month, 1, 0, 0, 0))
    field["time_sec"] = max(0, rnd.choice([
        end - rnd.randint(1, 100), end, end + rnd.randint(-3, 40),
        end + rnd.randrange(86400 * 28), 1700000000, rnd.getrandbits(33)]))
    if rnd.random() < 0.04:
        field["time_sec"] = rnd.choice([
            any_u64(rnd), S64_MAX // NSEC - rnd.randint(0, 5000),
            S64_MAX // NSEC - rnd.randint(-1, 2)])
    field["time_frac"] = rnd.choice([0, U64, 2**63, rnd.getrandbits(64),
                                     rnd.getrandbits(64)])


def vmclock_counter(rnd, field):
    """Often some seconds after the reference, by whole and broken ones."""
    base = field["counter_value"]
    how = rnd.randrange(10)
    if how == 0:
        return some_counter(rnd, base)
    if how == 1:
        return base - rnd.randint(1, base) if base else 0
    ns = rnd.choice([0, rnd.getrandbits(30), rnd.randint(0, 130 * NSEC),
                     rnd.randint(0, 130) * NSEC, HOUR_NS - rnd.getrandbits(34),
                     HOUR_NS + rnd.getrandbits(34), rnd.getrandbits(50),
                     rnd.randrange(75 * 86400) * NSEC])
    period = max(field["period"], 1)
    ticks = ns * 2**(64 + field["shift"]) // (period * NSEC)
    return min(U64, base + ticks + rnd.randint(0, 3))


def random_vmclock_fields(rnd):
    field = {
        "magic": MAGIC, "version": 1, "seq_count": 2 * rnd.getrandbits(31),
        "size": rnd.choice([112, 4096, 4096, 104, 112, 0xffffffff]),
        "counter_id": rnd.choice([0, 1, 1, 1]),
        "time_type": rnd.choice([0, 0, 1, 1, 2]),
        "disruption_marker": rnd.getrandbits(64),
        "flags": rnd.choice([0, FLAG_TAI, 0x51, 0x51, rnd.getrandbits(10),
                             rnd.getrandbits(64)]),
        "pad": rnd.getrandbits(16), "smearing_hint": rnd.getrandbits(8),
        "clock_status": rnd.choice([2, 2, 2, 3, 3]),
        "tai_offset_sec": rnd.choice([
            rnd.choice([1, -1]) * rnd.choice([37, 37, 37, 38, 10, 100, 9, 101]),
            rnd.randint(-2**15, 2**15 - 1)]) if rnd.random() < 0.2 else
        rnd.choice([37, -37]),
        "leap_indicator": rnd.choice([0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 255]),
        "counter_value": rnd.choice([0, rnd.getrandbits(44), any_u64(rnd)]),
        "esterror_rate": any_u64(rnd), "esterror": any_u64(rnd),
        "generation": any_u64(rnd),
    }
    random_rate(rnd, field)
    random_time(rnd, field)
    if rnd.random() < 0.15:
        field["size"] = rnd.choice([32, 34, 35, 38, 39, 40, 87, 88, 95, 96,
                                    103, 111])
    if rnd.random() < 0.1:
        field["clock_status"] = rnd.choice([0, 1, 4, 5, 255])
    if rnd.random() < 0.07:
        field["counter_id"] = rnd.choice([2, 254, 255])
    return field


def is_specified(field, counter):
    """An announced leap on TAI without the offset happens some time in these
    seconds; how much of that is WINDOW is not specified."""
    if field["time_type"] != 1 or field["leap_indicator"] not in (1, 2):
        return True
    if Leap(field).tai is not None:
        return True
    ref = field["time_sec"]
    sec = ref + (max(0, counter - field["counter_value"]) * field["period"]
                 >> (64 + field["shift"]))
    if sec > S64_MAX // NSEC:
        return False
    end = month_end(ref - TAI_MAX)
    return end == month_end(ref) and not end - 1 <= sec <= end + TAI_MAX


def random_vmclock(rnd):
    while True:
        field = random_vmclock_fields(rnd)
        counter = vmclock_counter(rnd, field)
        length = rnd.choice([112, 112, 4096, rnd.choice([88, 96, 100, 104])])
        if is_specified(field, counter):
            return vmclock_pack(field, length), counter


# --- malformed pages --------------------------------------------------------


def bad_pvclock(rnd):
    page, counter = random_pvclock(rnd)
    page = bytearray(page)
    how = rnd.randrange(3)
    if how == 0:
        page[24:28] = bytes(4)
    elif how == 1:
        shift = rnd.choice([64, -64, 127, -128, rnd.randint(64, 127)])
        page[24:29] = struct.pack("<Ib", 1, shift)
    else:
        page = page[: rnd.randrange(4, 32)]
    return bytes(page), counter


def bad_hyperv(rnd):
    page, counter = random_hyperv(rnd)
    page = bytearray(page)
    page[0:4] = struct.pack("<I", rnd.randint(1, 2**32 - 2))
    if rnd.randrange(2):
        page[8:16] = bytes(8)
    else:
        page = page[: rnd.randrange(4, 24)]
    return bytes(page), counter


def bad_vmclock(rnd):
    field = random_vmclock_fields(rnd)
    length = 112
    how = rnd.randrange(7)
    if how == 0:
        field["magic"] ^= 1 << rnd.randrange(32)
    elif how == 1:
        field["version"] = rnd.choice([0, 2, 256, 0xffff])
    elif how == 2:
        field["size"] = rnd.choice([0, 1, 31, rnd.randrange(32)])
    elif how == 3:
        field["time_type"] = rnd.choice([3, 4, 255])
    elif how == 4:
        length = rnd.randrange(16, 32)
    else:
        field.update(size=112, clock_status=2, counter_id=rnd.randrange(2))
        if how == 5:
            field["period"] = 0
        else:
            field["shift"] = rnd.choice([128, 255, rnd.randint(128, 255)])
            field["period"] = field["period"] or 1
    return vmclock_pack(field, length), some_counter(rnd,
                                                     field["counter_value"])


# --- comparing with the tool ------------------------------------------------

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
