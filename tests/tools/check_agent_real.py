#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock agent before the real qemu-ga, where that is installed. No case sets
the clock. Usage: check_agent_real.py PARACLOCK
PARACLOCK_AGENT_LINES: how many random lines; 1000000 by hand."""
import json
import os
import random
import re
import shutil
import subprocess
import time

import cli
from agent_bed import GET_TIME, OK, PING, Case, execute

QEMU_GA = shutil.which("qemu-ga", path=os.environ["PATH"] + ":/usr/sbin")
LINES = int(os.environ.get("PARACLOCK_AGENT_LINES", "3000"))


def is_listening(path):
    """Without a connection: qemu-ga takes one at a time."""
    with open("/proc/net/unix", encoding="utf-8") as table:
        for line in table:
            words = line.split()
            # __SO_ACCEPTCON
            if words[-1] == str(path) and int(words[3], 16) & 0x10000:
                return True
    return False


class Real(Case):
    """qemu-ga itself."""

    def qemu_ga(self, name, *args):
        if not QEMU_GA:
            self.skipTest("qemu-ga (package qemu-guest-agent) is not "
                          "installed")
        folder = self.folder / name
        folder.mkdir()
        path = folder / "socket"
        process = subprocess.Popen(
            [QEMU_GA, "-m", "unix-listen", "-p", path, "-t", folder, "-f",
             folder / "pid", *args], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        cli.wait_until(lambda: is_listening(path), process)
        return path, process

    def commands(self, host):
        """Requests and their replies. Process ids are made alike."""
        file = str(self.folder / "file")

        def ask(name, arguments=None, **more):
            request = execute(name, arguments, **more)
            transcript.append((request, host.ask(request)))
            return json.loads(transcript[-1][1].strip(b"\xff"))

        transcript = []
        ask("guest-sync", {"id": 77})
        ask("guest-sync-delimited", {"id": 78})
        ask("guest-ping", id={"a": [None, "\u00e4"]})
        ask("guest-get-osinfo")
        ask("guest-get-timezone")
        ask("guest-get-host-name", {})
        ask("guest-fsfreeze-status")
        opened = ask("guest-file-open", {"path": file, "mode": "w+"})
        handle = opened["return"]
        ask("guest-file-write", {"handle": handle, "buf-b64": "aGVsbG8K"})
        ask("guest-file-flush", {"handle": handle})
        ask("guest-file-seek", {"handle": handle, "offset": 0, "whence": 0})
        ask("guest-file-read", {"handle": handle})
        ask("guest-file-close", {"handle": handle})
        ask("guest-file-close", {"handle": handle})
        started = ask("guest-exec", {"path": "/bin/echo", "arg": ["a", "b"],
                                     "capture-output": True})
        pid = started["return"]["pid"]
        while not ask("guest-exec-status", {"pid": pid})["return"]["exited"]:
            transcript.pop()
        ask("guest-exec", {"path": 5})
        ask("guest-no-such-command", id=1)
        ask("guest-ping", {"unexpected": 1})
        ask("guest-ping", unexpected=1)
        ask("guest-network-get-interfaces", {"x": "y" * 100_000})
        # As a number of its own: its digits may be in the kernel's name.
        number = re.compile(rb'(?<="pid": )%d\b' % pid)
        return [(number.sub(b"PID", a), number.sub(b"PID", b))
                for a, b in transcript]

    def test_transcripts(self):
        direct, _ = self.qemu_ga("direct")
        behind, _ = self.qemu_ga("behind")
        alone = self.commands(self.connect(direct))
        self.start("--upstream", behind)
        through = self.commands(self.connect())
        self.assertEqual(alone, through)
        self.assertGreater(len(alone), 19)

    def test_info_is_the_union(self):
        direct, _ = self.qemu_ga("direct")
        behind, _ = self.qemu_ga("behind", "-b", "guest-set-time")
        request = execute("guest-info")
        alone = json.loads(self.connect(direct).ask(request))["return"]
        self.start("--upstream", behind)
        ours = json.loads(self.connect().ask(request))["return"]
        self.assertEqual(alone["version"], ours["version"])
        names = {c["name"]: c for c in alone["supported_commands"]}
        names["guest-paraclock-status"] = {
            "enabled": True, "name": "guest-paraclock-status",
            "success-response": True}
        self.assertEqual(
            names, {c["name"]: c for c in ours["supported_commands"]})
        self.assertTrue(names["guest-set-time"]["enabled"])

    def test_it_is_killed_and_started_again(self):
        path, process = self.qemu_ga("first")
        self.start("--upstream", path)
        host = self.connect()
        self.assertEqual(host.ask(PING), OK)
        process.kill()
        process.wait()
        self.error(host.ask(PING), "away")
        shutil.rmtree(path.parent)
        self.qemu_ga("first")
        while host.ask(PING) != OK:
            time.sleep(0.05)

    def resident(self, process):
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s*(\d+) kB", status.read())[1])

    def test_random_lines(self):
        """No line reaches qemu-ga as a command of ours, however it is
        spelled: qemu-ga says of these that they are disabled."""
        path, _ = self.qemu_ga("behind", "-b", ",".join(
            ("guest-set-time", "guest-get-time", "guest-shutdown",
             "guest-suspend-ram", "guest-suspend-disk",
             "guest-suspend-hybrid", "guest-exec", "guest-file-open",
             "guest-fsfreeze-freeze", "guest-set-user-password")))
        process = self.start("--upstream", path, "--max-step", "0")
        host = self.connect()
        before = 0
        for i in range(LINES):
            line, end = mutated(i), b"%d" % (10**15 + i)
            # Whatever the line left open is void, and the last reply is
            # known.
            host.write(line + b"\xff\n" +
                       execute("guest-sync", {"id": 10**15 + i}))
            reply = host.line()
            while reply != b'{"return": ' + end + b"}\n":
                self.assertNotIn(b"guest-set-time has been disabled", reply,
                                 line)
                self.assertNotIn(b"guest-get-time has been disabled", reply,
                                 line)
                reply = host.line()
            if i == LINES // 10:
                before = self.resident(process)
        after = self.resident(process)
        print(f"{LINES} lines; resident: {before} kB after a tenth of them, "
              f"{after} kB at the end")
        with open(f"/proc/{process.pid}/maps", encoding="ascii") as maps:
            if "asan" not in maps.read():
                self.assertLess(after - before, 1024)
        self.ends(process)


SEEDS = [
    PING, GET_TIME, execute("guest-set-time"), execute("guest-info"),
    execute("guest-set-time", {"time": 1}),
    execute("guest-set-time", {"time": 2**63}),
    execute("guest-paraclock-status"), execute("guest-sync", {"id": 4}),
    execute("guest-sync-delimited", {"id": 4}), execute("guest-nope", id=[1]),
    b"{'execute':'guest-set-time'}\n",
    b'{"execute":"guest-set-time","execute":"guest-ping"}\n',
    b'{"execute":"guest-ping","execute":"guest-set-time"}\n',
    b'{"a":01,{"execute":"guest-set-time"}}\n',
    b'{"a":"\n{"execute":"guest-set-time"}\n',
    b'{"a":@{"execute":"guest-get-time"}}\n',
    b'["{\\"execute\\":\\"guest-set-time\\"}"]{"execute":"guest-get-time"\n',
    b'{"execut\\u0065":"guest\\u002dset-time"}\n',
    b"%d {]{'execute':\"guest-set-time\"}\n",
]
ODD = [b"{", b"}", b"[", b"]", b":", b",", b'"', b"'", b"\\", b"\n", b"\xff",
       b"\xfe", b"\0", b"0", b"-", b".", b"e", b"%d", b"@", b"\\u", b"\xc3",
       b" ", b"null", b"{}", b"\t", b"\x7f", b"A"]


def mutated(i):
    draw = random.Random(i)
    line = draw.choice(SEEDS)
    for _ in range(draw.randrange(6)):
        at = draw.randrange(len(line) + 1)
        to = draw.randrange(at, len(line) + 1)
        line = draw.choice((
            lambda: line[:at] + draw.choice(ODD) + line[at:],
            lambda: line[:at] + draw.choice(ODD) + line[at + 1:],
            lambda: line[:at] + line[to:],
            lambda: line[:at] + line[at:to] * 2 + line[to:],
            lambda: line[:at] + draw.choice(SEEDS) + line[at:],
            lambda: line[:at] + draw.randbytes(3) + line[at:],
            lambda: line[:at]))()
    return line


if __name__ == "__main__":
    cli.main()
