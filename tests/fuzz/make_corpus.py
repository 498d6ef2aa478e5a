#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the seeds of the fuzz targets: make_corpus.py [DIRECTORY].

The layouts are those of fuzz_page.h (struct fuzz_input, then two states of a
page), fuzz_maps.c (sizes of pieces, a release, the text), flattened device
trees, fuzz_leap_list.c (struct head, then a list or a table), uevents as the
kernel sends them, and for the host's side the input of fuzz_host.c: a world,
then acts, each with its operands; and the files of 'paraclock record'.
"""

import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "..", "oracle"))
import pages  # noqa: E402 pylint: disable=wrong-import-position


def header(counter, later=1000, max_age=0, file_size=None, counter_id=0,
           device=True):
    return struct.pack("<QQQBBBB4x", counter, later, max_age,
                       file_size is not None, file_size or 0, counter_id,
                       device)


def pvclock_seeds():
    def page(version, base, time, mul=0xc536c445, shift=-1, flags=1):
        return pages.PVCLOCK.pack(version, 0, base, time, mul, shift, flags,
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
        return pages.HYPERV.pack(sequence, 0, scale, offset).ljust(32, b"\0")

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
        return pages.vmclock_pack(dict({
            "magic": pages.MAGIC, "size": 4096, "version": 1, "counter_id": 1,
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


def leap_list_seeds():
    ntp = 2208988800
    leap = 1483228800
    end = 1782604800
    dates = f"#$ {end - 10**7 + ntp}\n#@ {end + ntp}\n"
    first = "2272060800 10 # 1 Jan 1972\n"
    three = (f"{1435708800 + ntp} 36 # 1 Jul 2015\n{leap + ntp} 37\n"
             f"{1767225600 + ntp} 36\n")

    def head(tai_ns, smear=1, kind=0, state=0):
        return struct.pack("<qBBB5x", tai_ns, smear, state, kind)

    def text(body, *args):
        return head(*args) + body.encode()

    def table(entries, tai_ns, smear, expires=end, count=None):
        return head(tai_ns, smear, 1, 3) + \
            struct.pack("<qqI12x", expires, 0, count or len(entries)) + \
            b"".join(struct.pack("<qh6x", *entry) for entry in entries)

    sec = 10**9
    entries = [(1435708800, 36), (leap, 37), (1767225600, 36)]
    return {
        "one": text(dates + first + "#h 1 2 3 4 5\n", sec),
        "no-hash": text(dates + three, (leap + 36) * sec),
        "sls": text(dates + three, (leap - 500) * sec, 2),
        "negative": text(dates + three, (1767225600 + 40) * sec, 2),
        "crlf": text((dates + first).replace("\n", "\r\n"), 10**17),
        "no-expiry": text(first, 0),
        "jump": text(dates + first + "2287785600 12\n", 0),
        "day": text(dates + first + "2287785601 11\n", 0),
        "digits": text("#@ " + "9" * 30 + "\n", 0),
        "table": table(entries, (leap + 36) * sec + 5, 1),
        "table-sls": table(entries, (leap + 30) * sec, 2),
        "table-negative": table(entries, (1767225600 + 20) * sec, 1),
        "table-for-ever": table(entries, 9199999999 * sec, 1, 2**63 - 1),
        "table-never": table(entries, leap * sec, 0, -2**63),
        "table-wild": table([(2**63 - 1, -2**15), (-2**63, 2**15 - 1)],
                            2**63 - 1, 2),
        "table-count": table(entries, leap * sec, 1, end, 2**32 - 1),
    }


def clocks_seeds():
    """kind, counter, ns, and then the world's answers, byte by byte."""
    def world(kind, counter, ns, body):
        return struct.pack("<BQq", kind, counter, ns) + body

    calm = b"\x80" * 4000
    return {
        "phc": world(0, 10**9, 10**18, calm),
        "pairing": world(4, 10**9, 10**18, calm),
        "hypercall": world(1, 10**9, 10**18, calm),
        "smccc": world(3, 10**9, 10**18, calm),
        "jumps": world(0, 2**64 - 1000, 2**63 - 10**6,
                       (b"\x80" * 300 + b"\x01" + b"\x11" * 8) * 10),
        "sets": world(0, 1, -2**63, (b"\xff" * 200 + b"\x09" +
                                     b"\x22" * 8) * 10),
        "slow": world(0, 1, 0, (b"\xff" * 20 + b"\x11\xff\xff\xff") * 100),
        "errors": world(0, 1, 0, (b"\xff" * 300 + b"\x21") * 10),
    }


def uevent_seeds():
    head = b"change@/devices/LNXSYSTM:00/QEMUVGID:00\0ACTION=change\0"
    wanted = b"NEW_VMGENID=1"
    return {
        "vmgenid": head + wanted + b"\0SEQNUM=2412\0",
        "last": head + wanted + b"\0",
        "no-end": head + wanted,
        "alone": wanted + b"\0",
        "empty": b"",
        "one-byte": b"N",
        "nul": b"\0",
        "no-nul": head.replace(b"\0", b" ") + wanted,
        "longer": head + wanted + b"0\0",
        "prefixed": head + b"X" + wanted + b"\0",
        "zero": head + b"NEW_VMGENID=0\0",
        "cut": head + wanted[:-1] + b"\0",
        "empty-strings": b"\0" * 40 + wanted + b"\0\0",
        "udev": b"libudev\0\xfe\xed\xca\xfe" + b"\0" * 28 + wanted + b"\0",
        "huge": head + b"A=" + b"x" * 4000 + b"\0" + wanted + b"\0",
        "disk": b"add@/devices/virtual/block/loop0\0SUBSYSTEM=block\0",
    }


def kernel_log_seeds():
    text = b"random: crng reseeded due to virtual machine fork"
    return {
        "fork": b"5,412,7032123,-;" + text + b"\n",
        "caller": b"5,412,7032123,-,caller=T1;" + text + b"\n A=b\n",
        "process": b"13,344,26180528221,-;" + text + b"\n",
        "other": b"6,1,0,-;Linux version 6.1.0\n",
        "cut": b"5,412,7032123,-;" + text,
        "longer": b"5,412,7032123,-;" + text + b"s\n",
        "wraps": b"18446744073709551621,1,1,-;" + text + b"\n",
        "fields": b"5,412;" + text + b"\n",
        "second": b"5,1,1,-;a\n" + text + b"\n",
        "empty": b"",
    }


def iomem_seeds():
    def seed(*lines):
        return bytes((7, 1, 0, 64, 3, 255, 2, 16)) + b"".join(
            line.encode() + b"\n" for line in lines)

    ram = "00001000-0009fbff : System RAM"
    page = "feffb000-feffbfff : NAME:00"
    return {
        "qemu": seed(ram, "e0000000-efffffff : Reserved", "  " + page),
        "firecracker": seed(ram, "000a0000-000fffff : Reserved",
                            "  000de000-000defff : NAME:00"),
        "hidden": seed("00000000-00000000 : NAME:00"),
        "none": seed(ram, "feffb000-feffbfff : OTHER:00"),
        "two": seed(page, "  " + page, "fe000000-fe0000ff : NAME:01"),
        "backwards": seed("feffbfff-feffb000 : NAME:00", page),
        "all": seed("0-ffffffffffffffff : NAME:00"),
        "almost-all": seed("1-ffffffffffffffff : NAME:00"),
        "wide": seed("10000000000000000-10000000000000fff : NAME:00"),
        "short": seed("feffb010-feffb01f : NAME:00"),
        "longer": seed(page + "0x", page + "/driver"),
        "overlong": seed(" " * 300 + page, page),
        "no-end": seed(page)[:-1],
        "nul": seed("feffb000-feffbfff : NA\0ME:00", page),
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


def agent_seeds():
    (says, much, upstream, answers, comes, goes, host_goes, reads,
     passes) = range(9)

    def play(*acts, alone=False):
        return bytes([not alone]) + b"".join(
            bytes([what, len(data)]) + data for what, data in acts)

    def execute(name, arguments=b"", more=b""):
        return (b'{"execute":"guest-' + name + b'"' +
                (b',"arguments":' + arguments if arguments else b"") + more +
                b"}")

    ping, get = execute(b"ping"), execute(b"get-time", more=b',"id":[7]')
    up = ((comes, b""), (answers, b""))
    reply, settle = (upstream, b'{"return": {}}\n'), (answers, b"")
    return {
        "alone": play((says, get + execute(b"info") + ping), alone=True),
        "set": play((says, execute(b"set-time", b'{"time":1700000000}') +
                     execute(b"set-time")), alone=True),
        "refused": play((says, execute(b"set-time", b'{"time":-1}') +
                         execute(b"set-time", b'{"time":9223372036854775808}')
                         + execute(b"set-time", b'{"time":"1"}') +
                         execute(b"set-time", b'{"time":1.5e3}')), alone=True),
        "often": play((much, execute(b"set-time")), (passes, b""), (reads, b""),
                      alone=True),
        "sync": play((says, b"\xff" + execute(b"sync-delimited", b'{"id":5}')),
                     alone=True),
        "garbage": play((says, b"@ 01 'a'\n\xfe\n{]\n" + get), alone=True),
        "passed": play(*up, (says, ping + b"\n" + get), reply, settle),
        "info": play(*up, (says, ping + execute(b"info") + get), settle,
                     (upstream, b'{"return":{"supported_commands":'
                      b'[{"name":"guest-set-time","enabled":false}]}}\n')),
        "shutdown": play(*up, (says, execute(b"shutdown")), (says, get),
                         (upstream, b'{"return": 1002}\n')),
        "goes": play(*up, (says, ping + ping), (upstream, b'{"ret'),
                     (goes, b""), (says, ping + get), *up, (says, ping),
                     settle),
        "hang-up": play(*up, (says, ping), (upstream, b'{"ret'),
                        (host_goes, b""), (upstream, b"}\n"), settle,
                        (says, get)),
        "long": play(*up, (says, b'{"a":"'), *[(much, b"x" * 255)] * 2,
                     settle, (says, b'","execute":"guest-set-time"}'), settle),
        "long-name": play(*up, (says, b'{"execute":"guest-set-time","a":"'),
                          *[(much, b"x" * 255)] * 2, (says, b'"}' + get)),
        "sentinel": play(*up, (says, b'{"a":"\xff'), settle, (says, get)),
        "deep": play((says, b'{"execute":"guest-ping","id":'),
                     (much, b"[[[["), (much, b"]]]]"), (says, b"}"),
                     alone=True),
        "full": play((much, get), (much, get), (much, get), (reads, b""),
                     (much, get), alone=True),
        "unanswered": play(*up, (much, ping), (goes, b""), (says, ping)),
    }


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


def export_seeds():
    def state(text):
        return b"s" + text.replace("'", '"').encode()

    outputs = ("'outputs':[{'kind':'chrony-sock','target':'/a','connected':"
               "true,'delivered':1,'failed':2},{'kind':'stdout'}]")
    return {
        "keep": state("{'pid':1,'state':'off','why':'max-step','backend':'phc'"
                      ",'offset_ns':-5,'bound_ns':7,'has_bound':true,"
                      "'realtime_ns':1795969543467279185,'corrections':3}"),
        "feed": state("{'pid':1,'state':'feeding','samples':7,"
                      "'printed_bound_ns':9," + outputs + "}"),
        "serve": state("{'pid':1,'state':'serving','status':'freerunning',"
                       "'page':'/p','clockbound':null,'publications':1}"),
        "odd": state("{'pid':1,'state':'x','why':'\\n\\u0001\\\\"
                     "\\u20ac','outputs':[1,{},{'kind':'\\r'}]}"),
        "gone": state("{'pid':-1,'state':'right'}"),
        "address": b"a127.0.0.1:10319",
        "address6": b"a[2001:db8::1]:80",
        "accept": b"qtext/plain, application/openmetrics-text;q=0.5",
    }


def record_seeds():
    sec = 10**9
    columns = ("kind,valid,reason,host_ns,pair_error_ns,clock_error_ns,epoch,"
               "monotonic_raw_ns,uncertainty_ns,offset_ns,gap_ns\n")
    head = ("# paraclock record 1\n# paraclock: 0.1.0\n# backend: vmclock\n"
            "# timescale: utc\n# clocksource: tsc\n"
            "# started: 2026-11-29T16:00:00Z\n")

    def reading(i, epoch=1, ahead=0, offset="", bound=""):
        raw = i * sec // 10
        return (f"reading,1,ok,{raw + ahead + i % 7},0,{bound},{epoch},{raw},"
                f"30,{offset},\n")

    def event(kind, i, gap=""):
        return f"{kind},,,,,,2,{i * sec // 10},,,{gap}\n"

    plain = "".join(reading(i) for i in range(40))
    moved = ("".join(reading(i, 1, 0, i, 1000) for i in range(12)) +
             event("jumped", 12, 800000) +
             "".join(reading(i, 2, 800000, i + 800000, 1000)
                     for i in range(12, 24)) +
             event("clock-set", 24, -5000) + event("source-lost", 24) +
             "reading,0,status,5,,,2,2500000000,,,\nfailed,0,eagain,,,,,,,,\n" +
             reading(26, 3, 0, 5))
    most = 2**63 - 1
    edges = (f"reading,1,ok,{-2**63},0,0,1,0,0,{-2**63},\n"
             f"reading,1,ok,{most},{2**64 - 1},1,1,0,1,{most},\n"
             f"reading,1,ok,{most},0,0,{2**64 - 1},{most},0,0,\n")
    return {name: text.encode() for name, text in {
        "plain": head + columns + plain,
        "moved": head + columns + moved,
        "edges": head + columns + edges,
        "cut": head + columns + plain[:-5],
        "returns": (head + columns + plain[:200]).replace("\n", "\r\n"),
        "columns": "# paraclock record 1\nkind,kind\n",
        "empty": "# paraclock record 1",
    }.items()}


def main():
    top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "corpus")
    for target, seeds in (("fuzz_pvclock", pvclock_seeds()),
                          ("fuzz_hyperv", hyperv_seeds()),
                          ("fuzz_vmclock", vmclock_seeds()),
                          ("fuzz_maps", maps_seeds()),
                          ("fuzz_fdt", fdt_seeds()),
                          ("fuzz_leap_list", leap_list_seeds()),
                          ("fuzz_clocks", clocks_seeds()),
                          ("fuzz_uevent", uevent_seeds()),
                          ("fuzz_kernel_log", kernel_log_seeds()),
                          ("fuzz_iomem", iomem_seeds()),
                          ("fuzz_memory", memory_seeds()),
                          ("fuzz_timekeeper", timekeeper_seeds()),
                          ("fuzz_writer", writer_seeds()),
                          ("fuzz_relay", relay_seeds()),
                          ("fuzz_follow", follow_seeds()),
                          ("fuzz_stat", stat_seeds()),
                          ("fuzz_history", history_seeds()),
                          ("fuzz_coupling", coupling_seeds()),
                          ("fuzz_agent", agent_seeds()),
                          ("fuzz_record", record_seeds()),
                          ("fuzz_export", export_seeds())):
        directory = os.path.join(top, target)
        os.makedirs(directory, exist_ok=True)
        for name, data in seeds.items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(data)


if __name__ == "__main__":
    main()
