#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Commit-wait and the transaction guard, on the clocks of simulated hosts."""
import subprocess
import time
import unittest

from worlds import DEADLINE_SEC, EXAMPLES, LINE_NS, TOOL, Line, Program, Worlds

COMMIT_WAIT, TRANSACTION = EXAMPLES / "commit_wait", EXAMPLES / "transaction"
SERVO = EXAMPLES / "ptp_servo"

# The page's clock is 900 us ahead of true time, or behind, and says 1 ms.
COMMITS = """
host exact
host ahead ahead 900us maxerror 1ms maxerror-rate 50ppb
host behind ahead -900us maxerror 1ms maxerror-rate 50ppb
host unsure maxerror 300ms maxerror-rate 50ppb
vm on-exact on exact with vmclock
vm on-ahead on ahead with vmclock
vm on-behind on behind with vmclock
vm moved on unsure with vmclock
vm vm1 on exact with vmclock
run 1s
""" + """
migrate moved to unsure downtime 1ms
run 1s
""" * 1000


class Commits(Worlds):
    def commit(self, page, times, backend="vmclock"):
        done = subprocess.run(
            [COMMIT_WAIT, "-b", backend, "-d", page, "-n", str(times)],
            capture_output=True, text=True, timeout=DEADLINE_SEC, check=False)
        return [dict(word.split("=") for word in line.split())
                for line in done.stdout.splitlines()]

    def test_a_commit_is_shown_when_its_time_has_surely_passed(self):
        self.simulate(COMMITS)
        before = self.cross("on-exact")
        commits = []
        for name in ("on-ahead", "on-behind") * 5:
            commits += self.commit(self.page(name), 20)
        self.are_right(before, commits, 200)

    def are_right(self, before, commits, count):
        truth = Line((before, self.cross("on-exact")))
        self.assertEqual(len(commits), count)
        last = 0
        for got in commits:
            commit, began, shown = (int(got[key]) for key in (
                "commit_ns", "began_ns", "shown_ns"))
            self.assertGreaterEqual(commit + LINE_NS, truth.at(began), got)
            self.assertGreater(truth.at(shown) + LINE_NS, commit, got)
            # One begins when the one before is shown, on whichever machine.
            self.assertGreater(commit, last, got)
            last = commit
        waits = sorted(int(got["shown_ns"]) - int(got["began_ns"])
                       for got in commits)
        print(f"waited {waits[0] / 1e6:.2f} ms at least, "
              f"{waits[len(waits) // 2] / 1e6:.2f} ms in the middle")

    def test_the_page_of_serve_serves(self):
        """A commit needs a bound, and may have it of this machine; a servo
        needs a host."""
        self.simulate(COMMITS)
        before = self.cross("on-exact")
        page = self.dir / "serve" / "utc.vmclock"
        serve = Program(self, TOOL, "serve", "--container", "-b", "vmclock",
                        "-d", self.page("on-behind"), "--dir", page.parent)
        serve.wait_for(lambda lines: any("synchronized: " in line
                                         for line in lines), "it serves")
        self.are_right(before, self.commit(page, 50, "served"), 50)
        done = subprocess.run([SERVO, "-b", "served", "-d", page],
                              capture_output=True, text=True,
                              timeout=DEADLINE_SEC, check=False)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("this kernel's own clock", done.stderr)

    def test_a_move_in_the_wait_ends_it(self):
        # Each waits for 0.6 s, and the machine is moved once a second.
        self.simulate(COMMITS)
        end = time.monotonic() + DEADLINE_SEC
        got = []
        while {"failed": "ESTALE"} not in got and time.monotonic() < end:
            got += self.commit(self.page("moved"), 4)
        self.assertIn({"failed": "ESTALE"}, got)
        self.assertEqual([], [line for line in got if "failed" in line and
                              line["failed"] != "ESTALE"])

    def test_without_a_bound_there_is_no_commit(self):
        self.simulate("host a status unreliable\nhost b maxerror 0ns\n"
                      "vm vm2 on b with vmclock\n"
                      "vm vm1 on a with vmclock\nrun 300s\n")
        self.assertEqual(self.commit(self.page("vm1"), 1),
                         [{"failed": "EINVAL"}])


class Transactions(Worlds):
    def guard(self, *options):
        return subprocess.run([TRANSACTION, *map(str, options)],
                              capture_output=True, text=True,
                              timeout=DEADLINE_SEC, check=False)

    def outcomes(self, *options):
        return [line.split()[0]
                for line in self.guard(*options).stdout.splitlines()]

    def on(self, name):
        return ("-b", "vmclock", "-d", self.page(name))

    def test_it_commits_while_nothing_happens(self):
        self.simulate(COMMITS)
        for name in ("on-ahead", "on-behind"):
            self.assertEqual(self.outcomes(*self.on(name), "-l", 1000, "-w",
                                           0.05, "-n", 5), ["committed"] * 5)

    def test_a_move_aborts_it(self):
        self.simulate(COMMITS)
        for bound in (1, 0):
            self.assertTrue(any(self.is_aborted(bound, work)
                                for work in (1.5, 10, 60)))

    def is_aborted(self, bound, work):
        """The machine is moved once a second, so each is moved in its work.
        False: on a busy machine the host was late."""
        got = self.outcomes(*self.on("moved"), "-m", bound, "-l", 1000, "-w",
                            work, "-n", 3)
        self.assertLessEqual(set(got), {"ESTALE", "committed"})
        return got == ["ESTALE"] * 3

    def test_a_lease_that_is_over_aborts_it(self):
        self.simulate(COMMITS)
        self.assertEqual(self.outcomes(*self.on("on-ahead"), "-l", 0.1, "-w",
                                       0.2, "-n", 3), ["ETIMEDOUT"] * 3)

    def test_a_clock_that_is_not_sure_enough_judges_no_lease(self):
        self.simulate(COMMITS)
        # A millisecond, and what the bound has grown by.
        for bound, want in ((0.0009, "ERANGE"), (0.0011, "committed")):
            self.assertEqual(self.outcomes(*self.on("on-ahead"), "-m", bound,
                                           "-l", 1000, "-w", 0), [want])

    def test_without_a_bound_epochs_still_work(self):
        self.simulate(COMMITS)
        done = self.guard(*self.on("on-exact"))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("states no bound", done.stderr)
        self.assertEqual(self.outcomes(*self.on("on-exact"), "-m", 0),
                         ["committed"])

    def test_epochs_of_this_machines_own_clock(self):
        here = subprocess.run([TOOL, "read", "-b", "kvmclock"],
                              capture_output=True, text=True,
                              timeout=DEADLINE_SEC, check=False)
        if here.returncode:
            self.skipTest(here.stderr or here.stdout)
        done = self.guard("-b", "kvmclock")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("kvmclock states no bound", done.stderr)
        done = self.guard("-b", "kvmclock", "-m", 0)
        self.assertEqual(done.returncode, 0, done)


if __name__ == "__main__":
    unittest.main(verbosity=2)
