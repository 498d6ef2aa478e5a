# SPDX-License-Identifier: MIT
"""Seeds of the readers of pages: struct fuzz_input of fuzz_page.h, then two
states of a page; fuzz_maps.c (sizes of pieces, a release, the text); flattened
device trees."""
import struct

import meaning


def header(counter, later=1000, max_age=0, file_size=None, counter_id=0,
           device=True):
    return struct.pack("<QQQBBBB4x", counter, later, max_age,
                       file_size is not None, file_size or 0, counter_id,
                       device)


def pvclock_seeds():
    def page(version, base, time, mul=0xc536c445, shift=-1, flags=1):
        return meaning.PVCLOCK.pack(version, 0, base, time, mul, shift, flags,
                                  b"\0\0")

    good = page(2, 1000, 5000)
    return {
        "update": header(2000) + good + page(4, 1500, 5381),
        "rebase": header(2000) + good + page(4, 1500, 5000005381),
        "stopped": header(2000) + good + page(4, 1000, 5000, flags=3),
        "before": header(1) + good + good,
        "odd": header(2000) + page(3, 1000, 5000) + good,
        "unstable": header(2000) + page(2, 1000, 5000, flags=0) + good,
        "left": header(2000) + page(2, 0, 0, 1, 63) + page(4, 0, 0, 3, 33),
        "right": header(2**63) + page(2, 0, 0, 2**32 - 1, -63) + good,
        "aged": header(2000, 10**9, 100000) + good + good,
        "live": header(2000, device=False) + good + good,
        "mul": header(2000) + page(2, 1000, 5000, 0) + good,
        "shift": header(2000) + good + page(4, 1000, 5000, 1, 64),
        "range": header(2000) + page(2, 0, 2**63 - 1) + good,
        "file": header(2000, file_size=32) + good + good,
        "short": header(2000, file_size=31) + good + good,
    }


def hyperv_seeds():
    def page(sequence, offset=0, scale=10**7 * 2**64 // 2596123000):
        return meaning.HYPERV.pack(sequence, 0, scale, offset).ljust(32, b"\0")

    return {
        "update": header(10**10) + page(1) + page(2),
        "rebase": header(10**10) + page(1) + page(2, 10**7),
        "off": header(10**10) + page(1) + page(0),
        "off-of-old": header(10**10) + page(0xffffffff) + page(1),
        "scale": header(10**10) + page(1, 0, 0) + page(2),
        "large": header(2**57) + page(1, 0, 2**64 - 1) + page(2, 0, 2**63),
        "negative": header(10) + page(1, -10**12) + page(2, -2**62),
        "live": header(10**10, device=False) + page(7) + page(9),
        "file": header(10**10, file_size=24) + page(1) + page(2),
        "short": header(10**10, file_size=23) + page(1) + page(0),
    }


def vmclock_seeds():
    month_end = 1785542400

    def page(**fields):
        return meaning.vmclock_pack(dict({
            "magic": meaning.MAGIC, "size": 4096, "version": 1, "counter_id": 1,
            "time_type": 1, "seq_count": 2, "disruption_marker": 7,
            "flags": 0x151, "clock_status": 2, "tai_offset_sec": 37,
            "shift": 29, "counter_value": 1000, "generation": 3,
            "period": 0x89705f4136b4a597, "maxerror_rate": 0x89705f4136b,
            "time_sec": month_end - 10, "time_frac": 2**63, "maxerror": 500,
        }, **fields))

    def pair(first, second, *args, **words):
        return header(*args, **words) + first + second

    sec = 10**9
    good = page()
    return {
        "update": pair(good, page(seq_count=4, counter_value=2000), 2000),
        "marker": pair(good, page(seq_count=4, disruption_marker=8), 2000),
        "generation": pair(good, page(seq_count=4, generation=4), 2000),
        "no-time": pair(page(clock_status=0, counter_id=255, flags=0x300),
                        page(seq_count=4, clock_status=4), 2000),
        "leap-utc": pair(page(time_type=0, leap_indicator=1),
                         page(time_type=0, leap_indicator=2, seq_count=4),
                         9 * sec, sec),
        "leap-tai": pair(page(time_sec=month_end + 30, leap_indicator=1),
                         page(time_sec=month_end + 30, leap_indicator=2,
                              seq_count=4), 6 * sec, sec),
        "leap-sign": pair(page(time_type=0, leap_indicator=1),
                          page(time_type=0, leap_indicator=1, seq_count=4,
                               tai_offset_sec=-37), 9 * sec, sec),
        "leap-unknown": pair(page(flags=0, leap_indicator=1),
                             page(flags=0, leap_indicator=2, seq_count=4),
                             sec, 60 * sec),
        "inserted": pair(page(time_type=0, leap_indicator=3,
                              time_sec=month_end - 1),
                         page(time_type=0, leap_indicator=3, seq_count=4,
                              time_sec=month_end), 2000, sec),
        "monotonic": pair(page(time_type=2), page(time_type=2, flags=0x80),
                          2000),
        "hour": pair(page(flags=1), page(flags=1, seq_count=4), 2000,
                     3600 * sec),
        "second": pair(page(maxerror=sec - 2), good, 2000, sec),
        "aged": pair(good, good, 2000, sec, 10**8),
        "before": pair(good, good, 1),
        "odd": pair(page(seq_count=3), good, 2000),
        "arm": pair(page(counter_id=0), good, 2000, counter_id=1),
        "any": pair(page(counter_id=0), good, 2000, counter_id=2),
        "magic": pair(page(magic=1), good, 2000),
        "version": pair(good, page(version=2, seq_count=4), 2000),
        "type": pair(good, page(time_type=3, seq_count=4), 2000),
        "period": pair(good, page(period=0, seq_count=4), 2000),
        "shift": pair(good, page(shift=128, seq_count=4), 2000),
        "edge": pair(page(shift=127, period=2**64 - 1),
                     page(shift=0, period=2**64 - 1, maxerror_rate=0), 2**63),
        "range": pair(page(time_sec=2**63 // sec), page(time_sec=2**64 - 1),
                      2000),
        "size-32": pair(page(size=32), page(size=31, seq_count=4), 2000),
        "size-88": pair(page(size=88), page(size=87, seq_count=4), 2000),
        "file": pair(good, good, 2000, file_size=112),
        "file-88": pair(good, good, 2000, file_size=88),
        "file-31": pair(good, good, 2000, file_size=31),
    }


def maps_seeds():
    def seed(text, release="6.18.44"):
        return bytes((7, 1, 0, 64, 3, 255, 2, 16)) + \
            release.encode().ljust(15, b"\0") + text.encode()

    def line(start, n, name):
        return (f"{start:x}-{start + n * 4096:x} r--p 00000000 00:00 0"
                f"{' ' * 26}{name}\n")

    program = ("55d4c7a00000-55d4c7a02000 r-xp 00001000 fe:00 1234"
               "                       /usr/bin/[vvar]\n")
    vvar, vclock, vdso = 0x7ffc12340000, 0x7ffc12344000, 0x7ffc12346000
    code = line(vdso, 2, "[vdso]")
    return {
        "6.18": seed(program + line(vvar, 4, "[vvar]") +
                     line(vclock, 2, "[vvar_vclock]") + code),
        "6.13": seed(line(vvar, 2, "[vvar]") +
                     line(vclock, 2, "[vvar_vclock]") + code, "6.13.0"),
        "5.10": seed(program + line(vvar, 4, "[vvar]") + code, "5.10.0-21"),
        "4.19": seed(line(vvar, 3, "[vvar]") + code, "4.19.0"),
        "4.5": seed(line(vvar, 3, "[vvar]") + code, "4.5.0"),
        "4.9": seed(line(vvar, 2, "[vvar]") + code, "4.9.0"),
        "none": seed(program, "6.1"),
        "one-page": seed(line(vclock, 1, "[vvar_vclock]")),
        "overlong": seed("/" * 200 + "\n" + line(vvar, 4, "[vvar]")),
        "no-end": seed(line(vvar, 4, "[vvar]")[:-1]),
        "zero": seed(line(vvar, 4, "[vv\0ar]") + line(vvar, 4, "[vvar]")),
        "backwards": seed("7ffc12344000-7ffc12340000 r--p 0 0:0 0 [vvar]\n"),
        "wide": seed("00000000000000001-2 r--p 0 0:0 0 [vvar]\n"
                     "fffffffffffff000-1000 r--p 0 0:0 0 [vvar]\n", "x"),
    }


def fdt(nodes, version=17, compatible=16, reserve=16):
    """A tree with nodes (name, {property: bytes}) below the root."""
    strings = b""
    body = struct.pack(">I4x", 1)
    for name, properties in nodes:
        name = name.encode() + b"\0"
        body += struct.pack(">I", 1) + name + bytes(-len(name) % 4)
        for key, value in properties.items():
            body += struct.pack(">III", 3, len(value), len(strings))
            body += value + bytes(-len(value) % 4)
            strings += key.encode() + b"\0"
        body += struct.pack(">I", 2)
    body += struct.pack(">II", 2, 9)
    at = 40 + reserve
    total = at + len(body) + len(strings)
    return struct.pack(">10I", 0xd00dfeed, total, at, at + len(body), 40,
                       version, compatible, 0, len(strings), len(body)) + \
        bytes(reserve) + body + strings


def fdt_seeds():
    reg = struct.pack(">QQ", 0xfeffb000, 4096)
    vmclock = ("ptp@feffb000", {"compatible": b"amazon,vmclock\0",
                                "reg": reg})
    vmgenid = ("rng@80000000", {"compatible": b"microsoft,vmgenid\0",
                                "reg": reg})
    several = ("clock", {"compatible": b"vendor,x\0amazon,vmclock\0"})
    tree = fdt([vmclock, vmgenid])
    # libfdt 1.6.1 crashes on a truncated property in an old tree.
    old = fdt([vmclock, vmgenid], version=3, compatible=0)
    old = old.replace(struct.pack(">II", 3, 18), struct.pack(">II", 3, 8210))
    # And it never ends on a property that leads back to itself.
    negative = tree.replace(struct.pack(">II", 3, 15),
                            struct.pack(">Ii", 3, -12))
    return {
        "both": tree,
        "second-name": fdt([("cpu", {"reg": b"\0\0\0\0"}), several]),
        "neither": fdt([("cpu", {"compatible": b"arm,armv8\0"})]),
        "empty": fdt([]),
        "no-end-of-string": fdt([("a", {"compatible": b"amazon,vmclock"})]),
        "cut": tree[:-20],
        "header-only": tree[:40],
        "old-version": old,
        "version-2": fdt([vmclock], version=2),
        "no-reserve-end": fdt([vmclock], reserve=0),
        "property-negative": negative,
    }


def memory_seeds():
    good = struct.pack("<IIHBBIQQ", 0x4b4c4356, 4096, 1, 255, 0, 2, 7, 0)
    look, read = bytes((5, 0, 0)), bytes((4, 0, 0))

    def byte(at, value):
        return bytes((0, at, value))

    def seed(*acts, page=good, size=128):
        return bytes((size,)) + page.ljust(128, b"\0") + b"".join(acts)

    generation = byte(25, 1)
    return {
        "marker": seed(look, byte(16, 8), read, look),
        "generation": seed(generation, look, byte(104, 9), byte(16, 8), look),
        "update": seed(byte(12, 3), byte(16, 8), look, bytes((3, 60, 0)), look,
                       byte(12, 4), look),
        "torn": seed(bytes((2, 16, 0)), look, bytes((3, 60, 0)), look,
                     bytes((2, 0, 0)), look, look),
        "gone": seed(bytes((1, 1, 0)), look, byte(16, 8), bytes((1, 0, 0)),
                     look, look),
        "errors": seed(bytes((1, 2, 0)), look, bytes((1, 3, 0)), look),
        "magic": seed(byte(0, 0), look, byte(0, 0x56), look),
        "version": seed(byte(8, 2), look, byte(8, 1), look),
        "size": seed(byte(5, 0), byte(4, 31), look, byte(4, 32), look),
        "short": seed(byte(16, 8), look, size=32),
        "too-short": seed(look, size=31),
        "zeros": seed(look, page=b""),
    }
