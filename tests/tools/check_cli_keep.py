#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock keep on a simulated vmclock, which is ahead of this machine's clock
by what each test says. Nothing here sets that clock: --dry-run.
Usage: check_cli_keep.py PARACLOCK"""
import json
import os
import socket
import subprocess
import sys

import cli

TOOL = sys.argv.pop(1)

# The simulated host's clock begins at a whole second, and the tool starts late
# on a busy machine: the truth is known to much less than this.
SLACK_SEC = 300


def run(*args, **more):
    return subprocess.run([TOOL, *map(str, args)], capture_output=True,
                          text=True, timeout=cli.HANGS_SEC, **more)


class Keep(cli.Service):
    tool = TOOL

    def source(self, page):
        return ["-b", "vmclock", "-d", page, "--dir", self.run_dir,
                "--container", "--dry-run", "--step-above", SLACK_SEC]

    def serve(self, page, *args, **more):
        """Returns when it answers."""
        process = self.start("keep", "--json", *self.source(page), *args,
                             **more)
        cli.wait_until((self.run_dir / "keep.json").exists, process)
        return process

    def sync(self, *args):
        return run("keep", "--sync", "--dir", self.run_dir, *args)

    # --- once --------------------------------------------------------------

    def test_right_is_0(self):
        result = run("keep", "--once", *self.source(self.publish("")))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("right", result.stderr)

    def test_off_in_a_dry_run_is_3(self):
        page = self.publish("", ahead="3000s")
        result = run("keep", "--once", "--json", *self.source(page))
        self.assertEqual(result.returncode, 3, result.stderr)
        event = json.loads(result.stdout)
        self.assertEqual((event["state"], event["why"], event["corrected"],
                          event["dry_run"]), ("off", "dry-run", False, True))
        self.assertLess(abs(event["offset_ns"] - 3000 * 10**9),
                        SLACK_SEC * 10**9)
        self.assertGreaterEqual(event["bound_ns"], 10**6)
        self.assertEqual(event["cause"]["kind"], "asked")

    def test_beyond_max_step_is_3(self):
        page = self.publish("", ahead="3000s")
        result = run("keep", "--once", "--json", *self.source(page),
                     "--max-step", 1000)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual(json.loads(result.stdout)["why"], "max-step")

    def test_never_backwards(self):
        page = self.publish("", ahead="-3000s")
        args = ["keep", "--once", "--json", *self.source(page)]
        result = run(*args)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual(json.loads(result.stdout)["why"], "backwards")
        result = run(*args, "--backwards")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual(json.loads(result.stdout)["why"], "dry-run")

    def test_wait_measures_only(self):
        page = self.publish("", ahead="3000s")
        args = ["keep", "--wait", "0", *self.source(page)]
        self.assertEqual(run(*args).returncode, 3)
        self.assertEqual(run(*args, "--within", 10000).returncode, 0)
        self.assertEqual(run(*args, "--within", 1).returncode, 3)

    # --- sources that are refused ------------------------------------------

    def test_a_source_without_utc(self):
        page = self.publish("", scale=" timescale monotonic")
        for mode in ([], ["--once"]):
            result = run("keep", *mode, *self.source(page))
            self.assertEqual(result.returncode, 1)
            self.assertIn("how much has passed", result.stderr)
            self.assertEqual(len(result.stderr.splitlines()), 1)

    def test_the_own_kernel(self):
        result = run("read", "-b", "tsc")
        if result.returncode == 1:
            self.skipTest(result.stderr)
        for mode in ([], ["--once"]):
            result = run("keep", *mode, "-b", "tsc", "--dry-run",
                         "--container", "--dir", self.run_dir)
            self.assertEqual(result.returncode, 1)
            self.assertIn("own clock", result.stderr)

    def test_usage(self):
        for args, text in (
                (["--once", "--sync"], "choose one"),
                (["--boot"], "--once"),
                (["--within", "1"], "--wait"),
                (["--otherwise", "step"], "disruption"),
                (["--on-disruption", "jump"], "neither"),
                (["--step-above", "x"], "--step-above"),
                (["--max-step", "-1"], "--max-step"),
                (["--interval", "0"], "--interval"),
                (["--vsock", "0"], "--vsock"),
                (["-b", "nonsense"], "not a backend"),
                (["more"], "more")):
            with self.subTest(args=args):
                result = run("keep", "--dry-run", "--container", "--dir",
                             self.run_dir, *args)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn(text, result.stderr)

    # --- the service -------------------------------------------------------

    def test_a_disruption_is_told_once(self):
        page = self.publish("host b maxerror 1ms maxerror-rate 50ppb ahead "
                            "3000s\nrun 3s\nmigrate v to b downtime 10ms")
        hook, told = self.dir / "hook", self.dir / "told"
        hook.write_text(f"#!/bin/sh\ncat >>{told}\necho >>{told}\n")
        hook.chmod(0o755)
        service = self.serve(page, "--exec", hook)
        first = json.loads(service.stdout.readline())
        self.assertEqual((first["state"], first["cause"]), ("right", None))
        self.go_on()
        # A look may fall into the move: then it waits first.
        events = [first]
        for line in service.stdout:
            events.append(json.loads(line))
            if events[-1]["state"] != "waiting":
                break
        last = events[-1]
        self.assertEqual((last["state"], last["dry_run"]), ("off", True))
        self.assertEqual(last["cause"]["source"], "vmclock")
        self.assertEqual(last["cause"]["marker_class"], "authoritative")
        self.assertNotEqual(last["cause"]["marker_before"],
                            last["cause"]["marker_after"])
        state = json.loads((self.run_dir / "keep.json").read_text())
        self.assertEqual((state["pid"], state["why"]),
                         (service.pid, "dry-run"))
        # Each event reaches the hook, in order.
        cli.wait_until(lambda: told.exists() and
                       told.read_text().count("}\n") == len(events), service)
        self.assertEqual([json.loads(line) for line
                          in told.read_text().splitlines() if line],
                         events)
        result = self.sync()
        self.assertEqual(result.returncode, 3)
        self.assertIn("would have been corrected", result.stderr)
        service.terminate()
        self.assertEqual(service.wait(), 0)
        # No other event; and the files are gone.
        self.assertEqual(service.stdout.read(), "")
        self.assertEqual([path.name for path in self.run_dir.iterdir()], [])

    def test_sync(self):
        page = self.publish("")
        result = self.sync()
        self.assertEqual(result.returncode, 1)
        self.assertIn("no paraclock keep runs here", result.stderr)
        self.serve(page)
        self.assertEqual(self.sync().returncode, 0)
        reply = json.loads(self.sync("--json").stdout)
        self.assertTrue(reply["right"])
        self.assertRegex(reply["marker"], "^0x[0-9a-f]{16}$")
        self.assertGreater(reply["counter"], 0)
        result = self.sync("--within", "0", "--wait", "0")
        self.assertEqual(result.returncode, 3)
        self.assertIn("--within", result.stderr)

    def test_a_second_service_is_refused(self):
        page = self.publish("")
        self.serve(page)
        result = run("keep", *self.source(page))
        self.assertEqual(result.returncode, 1)
        self.assertIn("another paraclock keep runs here", result.stderr)
        self.assertEqual(self.sync().returncode, 0)

    def test_a_service_that_was_killed_is_followed_by_another(self):
        page = self.publish("")
        service = self.serve(page)
        service.kill()
        service.wait()
        (self.run_dir / "keep.json").unlink()
        self.serve(page)
        self.assertEqual(self.sync().returncode, 0)

    def test_no_source_yet(self):
        service = self.start(
            "keep", "-b", "vmclock", "-d", self.dir / "none", "--dir",
            self.run_dir, "--container", "--dry-run")
        cli.wait_until((self.run_dir / "keep.json").exists, service)
        result = self.sync("--wait", "0.2")
        self.assertEqual(result.returncode, 1)
        self.assertIn(str(self.dir / "none"), result.stderr)
        state = json.loads((self.run_dir / "keep.json").read_text())
        self.assertEqual((state["state"], state["backend"]),
                         ("waiting", None))

    # --- hostile clients ---------------------------------------------------

    def connect(self):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(client.close)
        client.connect(str(self.run_dir / "keep.sock"))
        client.settimeout(cli.HANGS_SEC)
        return client

    def test_what_is_no_request(self):
        self.serve(self.publish(""))
        client = self.connect()
        for text in (b"x", b"{", b"[]", b"{}", b'{"request":1}', b"\0" * 50,
                     b'{"request":"set"}', b"[" * 4000, b"9" * 5000,
                     b'{"request":"sync","wait_ns":-1}',
                     b'{"request":"sync","within_ns":"1"}',
                     b'{"request":"sync","wait_ns":99999999999999999999}',
                     b'{"request":"sync","request":"sync"}', b"\xff\xfe"):
            client.send(text)
            self.assertIn("error", json.loads(client.recv(4096)), text)
        client.send(b'{"request":"sync"}')
        self.assertTrue(json.loads(client.recv(4096))["right"])

    def test_many_clients(self):
        self.serve(self.publish(""))
        clients = [self.connect() for _ in range(100)]
        for client in clients:
            client.close()
        # Clients that ask and do not wait, and one that reads nothing.
        deaf = self.connect()
        for _ in range(50):
            client = self.connect()
            client.send(b'{"request":"sync","wait_ns":3600000000000,'
                        b'"within_ns":0}')
            client.close()
        try:
            for _ in range(1000):
                deaf.send(b'{"request":"sync"}', socket.MSG_DONTWAIT)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
        self.assertEqual(self.sync().returncode, 0)

    def test_a_client_that_only_writes_no_more_is_answered(self):
        page = self.publish("", ahead="3000s")
        self.serve(page)
        client = self.connect()
        client.send(b'{"request":"sync","wait_ns":300000000,"within_ns":0}')
        client.shutdown(socket.SHUT_WR)
        self.assertFalse(json.loads(client.recv(4096))["right"])

    # --- systemd -----------------------------------------------------------

    def test_systemd_is_told(self):
        path = self.dir / "notify"
        systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(systemd.close)
        systemd.settimeout(cli.HANGS_SEC)
        systemd.bind(str(path))
        service = self.serve(self.publish(""), env={
            **os.environ, "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": "200000"})
        seen = b""
        while b"READY=1" not in seen or b"WATCHDOG=1" not in seen:
            seen += systemd.recv(4096) + b"\n"
        service.terminate()
        while b"STOPPING=1" not in seen:
            seen += systemd.recv(4096) + b"\n"


if __name__ == "__main__":
    cli.main()
