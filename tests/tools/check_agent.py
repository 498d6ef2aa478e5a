#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock agent between a host and a qemu-ga that this file plays. No case sets
the clock. Usage: check_agent.py PARACLOCK"""
import json
import os
import pathlib
import select
import socket
import stat
import subprocess
import threading
import time
import tty

import cli
from agent_bed import GET_TIME, OK, PING, Case, Stream, execute
from commands import TOOL, vmclock


class Options(Case):
    def run_tool(self, *args):
        return subprocess.run([TOOL, "agent", "--dry-run", *args],
                              capture_output=True, text=True, check=False,
                              timeout=cli.HANGS_SEC)

    def test_help_teaches(self):
        result = self.run_tool("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for word in ("--upstream", "guest-set-time", "unix-listen",
                     "Exit status", "Examples"):
            self.assertIn(word, result.stdout)

    def test_wrong_usage(self):
        for args in (["--max-step", "x"], ["--max-step", "-1"], ["word"],
                     ["--vsock", "x"], ["--vsock", "4294967295"],
                     ["--vsock", "4294967296"], ["--nope"],
                     ["--listen", "a", "--port", "b"],
                     ["--vsock", "1", "--listen", "a"]):
            with self.subTest(args=args):
                result = self.run_tool(*args)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertEqual(result.stderr.count("\n"), 1)

    def test_a_place_that_cannot_be_used(self):
        file = self.folder / "file"
        file.write_text("kept")
        for args in (["--port", self.folder / "missing"], ["--port", file],
                     ["--listen", file],
                     ["--listen", self.folder / ("x" * 120)]):
            with self.subTest(args=args):
                result = self.run_tool(*args)
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                self.assertIn(str(args[1]), result.stderr)
        self.assertEqual(file.read_text(), "kept")

    def test_a_socket_that_is_served(self):
        self.start()
        result = self.run_tool("--listen", str(self.socket))
        self.assertEqual(result.returncode, 1)
        self.assertIn("in use", result.stderr)
        self.assertTrue(self.is_listening())

    def test_the_socket_is_private_and_removed(self):
        process = self.start()
        self.assertEqual(stat.S_IMODE(self.socket.stat().st_mode), 0o600)
        process.kill()
        process.wait()
        # A dead socket is no obstacle.
        process = self.start()
        self.ends(process)
        self.assertFalse(self.socket.exists())


class Alone(Case):
    """Without an upstream."""

    def test_the_time(self):
        self.start()
        host = self.connect()
        before = time.time_ns()
        reply = json.loads(host.ask(GET_TIME))
        self.assertLess(before - 10**10, reply["return"])
        self.assertLess(reply["return"], time.time_ns() + 10**10)

    def test_setting_it_in_a_dry_run(self):
        process = self.start("--json", stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        host = self.connect()
        self.assertEqual(host.ask(execute("guest-set-time", {"time": 10**18})),
                         OK)
        event = json.loads(process.stdout.readline())
        self.assertEqual(list(event),
                         ["realtime_ns", "time", "event", "detail"])
        self.assertEqual(event["event"], "time-set")
        self.assertIn("dry run: not stepped ", event["detail"])
        self.error(host.ask(execute("guest-set-time", {"time": -1})), "1970")
        self.assertEqual(json.loads(process.stdout.readline())["event"],
                         "time-refused")
        # The clock is not there.
        self.assertGreater(json.loads(host.ask(GET_TIME))["return"],
                           event["realtime_ns"] - 10**11)

    def test_a_step_beyond_the_limit(self):
        self.start("--max-step", "3600.5")
        host = self.connect()
        now = json.loads(host.ask(GET_TIME))["return"]
        for offset in (3602, -3602, 1 - now // 10**9):
            reply = host.ask(execute("guest-set-time",
                                     {"time": now + offset * 10**9}))
            self.error(reply, "beyond --max-step, which is 3600.500 s")
        self.assertEqual(
            host.ask(execute("guest-set-time", {"time": now + 60 * 10**9})),
            OK)
        self.error(host.ask(execute("guest-set-time", {"time": 2**63 - 1})),
                   "beyond --max-step")

    def test_a_host_clock_that_is_not_valid_sets_nothing(self):
        page = self.folder / "page"
        page.write_bytes(vmclock(status_=0))
        self.start("-b", "vmclock", "-d", page)
        host = self.connect()
        self.error(host.ask(execute("guest-set-time")), "not valid")
        reply = json.loads(host.ask(execute("guest-paraclock-status")))
        status = reply["return"]
        self.assertEqual(
            list(status),
            ["source", "valid", "reason", "state", "text", "offset-ns",
             "bound-ns", "has-bound", "corrections", "last-disruption"])
        self.assertEqual(
            (status["source"], status["valid"], status["reason"],
             status["offset-ns"], status["corrections"]),
            ("vmclock", False, "status", None, 0))

    def test_what_is_known_and_what_is_not(self):
        self.start()
        host = self.connect()
        self.assertEqual(host.ask(PING), OK)
        self.assertEqual(host.ask(b"\xff")[:10], b'{"error": ')
        self.assertEqual(
            host.ask(execute("guest-sync-delimited", {"id": 5}, id="x")),
            b'\xff{"return": 5, "id": "x"}\n')
        info = json.loads(host.ask(execute("guest-info")))["return"]
        self.assertEqual(
            [command["name"] for command in info["supported_commands"]],
            ["guest-ping", "guest-sync", "guest-sync-delimited", "guest-info",
             "guest-get-time", "guest-set-time", "guest-paraclock-status"])
        reply = json.loads(host.ask(execute("guest-exec", {"path": "x"})))
        self.assertEqual(reply["error"]["class"], "CommandNotFound")

    def test_one_host_after_the_other(self):
        self.start()
        first, second = self.connect(), self.connect()
        second.write(PING)
        self.assertEqual(first.ask(PING), OK)
        first.write(b'{"execute":')
        first.peer.close()
        self.assertEqual(second.line(), OK)


class Upstream(Case):
    """An upstream that this file plays."""

    def both(self):
        fake = self.fake()
        self.start("--upstream", fake.path)
        fake.accept()
        return self.connect(), fake

    def test_bytes_pass_both_ways(self):
        host, fake = self.both()
        request = (b"{ 'execute' :\r\n \"guest-exec\",\t\"arguments\": "
                   b"{\"path\":\"\\u00e4\xc3\xa4\xc3(\\\"\"}}\n")
        reply = b'\xff {"return" : "\\"\xc3\xa4\xfe\x00" }\r\n'
        for size in (1, 7, 1000):
            for i in range(0, len(request), size):
                host.write(request[i:i + size])
            seen = b""
            while len(seen) < len(request):
                seen += fake.peer.recv(65536)
            self.assertEqual(seen, request)
            for i in range(0, len(reply), size):
                fake.peer.sendall(reply[i:i + size])
            self.assertEqual(host.line(), reply)

    def test_a_long_request_and_a_long_reply(self):
        host, fake = self.both()
        request = execute("guest-file-write", {"buf-b64": "A" * 2_000_000})
        sender = threading.Thread(target=host.write, args=(request,))
        sender.start()
        seen = fake.stream.line()
        sender.join()
        self.assertEqual(seen, request)
        reply = b'{"return": "' + b"B" * 2_000_000 + b'"}\n'
        sender = threading.Thread(target=fake.peer.sendall, args=(reply,))
        sender.start()
        self.assertEqual(host.line(), reply)
        sender.join()

    def test_the_order_of_replies(self):
        host, fake = self.both()
        host.write(PING + GET_TIME + execute("guest-exec") + GET_TIME)
        self.assertEqual(fake.stream.line(), PING)
        fake.peer.sendall(b'{"return": 1}\n')
        fake.settle(fake.stream.line())
        # Only now does it read on.
        self.assertEqual(fake.stream.line(), execute("guest-exec"))
        fake.peer.sendall(b'{"return": 2}\n')
        replies = [json.loads(host.line())["return"] for _ in range(3)]
        self.assertEqual((replies[0], replies[2]), (1, 2))
        self.assertGreater(replies[1], 10**9)
        fake.settle(fake.stream.line())
        self.assertGreater(json.loads(host.line())["return"], replies[1])

    def test_it_dies_and_comes_back(self):
        host, fake = self.both()
        for _ in range(3):
            host.write(PING + PING)
            fake.stream.line()
            fake.stream.line()
            fake.close()
            for _ in range(2):
                self.error(host.line(), "went away before it answered")
            # A connection may still be on its way: then it is lost too.
            self.error(host.ask(execute("guest-exec", id=4)), "away")
            self.assertIn(b"return", host.ask(GET_TIME))
            self.assertEqual(host.ask(execute("guest-sync", {"id": 3})),
                             b'{"return": 3}\n')
            fake = self.fake().accept()
            host.write(PING)
            self.assertEqual(fake.stream.line(), PING)
            fake.peer.sendall(OK)
            self.assertEqual(host.line(), OK)

    def test_it_is_not_there_at_first(self):
        self.start("--upstream", self.folder / "upstream")
        host = self.connect()
        self.error(host.ask(PING), "away")
        fake = self.fake().accept()
        host.write(PING)
        self.assertEqual(fake.stream.line(), PING)

    def test_a_host_that_hung_up_gets_no_reply(self):
        host, fake = self.both()
        host.write(PING)
        fake.stream.line()
        host.peer.close()
        barrier = fake.stream.line()
        second = self.connect()
        second.write(PING)
        fake.peer.sendall(b'{"return": "stale"}\n')
        fake.settle(barrier)
        self.assertEqual(fake.stream.line(), PING)
        fake.peer.sendall(b'{"return": "fresh"}\n')
        self.assertEqual(second.line(), b'{"return": "fresh"}\n')


def patient_read(fd, size):
    if not select.select([fd], [], [], cli.HANGS_SEC)[0]:
        raise AssertionError("no answer")
    return os.read(fd, size)


class Port(Case):
    """A character device that closes, fails, and opens again."""

    def open_port(self):
        master, slave = cli.open_terminal(self)
        tty.setraw(master)
        link = self.folder / "port"
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))
        return master, slave

    def test_it_closes_and_opens(self):
        master, slave = self.open_port()
        process = self.start("--port", self.folder / "port")
        for _ in range(3):
            host = Stream(lambda size, fd=master: patient_read(fd, size),
                          lambda data, fd=master: os.write(fd, data))
            # 0xFF first: what the terminal echoed before it was raw is void.
            self.assertIn(b"error", host.ask(b"\xff"))
            self.assertEqual(host.ask(PING), OK)
            self.assertIn(b"return", host.ask(GET_TIME))
            host.write(b'{"execute":"guest-')
            old = (master, slave)
            master, slave = self.open_port()
            for fd in old:
                os.close(fd)
        os.close(master)
        os.close(slave)
        self.ends(process)
        # Closed, it is waited for, not asked without end.
        log = self.log.read_text()
        self.assertLess(log.count("the host is gone"), 10, log)

    def test_a_port_that_is_closed_costs_nothing(self):
        master, slave = self.open_port()
        process = self.start("--port", self.folder / "port")
        os.write(master, b"\xff")
        os.read(master, 1)
        os.close(master)
        os.close(slave)
        link = self.folder / "port"
        link.unlink()
        # It waits: of many looks at a busy loop most would find it running.
        asleep = 0
        for _ in range(100):
            time.sleep(0.01)
            with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
                asleep += file.read().rsplit(")", 1)[1].split()[0] == "S"
        self.assertGreater(asleep, 50)
        self.ends(process)


def is_socket(descriptor):
    try:
        return os.readlink(descriptor).startswith("socket:")
    except FileNotFoundError:
        return False  # closed since it was listed


def listens_on_vsock(process):
    """Blocked signals: the loop is there; then its sockets are."""
    fds = pathlib.Path(f"/proc/{process.pid}/fd")
    return any(is_socket(descriptor) for descriptor in fds.iterdir())


class Vsock(Case):
    def test_only_the_host_may_connect(self):
        port = 900_000 + os.getpid() % 100_000
        process = self.start_vsock(port)
        peer = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
        self.addCleanup(peer.close)
        peer.settimeout(cli.HANGS_SEC)
        try:
            peer.connect((1, port))
        except OSError as error:
            self.skipTest(f"no loopback over vsock: {error}")
        peer.sendall(PING)
        try:
            self.assertEqual(peer.recv(100), b"")
        except ConnectionResetError:
            pass
        process.terminate()
        self.assertIn("only the host", process.stderr.read().decode())

    def start_vsock(self, port):
        process = subprocess.Popen([TOOL, "agent", "--dry-run", "--vsock",
                                    str(port)], stderr=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        try:
            cli.wait_until(lambda: listens_on_vsock(process), process)
        except AssertionError:
            self.skipTest("no vsock: " + process.stderr.read().decode())
        return process


if __name__ == "__main__":
    cli.main()
