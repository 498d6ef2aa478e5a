#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The servo, against the clocks of simulated hosts."""
import collections
import subprocess
import unittest

from worlds import (DEADLINE_SEC, EXAMPLES, LINE_NS, SEC, TOOL, Line, Program,
                    Worlds, cli)

SERVO, SERVO_FAKE = EXAMPLES / "ptp_servo", EXAMPLES / "ptp_servo_fake"

# So many measurements in a row, this close to the host, are convergence.
ENOUGH, CLOSE_NS = 20, 1000
# How well the rate of the servo is known.
RATE_PPB = 1000
HOLDOVER = "state=holdover reason=status"

# Both hosts are honest about their errors: true time, which is the clock of
# "exact", is within them. The twin's clock is a's, so that only the marker
# shows the move; b's is 250 ms ahead, and further with each second of the play.
WORLD = """
host exact
host a ahead 300us maxerror 1ms maxerror-rate 50ppb
host twin ahead 300us maxerror 1ms maxerror-rate 50ppb
host b ahead 250300us fast 250ppm maxerror 500ms maxerror-rate 251ppm
vm on-exact on exact with vmclock
vm on-a on a with vmclock
vm on-b on b with vmclock
vm vm1 on a with vmclock,generation
run {calm}s
migrate vm1 to twin downtime 100ms
run {calm}s
migrate vm1 to b downtime 100ms
run 600s
"""


Measured = collections.namedtuple(
    "Measured", "state epoch raw clock offset noise ppb bound")


def measured(line):
    """A line of the servo's, or None where it had no measurement."""
    words = dict(word.split("=", 1) for word in line.split() if "=" in word)
    if "raw_ns" not in words:
        return None
    numbers = [int(words[key]) for key in (
        "epoch", "raw_ns", "clock_ns", "offset_ns", "noise_ns")]
    return Measured(words["state"], *numbers, float(words["frequency_ppb"]),
                    int(words["bound_ns"]))


def converged(epoch):
    def look(lines):
        last = list(filter(None, map(measured, lines)))[-ENOUGH:]
        return len(last) == ENOUGH and all(
            m.state == "locked" and m.epoch == epoch and
            abs(m.offset) < CLOSE_NS for m in last)
    return look


class Servo(Worlds):
    def crosses(self):
        return {name: self.cross(name)
                for name in ("on-exact", "on-a", "on-b")}

    def settles(self, calm):
        """The servo converges on each host. False: a host was left too soon
        for that, as on a busy machine."""
        sim = self.simulate(WORLD.format(calm=calm))
        before = self.crosses()
        servo = Program(self, SERVO, "-b", "vmclock", "-d", self.page("vm1"),
                        "-i", "0.1")
        for epoch in (1, 2, 3):
            good, past = converged(epoch), f"epoch={epoch + 1}"
            if not servo.wait_for(
                    lambda lines, g=good, p=past: g(lines) and "settled" or
                    any(p in line for line in lines) and "too late",
                    f"it converges, epoch {epoch}") == "settled":
                break
        else:
            self.host_is_not_sure_for_a_while(sim, servo)
            after = self.crosses()
            servo.process.kill()
            servo.reader.join()
            self.judge({name: Line((before[name], after[name]))
                        for name in before}, servo.lines)
            return True
        print(f"{calm} s were too short for the servo: once more")
        for process in (servo.process, sim.process):
            process.kill()
            process.wait()
        for page in self.dir.glob("*.vmclock"):
            page.unlink()
        return False

    def host_is_not_sure_for_a_while(self, sim, servo):
        self.hold(sim)
        cli.set_status(self.page("vm1"), cli.UNRELIABLE)
        servo.wait_for(lambda lines: any(HOLDOVER in line for line in lines),
                       "it holds over")
        cli.set_status(self.page("vm1"), cli.SYNCHRONIZED)
        self.go_on(sim)
        servo.wait_for(lambda lines: measured(lines[-1]), "it measures again")

    def test_it_converges_and_again_after_each_migration(self):
        self.assertTrue(any(self.settles(calm) for calm in (5, 30, 100)))

    def judge(self, truth, lines):
        points = list(filter(None, map(measured, lines)))
        parts = [[m for m in points if m.epoch == epoch] for epoch in (1, 2, 3)]
        self.assertEqual(points, sum(parts, []))
        self.the_hosts_are_what_the_script_says(truth, parts[2][0].raw)
        for host, part in zip(("on-a", "on-a", "on-b"), parts):
            self.every_offset_is_true(truth[host], truth["on-exact"], part)
            self.it_starts_from_nothing(part)
            self.it_arrives(truth[host], part)

    def the_hosts_are_what_the_script_says(self, truth, raw):
        exact, old, new = truth["on-exact"], truth["on-a"], truth["on-b"]
        self.assertAlmostEqual(old.at(raw) - exact.at(raw), 300_000,
                               delta=LINE_NS)
        self.assertAlmostEqual(new.ppb() - old.ppb(), 250_000, delta=RATE_PPB)
        print(f"the step: {(new.at(raw) - old.at(raw)) / 1e6:.3f} ms")
        self.assertGreater(new.at(raw) - old.at(raw), 250_000_000)

    def every_offset_is_true(self, host, exact, part):
        for m in part:
            self.assertLessEqual(
                abs(host.at(m.raw) - m.clock - m.offset), m.noise + LINE_NS, m)
            # What a user of the clock may rely on.
            self.assertLessEqual(abs(exact.at(m.raw) - m.clock),
                                 abs(m.offset) + m.noise + m.bound + LINE_NS,
                                 m)

    def it_starts_from_nothing(self, part):
        """No offset and no rate of the time before is used."""
        names = [m.state for m in part]
        self.assertEqual(names[0], "start")
        self.assertEqual(part[0].ppb, 0)
        locked = names.index("locked")
        self.assertEqual(set(names[1:locked]), {"rate"})
        self.assertEqual({m.ppb for m in part[:locked - 1]}, {0})
        self.assertEqual(set(names[locked:]), {"locked"})

    def it_arrives(self, host, part):
        last = part[-ENOUGH:]
        worst = max(abs(host.at(m.raw) - m.clock) for m in last)
        ppb = sorted(m.ppb for m in last)[ENOUGH // 2]
        locked = next(i for i, m in enumerate(part) if m.state == "locked")
        print(f"{len(part)} measurements; locked after "
              f"{(part[locked].raw - part[0].raw) / SEC:.1f} s; then within "
              f"{worst} ns of the host, whose bound is {last[-1].bound} ns; "
              f"rate {ppb:.1f} ppb, the truth {host.ppb():.1f} ppb")
        self.assertLess(worst, CLOSE_NS + LINE_NS)
        self.assertAlmostEqual(ppb, host.ppb(), delta=RATE_PPB)

    def test_a_ptp_clock_is_set_and_steered(self):
        """It runs 20 ppm fast by itself, and takes 50 ppm at most."""
        self.simulate("host a ahead -3us maxerror 1ms maxerror-rate 50ppb\n"
                      "vm vm1 on a with vmclock\nrun 600s\n")
        before = self.cross("vm1")
        servo = Program(self, SERVO_FAKE, "-b", "vmclock", "-d",
                        self.page("vm1"), "-i", "0.1", "-p", "/dev/fake-ptp")
        servo.wait_for(converged(1), "it converges")
        host = Line((before, self.cross("vm1")))
        servo.process.kill()
        servo.reader.join()
        part = list(filter(None, map(measured, servo.lines)))
        self.every_offset_is_true(host, host, part)
        self.it_starts_from_nothing(part)
        ppb = sorted(m.ppb for m in part[-ENOUGH:])[ENOUGH // 2]
        print(f"rate {ppb:.1f} ppb, the truth {host.ppb() - 20000:.1f} ppb; "
              f"noise {min(m.noise for m in part)} ns at least")
        self.assertAlmostEqual(ppb, host.ppb() - 20_000, delta=RATE_PPB)

    def test_a_clock_that_cannot_be_steered_is_refused(self):
        for clock in ("/dev/null", self.dir / "none"):
            done = subprocess.run(
                [SERVO, "-b", "tsc", "-p", clock], capture_output=True,
                text=True, timeout=DEADLINE_SEC, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(clock), done.stderr)

    def test_it_refuses_this_kernels_own_clock(self):
        here = subprocess.run([TOOL, "read", "-b", "tsc"], capture_output=True,
                              text=True, timeout=DEADLINE_SEC, check=False)
        if here.returncode == 1:
            self.skipTest(here.stderr)
        done = subprocess.run([SERVO, "-b", "tsc"], capture_output=True,
                              text=True, timeout=DEADLINE_SEC, check=False)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("this kernel's own clock", done.stderr)

    def test_it_refuses_a_wrong_interval(self):
        for text in ("0", "-1", "nan", "1e9", "1x", ""):
            done = subprocess.run([SERVO, "-b", "tsc", "-i", text],
                                  capture_output=True, text=True,
                                  timeout=DEADLINE_SEC, check=False)
            self.assertEqual(done.returncode, 2, (text, done))


if __name__ == "__main__":
    unittest.main(verbosity=2)
