#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The JSON of every command and service against docs/json.md, both ways: each
line fits, and each member of the document is in some line.
Usage: check_cli_json.py PARACLOCK MACHINE_STATUS NEWS MACHINE..."""
import calendar
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import unittest

import cli
from commands import (BOUND, MONOTONIC, SEC, TAI, TOOL, UTC, Page, objects,
                      pvclock, run, status, vmclock)
from schema import Schema

MACHINE_STATUS, NEWS, *MACHINES = sys.argv[1:]
del sys.argv[1:]
SCHEMA = Schema()


def ns_of(text):
    whole = time.strptime(text[:19].replace(":60", ":59"), "%Y-%m-%dT%H:%M:%S")
    return calendar.timegm(whole) * SEC + int(text[20:29])


def times_of(line):
    """(string, ns of UTC) of each time of day, and None where neither is."""
    pairs = [(f"{key[:-3]}", line[key]) for key in
             ("earliest_ns", "latest_ns") if key in line]
    if "host_ns" in line:
        off = {"utc": 0, "utc-maybe-smeared": 0}.get(line["timescale"])
        if line["timescale"] == "tai" and line["tai_offset_sec"] is not None:
            off = line["tai_offset_sec"] * SEC
        pairs.append(("time", None if off is None or not line["valid"]
                      else line["host_ns"] - off))
        if "realtime_ns" in line:
            pairs.append(("realtime", line["realtime_ns"]))
    elif "realtime_ns" in line:
        key = "realtime" if "realtime" in line else "time"
        pairs.append((key, line["realtime_ns"]))
    return [(line[key], ns) for key, ns in pairs]


class Case(cli.Service):
    tool = TOOL

    def fits(self, lines, name):
        lines = [json.loads(line) for line in lines
                 ] if lines and isinstance(lines[0], str) else list(lines)
        self.assertTrue(lines, name)
        for line in lines:
            self.assertEqual(SCHEMA.errors(line, name), [], line)
            for text, ns in times_of(line):
                self.assertEqual(text and ns_of(text), ns, line)
        return lines

    def of(self, name, *args, want=(0, 3)):
        result = run(*map(str, args))
        self.assertIn(result.returncode, want, result.stderr)
        return self.fits(result.stdout.splitlines(), name)

    def source(self, page):
        return ["-b", "vmclock", "-d", page, "--dir", self.run_dir]


class Commands(Case):
    def test_status(self):
        self.fits([status()], "status")
        for machine in MACHINES:
            with self.subTest(machine=machine):
                shown = subprocess.run(
                    [MACHINE_STATUS, "--json", machine], check=False,
                    capture_output=True, text=True, timeout=cli.HANGS_SEC)
                self.fits(shown.stdout.splitlines(), "status")

    def test_read_and_cross_of_what_is_here(self):
        for backend in status()["backends"]:
            if backend["available"]:
                args = ["-b", backend["name"], "-n", 2, "-i", 0, "--json"]
                self.of("read", "read", *args)
                # Its counter may not be the system clocks'.
                result = run("cross", *map(str, args))
                if result.stdout:
                    self.fits(result.stdout.splitlines(), "cross")

    def now(self):
        return objects(run("read", "-b", "tsc", "--json"))[0]["host_tsc"]

    def page(self, **more):
        counter = status()["counter"]
        return Page(vmclock(counter=int(counter["id"] == "x86-tsc") or 2,
                            hz=counter["hz"], **more).ljust(4096, b"\0"))

    def test_pages(self):
        """Each timescale, leap seconds, and the ends of each range."""
        at = (self.now(), 1700000000 * SEC)
        early, late = (at[0], 0), (at[0], 2**63 - 10**15)
        for scale in (UTC, TAI, MONOTONIC):
            for more in (
                    {}, {"status_": 1}, {"status_": 4}, {"counter": 255},
                    {"error_ns": 2**64 - 1}, {"error_ns": 2**63},
                    {"at": early}, {"at": late},
                    {"at": (at[0], 1483228799 * SEC), "leap": 1},
                    {"marker": 2**64 - 1}):
                more = {"at": at, "time_type": scale, "flags": BOUND, **more}
                counter = more.pop("counter", None)
                page = self.page(**more) if counter is None else \
                    Page(vmclock(counter=counter, **more))
                for command in ("read", "cross"):
                    with self.subTest(command=command, **more):
                        result = run(command, "-b", "vmclock", "-d", page.path,
                                     "--json")
                        if result.returncode != 1:
                            self.fits(result.stdout.splitlines(), command)

    def test_decode(self):
        at = (1000, 1483228800 * SEC)
        for data, kind, counters in (
                (pvclock(), "pvclock", (0, 3000, 2**64 - 1)),
                (pvclock(flags=0), "pvclock", (3000,)),
                (b"\0" * 4096, "hyperv", (3000,)),
                (vmclock(flags=BOUND), "vmclock", (0, 2000, 2**64 - 1)),
                (vmclock(flags=BOUND, time_type=UTC, leap=1,
                         at=(1000, 1483228799 * SEC)), "vmclock",
                 (1000, 1000 + SEC, 1000 + 2 * SEC)),
                (vmclock(flags=BOUND, time_type=TAI, leap=4, at=at),
                 "vmclock", (1000,))):
            page = Page(data)
            for counter in counters:
                result = run("decode", kind, "--page", page.path, "--counter",
                             str(counter), "--json")
                if result.returncode != 1:
                    self.fits(result.stdout.splitlines(), "decode")

    def test_an_inserted_second_is_60(self):
        page = Page(vmclock(flags=BOUND, time_type=UTC, leap=1,
                            at=(1000, 1483228799 * SEC)))
        result = objects(run("decode", "vmclock", "--page", page.path,
                             "--counter", str(1000 + SEC + SEC // 2),
                             "--json"))[0]
        self.assertTrue(result["valid"], result)
        self.assertEqual(result["leap"], "pos")
        self.assertEqual(result["time"][:20], "2016-12-31T23:59:60.")

    def test_an_inserted_second_is_60_however_the_host_numbers_it(self):
        """A page that was written inside it, and that numbers it as the second
        before or as the one after. On TAI hosts disagree on the offset."""
        for leap, scale, sec, want in (
                (3, UTC, 1483228799, "2016-12-31T23:59:60.500"),
                (3, UTC, 1483228800, "2016-12-31T23:59:60.500"),
                (4, UTC, 1483228800, "2017-01-01T00:00:00.500"),
                (3, TAI, 1483228836, None),
                (4, TAI, 1483228837, "2017-01-01T00:00:00.500")):
            page = Page(vmclock(flags=BOUND, time_type=scale, leap=leap,
                                at=(1000, sec * SEC + SEC // 2)))
            args = ("decode", "vmclock", "--page", page.path, "--counter",
                    "1000")
            with self.subTest(leap=leap, scale=scale, sec=sec):
                result = objects(run(*args, "--json"))[0]
                self.assertTrue(result["valid"], result)
                self.assertEqual(result["host_ns"] // SEC, sec)
                self.assertEqual(result["time"] and result["time"][:23], want)
                if scale == UTC:
                    self.assertIn(want, run(*args).stdout)

    def events_of(self, *args):
        """Of a page whose marker changes, which is lost and found."""
        page = self.page(at=(self.now(), 1700000000 * SEC), marker=7)
        good = pathlib.Path(page.path).read_bytes()
        tool = self.start(*args, "--json", "-b", "vmclock", "-d", page.path)
        if args[0] == "events":
            cli.wait_for_handlers(tool)
        lines = [] if args[0] == "events" else [tool.stdout.readline()]
        for data, kind in (
                (good[:16] + b"\x08" + good[17:], '"kind":"updated"'),
                (b"garbage", '"kind":"source-lost"' if args[0] == "events"
                 else '"valid":false,"error":"EPROTO"'),
                (good, '"kind":"source-found"')):
            with open(page.path, "r+b") as file:
                file.truncate(len(data))
                file.write(data)
            while kind not in (lines[-1] if lines else ""):
                lines.append(tool.stdout.readline())
                self.assertTrue(lines[-1], lines)
        tool.send_signal(signal.SIGINT)
        lines += tool.communicate()[0].splitlines()
        return lines

    def test_events(self):
        lines = self.fits(self.events_of("events"), "event")
        self.assertIn("source-lost", [line["kind"] for line in lines])

    def test_watch(self):
        self.of("watch", "watch", "-b", "tsc", "-n", 3, "-i", "0.05", "-j")
        lines = self.fits(self.events_of("watch", "-i", "0.05"), "watch")
        self.assertTrue(any(line.get("disrupted_at") for line in lines))
        self.assertTrue(any(line.get("error") for line in lines))

    def test_bench(self):
        self.of("bench", "bench", "--seconds", "0.1", "--json", "--keep",
                self.dir, want=(0, 1, 3))

    def test_alarm(self):
        page = self.page(at=(self.now(), 1700000000 * SEC), flags=BOUND)
        for args in (["-b", "vmclock", "-d", page.path], ["-b", "tsc"],
                     ["-b", "vmclock", "-d", self.dir / "none"]):
            self.of("alarm", "alarm", "--json", "--dir", self.run_dir,
                    "--warn-offset", 1, "--max-offset", 10, "--max-bound", 1,
                    "--since-disruption", 5, *args, want=(0, 1, 2, 3))

    def test_simulate(self):
        script = self.dir / "a.sim"
        script.write_text("host a maxerror 1ms\nhost b ahead 1s\n"
                          "vm v on a with vmclock,generation\n"
                          "open v with vmclock\nrun 1s\nread v\n"
                          "migrate v to b downtime 1s\nread v\n"
                          "expect v invalid\n")
        self.of("simulate", "simulate", "--json", script)


class Services(Case):
    def publish(self, acts="", **more):
        return super().publish("host b maxerror 1ms maxerror-rate 50ppb ahead "
                               f"3000s\n{acts}", **more)

    def state(self, name, service, definition):
        path = self.run_dir / f"{name}.json"
        cli.wait_until(path.exists, service)
        return self.fits([path.read_text()], definition)[0]

    def stop(self, service):
        service.terminate()
        return service.communicate()[0].splitlines()

    def test_keep(self):
        page = self.publish("run 3s\nmigrate v to b downtime 10ms")
        args = [*self.source(page), "--container", "--dry-run", "--json",
                "--step-above", 300]
        self.of("keep", "keep", "--once", *args)
        keep = self.start("keep", *args)
        lines = [keep.stdout.readline()]
        self.go_on()
        self.state("keep", keep, "keep_state")
        self.of("keep_sync", "keep", "--sync", "--json", "--dir", self.run_dir,
                "--wait", 1, want=(0, 1, 3))
        while '"cause":{' not in lines[-1]:
            lines.append(keep.stdout.readline())
            self.assertTrue(lines[-1], lines)
        self.state("keep", keep, "keep_state")
        self.fits(lines + self.stop(keep), "keep")

    def test_keep_that_has_stepped(self):
        """As it would tell it: no test sets this machine's clock."""
        shown = subprocess.run([NEWS], capture_output=True, text=True,
                               check=True, timeout=cli.HANGS_SEC).stdout
        line, = self.fits(shown.splitlines(), "keep")
        self.assertTrue(line["corrected"])
        state = {**line, "pid": 1, "started_ticks": 1, "text": "",
                 "corrections": 1, "watching_since_ns": None,
                 "marker_class": "none",
                 "disruptions": 0, "last_disruption_ns": None,
                 "last_disruption": None, "last_correction": line}
        self.fits([state], "keep_state")

    def test_agent(self):
        path = self.dir / "agent"
        agent = self.start("agent", "--listen", path, "--dry-run", "--json",
                           "--dir", self.run_dir)
        with socket.socket(socket.AF_UNIX) as host:
            cli.wait_until(lambda: not host.connect_ex(str(path)), agent)
            host.sendall(b'{"execute":"guest-set-time",'
                         b'"arguments":{"time":1000000000000000000}}\n')
            lines = []
            while '"time-set"' not in (lines[-1] if lines else ""):
                lines.append(agent.stdout.readline())
                self.assertTrue(lines[-1], lines)
        self.fits(lines + self.stop(agent), "agent")

    def test_feed(self):
        page = self.publish("run 3s\nmigrate v to b downtime 10ms")
        feed = self.start("feed", *self.source(page), "--stdout", "--json",
                          "--interval", "0.05", "--delay", "0.5")
        lines, types = [], set()
        while types < {"sample", "state", "disruption"}:
            lines.append(feed.stdout.readline())
            self.assertTrue(lines[-1], lines)
            types.add(json.loads(lines[-1])["type"])
            self.go_on()
        self.state("feed", feed, "feed_state")
        self.fits(lines + self.stop(feed), "feed")

    def test_serve(self):
        page = self.publish()
        serve = self.start("serve", *self.source(page), "--container",
                           "--json", "--clockbound", self.dir / "shm0")
        lines = []
        while '"synchronized"' not in (lines[-1] if lines else ""):
            lines.append(serve.stdout.readline())
            self.assertTrue(lines[-1], lines)
        self.state("serve", serve, "serve")
        self.fits(lines + self.stop(serve), "serve")

    def test_no_source(self):
        page = self.dir / "none"
        for name, more in (("keep", ["--container", "--dry-run"]),
                           ("feed", ["--stdout"]),
                           ("serve", ["--container"])):
            service = self.start(name, *self.source(page), *more)
            self.state(name, service, {"keep": "keep_state",
                                       "feed": "feed_state"}.get(name, name))
            service.send_signal(signal.SIGTERM)
            told = service.communicate()[1]
            self.assertEqual(told.count(f"{page}: no such device"), 1, told)


class TheDocument(Case):
    """After the others."""

    def test_a_wrong_line_does_not_fit(self):
        page = Page(vmclock(flags=BOUND))
        good = objects(run("decode", "vmclock", "--page", page.path,
                           "--counter", "2000", "--json"))[0]
        self.assertEqual(SCHEMA.errors(good, "decode"), [])
        for key, wrong in (("time", good["host_ns"]), ("time", "2023-11-14"),
                           ("marker", "0x7"), ("marker", 7), ("valid", 1),
                           ("reason", "fine"), ("host_tsc", -1),
                           ("host_tsc", 2**64), ("host_ns", None),
                           ("epoch", True), ("leap", ""), ("more", 1)):
            self.assertTrue(SCHEMA.errors({**good, key: wrong}, "decode"), key)
        for key in good:
            short = {k: v for k, v in good.items() if k != key}
            self.assertTrue(SCHEMA.errors(short, "decode"), key)

    def test_each_member_was_in_some_line(self):
        # Only where a keep runs beside it, in the default folder.
        expected = {"status.keep"}
        if os.path.exists("/run/paraclock/keep/keep.json"):
            expected = set()
        self.assertEqual(set(SCHEMA.unseen()) - {"status.keep"} | expected,
                         expected)


def load_tests(loader, _tests, _pattern):
    return unittest.TestSuite(
        loader.loadTestsFromTestCase(case)
        for case in (Commands, Services, TheDocument))


if __name__ == "__main__":
    cli.main()
