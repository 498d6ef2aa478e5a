# SPDX-License-Identifier: MIT
"""Seeds for the host's side, the input of fuzz_host.c: a world, then acts, each
with its operands."""
import struct


def world(step=5, counter=0):
    return struct.pack("<IBB", counter, step, 0)


def young_world(step, counter):
    """Its counter has run for less than the other's 2^40 ticks."""
    return struct.pack("<IBBQ", 0, step, 0xff, counter)


def timeline(kind=2, base=60000, sec=32768, flags=0x1e, t_end=10**9,
             error=100, hz=10**9, spoil=b""):
    """kind: 0 MONOTONIC, 1 UTC, 2 TAI; 4 free running; leap << 3.

    spoil: which member gets a value of its own, and that.
    """
    return struct.pack("<BHHHHBBHI", kind | (0x40 if spoil else 0), base, sec,
                       0, error, 1, 1, flags, hz - 5 * 10**8) + \
        t_end.to_bytes(5, "little") + spoil


def timekeeper_seeds():
    def put(*args, ahead=0, **words):
        return b"\0" + timeline(*args, **words) + struct.pack("<H", ahead)

    def scribble(word, value, mask=0x80):
        return b"\7" + struct.pack("<HBQ", word, mask, value)

    freeze, unfreeze, again = b"\2", b"\4", b"\3" + timeline()
    describe, handle, read = b"\x09", b"\x0a\x10\x00", b"\x0d"
    later = b"\x0b" + struct.pack("<I", 10**6)
    back = b"\x0c\x00\x00\x08"
    both = range(8, 8 + 2 * 62, 62)
    return {
        "read": world() + put() + read * 3 + describe,
        "empty": world() + read + describe + handle,
        "change": world() + put() + put(ahead=9000) + read + later + read,
        "replace": world() + put() + put(ahead=60000) + put() + read * 4,
        "monotonic": world() + put(flags=0x1f) + (later + put(
            flags=0x1f) + read) * 4,
        "behind": world() + put(flags=0x1f) + later + read + put(
            flags=0x1f, sec=100) + read,
        "lease": world() + put(t_end=10**5) + later + read + describe,
        "move": world() + put() + freeze + read + again + unfreeze + read,
        "as-it-was": world() + put() + freeze + later + unfreeze + read,
        "turned-back": world() + put() + later + read + back + read + put(),
        "orphan": world() + put() + b"\5\0\1" + read + again + unfreeze + read,
        "given": world() + put() + b"\6" + put() + b"\5\0\0" + put() + read,
        "handle": world() + put() + handle + later + handle + freeze + handle,
        "stands-still": world(0x80) + put() + read + put(ahead=9) + read,
        "leap": world() + put(2 | 1 << 3, sec=65000) + later + read * 2,
        "utc": world() + put(1 | 1 << 3, sec=32767) + read * 2,
        **{f"word-{w}": world() + put() + scribble(w, 2**64 - 1) + read +
           handle + describe + put() + read for w in (0, 1, 2, *both)},
        **{f"line-{w}": world() + put() + scribble(70 + w, 0) + read + handle +
           freeze + again + unfreeze + read for w in range(5, 14)},
    }


def writer_seeds():
    def put(*args, busy=0, **words):
        return b"\5" + timeline(*args, **words) + bytes((busy,))

    def scribble(word, value):
        return struct.pack("<BBBQ", 0, word, 0x80, value)

    freeze, later = b"\2", b"\4" + struct.pack("<I", 10**6)
    seeds = {}
    for kind, name in enumerate(("pvclock", "hyperv", "vmclock")):
        head = world() + bytes((kind,))
        mono = 2 if kind == 2 else 0
        seeds.update({
            name: head + put(mono) + later + put(mono),
            name + "-monotonic": head + (put(mono, flags=0x1f) + later) * 4,
            name + "-behind": head + put(mono, flags=0x1f) + put(
                mono, flags=0x1f, sec=9),
            name + "-frozen": head + put(mono) + freeze + put(mono),
            name + "-handed": head + put(mono) + b"\3\0" + put(mono) +
            b"\3\1" + put(mono, flags=0x1f),
            name + "-busy": head + put(mono) + put(
                mono, busy=1, flags=0x1f) + scribble(1, 2**64 - 1) * 9,
            name + "-odd": head + put(mono) + scribble(
                1 if kind == 2 else 0, 2**64 - 1) + put(mono) + freeze,
            name + "-none": head + scribble(0, 1) + put(mono) + freeze,
        })
    # A tick of 0.54 s: the time in which the rate's error adds up.
    seeds["pvclock-slow"] = world(127) + b"\0" + put(
        0, spoil=b"\3\0", flags=0x1f)
    # The base is 2^64 - 744 ticks ahead.
    seeds["hyperv-far"] = young_world(0, 20) + b"\1" + put(
        0, base=60000 - 744, spoil=struct.pack("<BQ", 2, 0x14467381d7dbef8))
    # 0.25 ns behind at this counter, by a timeline that is 20 s old.
    seeds["vmclock-old"] = world(0x80) + b"\2" + put(2, flags=0x1f) + put(
        2, flags=0x1f, sec=32768 - 20, hz=4 * 10**9,
        spoil=struct.pack("<BQ", 0, 2**40 - 20 * 4 * 10**9 + 1))
    seeds["vmclock-error"] = world() + b"\2" + put(2, error=1) + put(
        2, error=1, sec=32800)
    return seeds


def relay_seeds():
    def head(timekeeper, *args, **words):
        return world() + bytes((timekeeper,)) + timeline(*args, **words) + \
            bytes(4)

    def targets(kind=1, flags=0, rest=b""):
        return (bytes((kind,)) + rest + bytes((flags, 0))) * 3

    update, freeze, resume = b"\x7e", b"\x80", b"\x81"
    put = b"\0" + timeline()
    later = b"\x64" + struct.pack("<I", 10**6)
    scribble = b"\x40" + struct.pack("<BBQ", 5, 0x80, 0)
    ratio = (1 << 45).to_bytes(6, "little")
    start = head(0, 0) + targets() + update
    seeds = {}
    for tk, name in enumerate(("page", "timekeeper")):
        start = head(tk, 0) + targets() + update
        tai = head(tk) + targets() + update
        seeds.update({
            name: start + later + update + put + update,
            name + "-tai": tai + later + put + later + update * 2,
            name + "-move": start + freeze + update + put + resume + update,
            name + "-held": start + b"\x50" + targets(1, 4) + update +
            b"\x50" + targets() + update,
            name + "-monotonic": head(tk, 0) + targets(1, 1) + (
                update + later + put) * 3 + update,
            name + "-scaled": head(tk, 0) + targets(4, 0, ratio) + update +
            later + update,
            name + "-offset": head(tk, 0) + targets(2, 0, bytes(7) + b"\1") +
            update * 2,
            name + "-align": head(tk, 0) + targets() + b"\x5c\0\7\0\0" +
            update,
            name + "-scribbled": start + scribble + update + put + update,
        })
    for word in range(8, 30):
        seeds[f"timekeeper-{word}"] = head(1, 0) + targets() + update + \
            b"\x40" + struct.pack("<BBQ", word, 0x80, 0) + update * 2
    return seeds


def follow_seeds():
    def head(kind=0, slew=0, drift=0):
        start = world() + (1 << 37).to_bytes(5, "little") + \
            bytes((kind,)) + slew.to_bytes(3, "little")
        return start + (drift.to_bytes(3, "little") if kind & 64 else b"")

    calm = b"\xff\xff"
    follow = b"\0" + calm
    step = b"\0\xff\x08" + (5000000).to_bytes(3, "little")
    worse = b"\0\xff\x28" + (900000).to_bytes(3, "little")
    marker, leap, off = b"\0\xff\x54", b"\0\xff\x50\3", b"\0\x04\xff"
    later, read = b"\xa0" + struct.pack("<I", 10**9), b"\xf0"
    start = head() + calm
    return {
        "follow": start + follow * 6 + read,
        "steps": start + follow * 3 + step + follow * 2 + step + follow,
        "stepped": head(8) + bytes(4) + calm + follow * 3 + step + follow,
        "monotonic": head(2) + calm + follow * 3 + step + follow * 2 + read,
        "worse": start + follow * 3 + worse + follow + read,
        "drift": head(64, 0, 10**6) + calm + follow * 5,
        "no-drift": head(64) + calm + follow * 5 + read,
        "disrupted": start + follow * 3 + marker + follow * 3,
        "restarts": head(4) + calm + follow * 3 + marker + follow * 5 + read,
        "leap": start + follow * 3 + leap + follow,
        "off": start + follow * 3 + off * 3 + later * 3 + read + follow,
        "frozen": start + follow * 3 + b"\xc8" + follow + b"\xd2" + follow,
    }


def stat_seeds():
    two, three, give = b"\2", b"\3", b"\x80"

    def change(pid, act, *rest):
        # 160 is 1 modulo 3.
        return bytes(({1: 162, 2: 160, 3: 161}[pid], act, *rest))

    text = b"2 (a) S 1" + bytes(30)
    return {
        "busy": world() + two + three + give + three,
        "recycled": world() + two + change(2, 8) + three,
        "zombie": world() + two + change(2, 1) + three,
        "threads": world() + two + change(2, 3) + three,
        "gone": world() + two + change(2, 32, 0) + three,
        "hidden": world() + two + change(2, 32, 3) + three,
        "no-memory": world() + two + change(2, 32, 5) + three,
        "bytes": world() + change(2, 32, 100, len(text), *text) + two + three,
        "too-long": world() + change(2, 32, 250, 3, 65, 41, 32) +
        b"\xff\xff" + two + three,
        "space": world() + two + change(3, 64, 100, 2, 91, 57) + three,
        "first": world() + two + change(1, 32, 3) + three + two,
    }


def history_seeds():
    def add(act=0, ticks=1000, rest=b"", ago=500):
        return struct.pack("<B", act) + ticks.to_bytes(3, "little") + rest + \
            bytes(3) + ago.to_bytes(3, "little") + struct.pack("<Q", 2**32)

    wild = struct.pack("<Q", 2**64 - 1)
    return {
        "line": world() + b"\4" + add() * 12,
        "small": world() + b"\2" + add() * 5,
        "reset": world() + b"\4" + add() * 3 + add(1, 0, bytes(8)) + add() * 3,
        "far": world() + b"\4" + add() * 2 + add(1, 0, wild) + add() * 3,
        "raw": world() + b"\4" + add() + add(2 | 2 << 2, 5, wild) + add() * 2,
        "set": world() + b"\4" + add() + add(0xc0) + add(),
        "changed": world() + b"\4" + add() + add(0x60) + add() * 2,
        "unsure": world() + b"\4" + add() + add(0x20, 9, wild) + add(),
        "unknown": world() + b"\4" + add() + add(0x10, 9, b"\3") + add(),
        "invalid": world() + b"\4" + add() + add(0x18) + add(),
        "another": world() + b"\4" + add() + add(0x08, 9, b"\2") + add(),
        "one": world() + b"\1" + add(),
    }


def coupling_seeds():
    def pair(kind, shift, mult, offset, *values, kvm=b""):
        return world() + bytes((kind, shift)) + struct.pack(
            "<QBQB", mult, 0, offset, 0) + b"".join(
                struct.pack("<QB", value, 0) for value in values) + kvm

    values = (0, 1, 2**32, 2**40 + 7, 2**63, 2**64 - 1, 3, 10**12)
    ask = struct.pack("<QB", 0, 48) + bytes(3)
    return {
        "kvm": pair(3, 48, 2**48 * 3 // 2, 2**64 - 10**12, *values, kvm=ask),
        "to-system": pair(1, 48, 2**48 * 2 // 3, 10**12, *values),
        "one": pair(3, 0, 1, 0, *values),
        "slow": pair(3, 63, 1, 5, *values),
        "fast": pair(3, 0, 2**64 - 1, 2**64 - 1, *values),
        "none": pair(3, 0, 0, 0, *values),
        "apart": pair(0, 1, 7, 7, *values),
        "shift": pair(7, 64, 7, 7, *values),
        "flag": pair(0x1b, 1, 7, 7, *values),
        "refused": pair(3, 48, 2**48, 0, *values,
                        kvm=struct.pack("<QBB", 0, 0, 0x99)),
        "bits": pair(3, 48, 2**48, 0, *values,
                     kvm=struct.pack("<QB", 2**48, 64)),
    }
