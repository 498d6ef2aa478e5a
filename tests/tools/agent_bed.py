# SPDX-License-Identifier: MIT
"""A host that speaks to paraclock agent, and a qemu-ga that a test plays. No case
sets the clock."""
import json
import pathlib
import socket
import subprocess
import tempfile
import threading
import unittest

import cli
from commands import TOOL

PING = b'{"execute":"guest-ping"}\n'
GET_TIME = b'{"execute":"guest-get-time"}\n'
OK = b'{"return": {}}\n'


def execute(name, arguments=None, **more):
    request = {"execute": name, **more}
    if arguments is not None:
        request["arguments"] = arguments
    return json.dumps(request).encode() + b"\n"


class Stream:
    """A socket or a terminal, read by lines."""

    def __init__(self, read, write):
        self.read, self.write, self.rest = read, write, b""

    def line(self):
        while b"\n" not in self.rest:
            data = self.read(65536)
            if not data:
                raise AssertionError(f"hung up after {self.rest!r}")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line + b"\n"

    def ask(self, request):
        self.write(request)
        return self.line()


class FakeAgent:
    """An upstream that does what its case tells it, on one connection."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.listener.settimeout(cli.HANGS_SEC)
        self.path, self.peer, self.stream = path, None, None

    def accept(self):
        """Take a connection and answer its greeting."""
        self.peer = self.listener.accept()[0]
        self.peer.settimeout(cli.HANGS_SEC)
        self.stream = Stream(self.peer.recv, self.peer.sendall)
        greeting = self.stream.line()
        if greeting[:1] != b"\xff":
            raise AssertionError(greeting)
        self.settle(greeting[1:])
        return self

    def settle(self, barrier):
        number = json.loads(barrier)["arguments"]["id"]
        self.peer.sendall(b'{"return": %d}\n' % number)

    def close(self):
        if self.peer:
            self.peer.close()
        self.listener.close()
        self.path.unlink(missing_ok=True)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def start(self, *args, stdout=subprocess.DEVNULL):
        """Serving, on a socket unless a port is given."""
        self.socket = self.folder / "host"
        if "--port" not in args:
            args = ("--listen", self.socket, *args)
        # No pipe: each line would wait for a reader once it is full.
        self.log = self.folder / "log"
        with open(self.log, "ab") as log:
            process = subprocess.Popen([TOOL, "agent", "--dry-run", "--dir",
                                        self.folder, *args],
                                       stdout=stdout, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        guard = threading.Timer(cli.HANGS_SEC, process.kill)
        guard.start()
        self.addCleanup(guard.cancel)
        if "--listen" in args:
            cli.wait_until(self.is_listening, process)
        return process

    def is_listening(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def connect(self, path=None):
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        peer.settimeout(cli.HANGS_SEC)
        peer.connect(str(path or self.socket))
        stream = Stream(peer.recv, peer.sendall)
        stream.peer = peer
        return stream

    def fake(self):
        agent = FakeAgent(self.folder / "upstream")
        self.addCleanup(agent.close)
        return agent

    def ends(self, process):
        process.terminate()
        self.assertEqual(process.wait(), 0)

    def error(self, reply, text):
        self.assertIn(text, json.loads(reply)["error"]["desc"])
