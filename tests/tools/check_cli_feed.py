#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock feed on simulated vmclocks whose distance to this machine's clock
is known, into a receiver that knows chrony's datagram by its documentation.
Usage: check_cli_feed.py PARACLOCK"""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import cli

TOOL = sys.argv.pop(1)

# Most samples are as near to the truth, ns. Single ones, and single readings of
# the truth, may be hit by whatever else runs here: their bound says how much.
TRUTH_NS = 1000

MAGIC = 0x534f434b


def run(*args, **more):
    return subprocess.run([TOOL, *map(str, args)], capture_output=True,
                          text=True, timeout=cli.HANGS_SEC, **more)


class Datagram:
    def __init__(self, data):
        (self.sec, self.us, self.offset, self.pulse, self.leap, self.pad,
         self.magic) = struct.unpack("=qqdiiii", data)
        self.real_ns = self.sec * 10**9 + self.us * 1000


class Receiver:
    """As chronyd: it makes the socket when it starts."""

    def __init__(self, test, path):
        path.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        test.addCleanup(self.socket.close)
        self.socket.bind(str(path))

    def receive(self, timeout=cli.HANGS_SEC):
        self.socket.settimeout(timeout)
        return Datagram(self.socket.recv(4096))

    def is_empty(self):
        self.socket.setblocking(False)
        try:
            self.socket.recv(4096)
        except BlockingIOError:
            return True
        return False

    def drain(self):
        while not self.is_empty():
            pass

    def stop(self):
        self.socket.close()


class Feed(cli.Service):
    tool = TOOL

    def setUp(self):
        super().setUp()
        self.path = self.dir / "chrony.sock"

    def source(self, page):
        return ["-b", "vmclock", "-d", page, "--dir", self.run_dir]

    def feed(self, page, *args, **more):
        return self.start("feed", *self.source(page), "--chrony-sock",
                          self.path, "--interval", "0.1", "--no-reset", *args,
                          **more)

    def fake_chronyc(self, then="true"):
        """The file that it writes its arguments to, and an environment."""
        program, told = self.dir / "chronyc", self.dir / "told"
        program.write_text(f"#!/bin/sh\necho \"$@\" >>{told}\n{then}\n")
        program.chmod(0o755)
        return told, {**os.environ,
                      "PATH": f"{self.dir}:{os.environ['PATH']}"}

    def truth(self, page):
        """How far the page is from CLOCK_REALTIME, by another command, and
        how well that is known."""
        line = json.loads(run("cross", "-b", "vmclock", "-d", page,
                              "--json").stdout)
        host_ns = line["host_ns"]
        if line["timescale"] == "tai":
            host_ns -= line["tai_offset_sec"] * 10**9
        return host_ns - line["realtime_ns"], line["uncertainty_ns"]

    def follow(self, states, **want):
        """The next state that is so: a page that is read while it is written
        is not valid for an instant."""
        for state in states:
            if want.items() <= state.items():
                return state
        return self.fail(f"it ended before {want}")

    def state(self):
        return json.loads((self.run_dir / "feed.json").read_text())

    def wait_for_output(self, service, good):
        """The first one, as the file says; there may be none yet."""
        cli.wait_until((self.run_dir / "feed.json").exists, service)
        cli.wait_until(lambda: good(self.state()["outputs"][0]), service)

    # --- samples -----------------------------------------------------------

    def test_samples_are_the_truth(self):
        for scale in ("", " timescale utc"):
            page = self.publish(ahead="-7s", scale=scale,
                                name="u" if scale else "t")
            receiver = Receiver(self, self.path)
            service = self.feed(page)
            errors, sure = [], []
            for _ in range(21):
                # Before and after: the clock of this machine is slewed.
                truth = [self.truth(page)]
                receiver.drain()
                got = receiver.receive()
                now_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
                truth.append(self.truth(page))
                self.assertEqual((got.pulse, got.leap, got.pad, got.magic),
                                 (0, 0, 0, MAGIC))
                self.assertLessEqual(got.real_ns, now_ns)
                offset_ns = got.offset * 1e9
                (low, _), (high, _) = sorted(truth)
                errors.append(max(low - offset_ns, offset_ns - high, 0))
                sure.append(errors[-1] - max(known for _, known in truth))
            errors.sort()
            print(f"off by {errors[10]:.0f} ns, at most {errors[-1]:.0f} ns")
            self.assertLess(errors[10], TRUTH_NS)
            # What chrony.conf has to state.
            self.assertLess(max(sure), self.state()["printed_bound_ns"])
            service.terminate()
            self.assertEqual(service.wait(), 0, service.stderr.read())
            # The file is gone.
            self.assertEqual(list(self.run_dir.iterdir()), [])
            receiver.stop()

    def test_a_leap_second_is_announced(self):
        for sign, leap in (("positive", 1), ("negative", 2)):
            page = self.publish(f"leap a {sign}", name=sign)
            receiver = Receiver(self, self.path)
            service = self.feed(page)
            # The page follows the act.
            while receiver.receive().leap != leap:
                pass
            service.terminate()
            self.assertEqual(service.wait(), 0)
            self.assertIn("announces a leap second", service.stderr.read())
            receiver.stop()

    def test_lines(self):
        page = self.publish(ahead="3s")
        result = run("feed", *self.source(page), "--stdout", "-n", 3,
                     "--interval", "0.05")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(lines), 3)
        for line in lines:
            self.assertEqual(list(line), [
                "type", "time", "realtime_ns", "offset_ns", "bound_ns",
                "has_bound", "spread_ns", "n", "leap", "backend",
                "timescale", "epoch"])
            self.assertEqual(
                (line["type"], line["n"], line["leap"], line["backend"],
                 line["timescale"]), ("sample", 5, "none", "vmclock", "tai"))
            self.assertGreaterEqual(line["bound_ns"], 10**6)
            self.assertRegex(line["time"], r"^20\d\d-.*\.\d{9}Z$")

    def test_shared_memory(self):
        page = self.publish()
        unit = 200 + os.getpid() % 50
        self.addCleanup(subprocess.run, [
            "ipcrm", "-M", hex(0x4e545030 + unit)], stderr=subprocess.DEVNULL)
        result = run("feed", *self.source(page), "--ntp-shm", unit, "-n", 2,
                     "--interval", "0.05", "--no-reset")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"ntp-shm {unit}: delivering", result.stderr)

    def test_state(self):
        page = self.publish(ahead="3s")
        receiver = Receiver(self, self.path)
        service = self.feed(page, "--json", "--delay", "0.5")
        receiver.receive()
        state = json.loads(service.stdout.readline())
        self.assertEqual(state.pop("type"), "state")
        # A sample comes before the file that tells of it.
        self.wait_for_output(service, lambda output: output["delivered"])
        self.assertEqual(list(self.state()),
                         ["pid", "started_ticks", *state])
        self.assertEqual(list(state), [
            "realtime_ns", "time", "state", "why", "text", "backend",
            "timescale", "offset_ns", "bound_ns", "has_bound", "disruptions",
            "samples", "outputs", "printed_bound_ns",
            "largest_bound_ns"])
        state = self.state()
        self.assertEqual(
            (state["pid"], state["started_ticks"], state["state"],
             state["why"], state["backend"], state["has_bound"],
             state["printed_bound_ns"]),
            (service.pid, cli.started_ticks(service.pid), "feeding", None,
             "vmclock", True, 250000000))
        output, = state["outputs"]
        self.assertEqual((output["kind"], output["target"],
                          output["connected"], output["failed"]),
                         ("chrony-sock", str(self.path), True, 0))
        self.assertGreater(output["delivered"], 0)

    # --- receivers that come and go ----------------------------------------

    def test_the_receiver_starts_again(self):
        page = self.publish()
        receiver = Receiver(self, self.path)
        service = self.feed(page, "--interval", "1")
        receiver.receive()
        for _ in range(2):
            # The file may still tell of the time before that sample.
            self.wait_for_output(service, lambda output: output["connected"])
            receiver.stop()
            self.wait_for_output(service,
                                 lambda output: not output["connected"])
            receiver = Receiver(self, self.path)
            begun = time.monotonic()
            receiver.receive()
            print(f"again after {time.monotonic() - begun:.1f} s")
        service.terminate()
        self.assertEqual(service.wait(), 0)
        log = service.stderr.read()
        # One line each; the name may be seen gone as well.
        self.assertIn(log.count("not delivered"), (2, 3, 4), log)
        self.assertEqual(log.count(": delivering"), 3, log)

    def test_a_receiver_that_does_not_read(self):
        page = self.publish()
        receiver = Receiver(self, self.path)
        service = self.feed(page, "--interval", "0.01")
        self.wait_for_output(service, lambda output: output["failed"] > 20)
        # The queue is not full again before it is empty.
        service.send_signal(signal.SIGSTOP)
        cli.wait_for_state(service, "T")
        receiver.drain()
        before = self.state()["outputs"][0]["delivered"]
        service.send_signal(signal.SIGCONT)
        self.wait_for_output(service,
                             lambda output: output["delivered"] > before)
        service.terminate()
        self.assertEqual(service.wait(), 0)
        self.assertLessEqual(service.stderr.read().count("does not read"), 3)

    def test_a_reader_of_stdout_that_does_not_read(self):
        page = self.publish()
        receiver = Receiver(self, self.path)
        # Nobody reads its stdout: the pipe fills, chronyd still gets its own.
        service = self.feed(page, "--stdout", "--interval", "0.01")
        cli.wait_until((self.run_dir / "feed.json").exists, service)

        def is_full():
            receiver.drain()
            return self.state()["outputs"][1]["failed"] > 5
        cli.wait_until(is_full, service)
        receiver.drain()
        receiver.receive()

    def test_a_reader_of_stdout_that_is_gone(self):
        page = self.publish()
        service = self.start("feed", *self.source(page), "--stdout",
                             "--interval", "0.05")
        service.stdout.readline()
        service.stdout.close()
        self.assertEqual(service.wait(), 1)

    def test_a_folder_that_may_not_be_written(self):
        page = self.publish()
        receiver = Receiver(self, self.path)
        (self.dir / "file").write_text("")
        service = self.start(
            "feed", "-b", "vmclock", "-d", page, "--dir",
            self.dir / "file" / "run", "--chrony-sock", self.path,
            "--interval", "0.05", "--no-reset")
        for _ in range(10):
            receiver.receive()
        service.terminate()
        self.assertEqual(service.wait(), 0)
        self.assertEqual(service.stderr.read().count("feed.json"), 1)

    # --- sources that are not valid, and disruptions -----------------------

    def test_not_valid(self):
        page = self.publish()
        self.hold(page)
        receiver = Receiver(self, self.path)
        service = self.feed(page, "--json")
        receiver.receive()
        states = map(json.loads, service.stdout)
        self.follow(states, state="feeding")
        cli.set_status(page, cli.UNRELIABLE)
        waiting = self.follow(states, state="waiting", why="not-valid")
        receiver.drain()
        # It looks on meanwhile.
        cli.wait_until(lambda: self.state()["realtime_ns"] >
                       waiting["realtime_ns"] + 10**9, service)
        valid_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        cli.set_status(page, cli.SYNCHRONIZED)
        self.follow(states, state="feeding")
        # Nothing that was taken in between. Its time is in us.
        self.assertGreater(receiver.receive().real_ns, valid_ns - 1000)

    def test_after_a_migration_no_sample_has_the_old_time(self):
        moves = 6
        page = self.publish(
            "host b maxerror 1ms maxerror-rate 50ppb ahead 5.25s\n"
            + "run 1s\nmigrate v to b downtime 50ms\n"
              "run 1s\nmigrate v to a downtime 50ms\n" * 300,
            ahead="5s")
        self.go_on()
        service = self.start("feed", *self.source(page), "--stdout",
                             "--interval", "0.02")
        last, told, flips, samples = None, False, 0, 0
        for line in service.stdout:
            line = json.loads(line)
            if line["type"] == "disruption":
                told = True
                continue
            samples += 1
            # A sample of the old time after a disruption would be followed by
            # one of the new time without another disruption.
            if last and abs(line["offset_ns"] - last) > 125 * 10**6:
                self.assertTrue(told, (last, line))
                flips += 1
            last, told = line["offset_ns"], False
            if flips == moves:
                break
        self.assertEqual(flips, moves)
        print(f"{flips} migrations, {samples} samples")

    def test_chronyd_shall_forget(self):
        page = self.publish("host b maxerror 1ms maxerror-rate 50ppb ahead "
                            "250ms\nrun 2s\nmigrate v to b downtime 10ms")
        receiver = Receiver(self, self.path)
        told, env = self.fake_chronyc()
        service = self.start(
            "feed", *self.source(page), "--chrony-sock", self.path,
            "--interval", "0.1", "--chronyc-socket", "/x/y", env=env)
        receiver.receive()
        self.go_on()
        cli.wait_until(lambda: told.exists() and
                       told.read_text().count("\n") >= 2, service)
        self.assertEqual(told.read_text().splitlines()[:2],
                         ["-h /x/y reset sources", "-h /x/y burst 4/4"])

    def test_a_chronyc_that_hangs(self):
        page = self.publish("host b maxerror 1ms maxerror-rate 50ppb ahead "
                            "250ms\nrun 2s\nmigrate v to b downtime 10ms")
        receiver = Receiver(self, self.path)
        _, env = self.fake_chronyc("sleep 1000")
        service = self.start(
            "feed", *self.source(page), "--chrony-sock", self.path,
            "--interval", "0.1", "--chronyc-socket", "/x/y", "--json",
            env=env)
        receiver.receive()
        states = map(json.loads, service.stdout)
        self.follow(states, state="feeding")
        self.go_on()
        self.follow(states, why="disrupted")
        # It goes on all the same.
        self.follow(states, state="feeding")
        # What hangs is killed when it ends.
        service.terminate()
        self.assertEqual(service.wait(), 0)

    def test_the_bound_grows_beyond_what_was_printed(self):
        page = self.publish("host b maxerror 40ms maxerror-rate 50ppb\nrun 2s"
                            "\nmigrate v to b downtime 10ms")
        receiver = Receiver(self, self.path)
        service = self.feed(page, "--json")
        receiver.receive()
        states = map(json.loads, service.stdout)
        first = self.follow(states, state="feeding")
        self.assertGreaterEqual(first["printed_bound_ns"], first["bound_ns"])
        self.go_on()
        self.follow(states, why="disrupted")
        wide = self.follow(states, state="waiting", why="wide")
        self.assertGreaterEqual(wide["bound_ns"], 40000000)
        self.assertEqual(wide["printed_bound_ns"], first["printed_bound_ns"])
        receiver.drain()
        cli.wait_until(lambda: self.state()["realtime_ns"] >
                       wide["realtime_ns"] + 10**9, service)
        self.assertTrue(receiver.is_empty())

    # --- --print-config ----------------------------------------------------

    def test_print_config(self):
        page = self.publish()
        result = run("feed", *self.source(page), "--print-config",
                     "--chrony-sock", "/run/x.sock", "--poll", 3)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertFalse(self.run_dir.exists())
        lines = [line for line in result.stdout.splitlines()
                 if not line.startswith("#")]
        self.assertEqual(len(lines), 1)
        found = re.fullmatch(r"refclock SOCK /run/x\.sock refid HOST poll 3 "
                             r"delay (\S+) precision (\S+)", lines[0])
        self.assertTrue(found, lines)
        # Twice the bound.
        self.assertGreaterEqual(float(found[1]), 0.002)
        self.assertLessEqual(float(found[1]), 0.003)
        self.assertLess(float(found[2]), 0.001)

    def test_print_config_says_what_is_not_valid(self):
        page = self.publish("status a unreliable")
        result = run("feed", *self.source(page), "--print-config")
        self.assertEqual((result.returncode, result.stdout), (3, ""))
        self.assertIn("vmclock: the host", result.stderr)

    def test_print_config_assumes(self):
        page = self.publish(errors="")
        result = run("feed", *self.source(page), "--print-config",
                     "--assume-error", "0.01")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        delay = float(re.search(r"^refclock .* delay (\S+)", result.stdout,
                                re.M)[1])
        self.assertGreaterEqual(delay, 0.02)
        self.assertLessEqual(delay, 0.022)
        self.assertIn("--assume-error 0.01", result.stdout)

    # --- sources that are refused ------------------------------------------

    def refused(self, *args):
        result = run("feed", "--stdout", "--dir", self.run_dir, *args)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertEqual(result.stdout, "")
        return result.stderr

    def test_own_kernel(self):
        for backend in ("tsc", "kvm-host"):
            self.assertIn("own clock", self.refused("-b", backend))
        self.assertIn("may repeat this kernel's clock",
                      self.refused("-b", "served"))

    def test_clocks_that_only_count(self):
        for backend in ("kvmclock", "hyperv"):
            self.assertIn("--start-utc", self.refused("-b", backend))
        page = self.publish(scale=" timescale monotonic")
        self.assertIn("how much has passed",
                      self.refused("-b", "vmclock", "-d", page))

    def test_a_start(self):
        page = self.publish("host b maxerror 1ms maxerror-rate 50ppb ahead "
                            "1s\nrun 2s\nmigrate v to b downtime 10ms",
                            scale=" timescale monotonic")
        line = json.loads(run("cross", "-b", "vmclock", "-d", page,
                              "--json").stdout)
        start = line["realtime_ns"] - line["host_ns"] + 3 * 10**9
        receiver = Receiver(self, self.path)
        args = [*self.source(page), "--start-utc", start]
        told, env = self.fake_chronyc()
        service = self.start("feed", *args, "--chrony-sock", self.path,
                             "--interval", "0.1", "--chronyc-socket", "/x/y",
                             env=env)
        got = receiver.receive()
        # CLOCK_REALTIME and the counter may differ by 500 ppm.
        self.assertLess(abs(got.offset - 3), 0.3)
        self.go_on()
        # A disruption ends it, and the same start will not do again.
        self.assertEqual(service.wait(), 1)
        self.assertIn("void", service.stderr.read())
        # chronyd was told before the end.
        self.assertIn("reset sources", told.read_text())
        receiver.drain()
        self.assertIn("void", self.refused(*args))
        result = run("feed", *self.source(page), "--start-utc", start + 1,
                     "--stdout", "-n", 1)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_start_for_a_clock_that_needs_none(self):
        page = self.publish()
        self.assertIn("leave out --start-utc",
                      self.refused(*self.source(page), "--start-utc", 5))

    def test_usage(self):
        for args, text in (
                ([], "nowhere"),
                (["--stdout", "more"], "more"),
                (["--stdout", "--poll", "11"], "--poll"),
                (["--stdout", "--poll", "x"], "--poll"),
                (["--stdout", "--interval", "0"], "--interval"),
                (["--stdout", "--interval", "5", "--poll", "2"], "--poll"),
                (["--stdout", "--delay", "x"], "--delay"),
                (["--stdout", "--delay", "0"], "--delay"),
                (["--chrony-sock", "a", "--chrony-sock", "b"], "twice"),
                (["--ntp-shm", "0", "--ntp-shm", "1"], "twice"),
                (["--stdout", "--start-utc", "5"], "-b"),
                (["--stdout", "-b", "kvmclock", "--start-utc", "now"],
                 "--start-utc"),
                (["--ntp-shm", "256"], "--ntp-shm"),
                (["--chrony-sock", "x" * 108], "--chrony-sock"),
                (["--chrony-sock", ""], "--chrony-sock"),
                (["--chrony-sock", "/run/a b"], "white space"),
                (["--chrony-sock", "/run/a:b"], "a colon"),
                (["--print-config", "--chrony-sock", "x"], "whole path"),
                (["--stdout", "--dir", ""], "--dir"),
                (["--stdout", "-n", "0"], "-n"),
                (["--stdout", "-b", "nonsense"], "not a backend")):
            with self.subTest(args=args):
                result = run("feed", *args)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn(text, result.stderr)
                self.assertEqual(len(result.stderr.splitlines()), 1)


if __name__ == "__main__":
    cli.main()
