# SPDX-License-Identifier: MIT
"""Seeds of what reads text: fuzz_leap_list.c (struct head, then a list or a
table), uevents as the kernel sends them, the files of 'paraclock record'."""
import struct


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


def export_seeds():
    def state(text):
        return b"s" + text.replace("'", '"').encode()

    outputs = ("'outputs':[{'kind':'chrony-sock','target':'/a','connected':"
               "true,'delivered':1,'failed':2},{'kind':'stdout'}]")
    return {
        "keep": state("{'state':'off','why':'max-step','backend':'phc'"
                      ",'offset_ns':-5,'bound_ns':7,'has_bound':true,"
                      "'realtime_ns':1795969543467279185,'corrections':3}"),
        "feed": state("{'state':'feeding','samples':7,"
                      "'printed_bound_ns':9," + outputs + "}"),
        "serve": state("{'state':'serving','status':'freerunning',"
                       "'page':'/p','clockbound':null,'publications':1}"),
        "odd": state("{'state':'x','why':'\\n\\u0001\\\\"
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
