#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""chronyd restarts, the host's clock is invalid for a while, the VM migrates to
a host whose clock is 250 ms away: what `paraclock feed` delivers meanwhile.

PARACLOCK_FEED_LONG=1: more migrations, and invalid for 30 s."""
import os
import random
import signal
import sys
import time

import bed
from bed import LONG, MS, SEC, US, check, wait_for

GOOD_NS = US
BOUND_NS = 100 * US
STEP_NS = 250 * MS
MIGRATIONS = 10 if LONG else 2
STORM = 300 if LONG else 15
SEED = int(os.environ.get("PARACLOCK_FEED_SEED") or time.time_ns() % 2**16)
INVALID_SEC = 30 if LONG else 3
# enum paraclock_status.
INITIALIZING, SYNCHRONIZED, UNRELIABLE = 1, 2, 4


class Bed:
    """Host, feed, a tap on what it sends, and chronyd."""

    def __init__(self, args, folder, name, *options):
        print(f"--- {name}", flush=True)
        self.folder = bed.make_folder(folder, name.replace(" ", "-"))
        self.host = bed.start_host(args, self.folder)
        self.host.act("errors", BOUND_NS, 100)
        socket = os.path.join(self.folder, "chrony.sock")
        config = bed.printed_config(args.tool, self.host, "--chrony-sock",
                                    socket, "--poll", 0)
        self.chronyd = bed.start_chronyd(args, self.folder, config)
        self.tap = bed.Tap(self.folder, to=socket)
        self.feed = bed.start_feed(
            args, self.folder, self.host, "--chrony-sock", self.tap.path,
            "--poll", "0", "--chronyc-socket", self.chronyd.socket,
            *options).wait_until_feeding()

    def converges(self, sentence="chronyd knows the host's clock to 1 us"):
        wait_for(sentence, lambda: self.chronyd.error_ns(self.host),
                 good=lambda got: got is not None and abs(got) < GOOD_NS,
                 every=0.1)

    def measurements(self):
        """So many has chronyd of the source."""
        got = self.chronyd.chronyc("sourcestats")
        return int(got[0][1]) if got else None

    def stop(self):
        self.feed.stop()
        self.chronyd.stop()
        self.host.close()


# --- chronyd restarts --------------------------------------------------------

def restart(bench, how):
    """how: with which signal it ended. SIGKILL leaves its socket behind."""
    def connected():
        return bench.feed.state()["outputs"][0]["connected"]

    name = signal.Signals(how).name
    # The file is written after a sample.
    wait_for("feed delivers to chronyd", connected)
    bench.chronyd.stop(how)
    wait_for("feed notices that it has gone", connected,
             good=lambda got: not got)
    bench.feed.is_alive()
    began = time.monotonic()
    bench.chronyd.start()
    wait_for(f"after {name} and a start samples reach chronyd",
             bench.chronyd.reach, every=0.05)
    print(f"{time.monotonic() - began:.2f} s after it was started")


def test_restarts(args, folder):
    bench = Bed(args, folder, "chronyd restarts")
    # Nobody between them.
    direct = bench.tap.to
    bench.feed.stop()
    bench.feed = bed.start_feed(
        args, bench.folder, bench.host, "--chrony-sock", direct, "--poll", "0",
        "--chronyc-socket", bench.chronyd.socket,
        name="direct").wait_until_feeding()
    bench.converges()
    for how in (signal.SIGKILL, signal.SIGTERM):
        restart(bench, how)
    bench.converges()
    said = bench.feed.said()
    print(said)
    check("feed says in one line that nobody receives, not with each sample",
          0 < said.count("not delivered") <= 4, said)
    output = bench.feed.state()["outputs"][0]
    check("and counts what was lost", output["connected"] and
          output["failed"] > 0 and output["delivered"] > 0, output)
    bench.stop()


# --- the VM migrates ---------------------------------------------------------

def judge(samples, began, shown, old_ns, new_ns):
    """Of a migration that the page showed between began and shown: is any
    sample that was taken since of the old time?"""
    nearest = [min((abs(s.offset_ns - old_ns), "old"),
                   (abs(s.offset_ns - new_ns), "new")) for s in samples]
    check("each sample is chrony's datagram, and of the one time or the other",
          all(s.is_sound for s in samples) and
          all(off < MS for off, _ in nearest), (samples, nearest))
    which = [word for _, word in nearest]
    pairs = list(zip(samples, which))
    check("none that was taken since the marker changed is of the old time",
          not [s for s, word in pairs if s.at_ns > shown and word == "old"],
          (pairs, shown))
    check("none that was taken before is of the new one",
          not [s for s, word in pairs if s.at_ns < began and word == "new"],
          (pairs, began))
    first = which.index("new")
    check("none of the old time is sent after one of the new",
          "old" not in which[first:], pairs)
    late = [s.sent_ns - shown for s, word in pairs
            if s.sent_ns > shown and word == "old"]
    print(f"of {len(pairs)} samples {which.count('old')} were of the old time; "
          f"{len(late)} of these were sent after the marker had changed; the "
          f"first of the new time was sent "
          f"{(samples[first].sent_ns - shown) / MS:.1f} ms after it had")


def migrate(bench, ahead_ns):
    """To a host that is ahead of where this one would be."""
    host, tap, chronyd = bench.host, bench.tap, bench.chronyd
    already = len(tap.got)
    old_ns = host.off_ns()
    known = bench.measurements()
    act = host.act("migrate", ahead_ns, 0)
    began = time.monotonic()
    new_ns = host.off_ns()
    check("the host's clock has moved", abs(new_ns - old_ns - ahead_ns) < MS,
          (old_ns, new_ns))
    least = known
    worst, without, steps = 0, 0, []
    while True:
        least = min(least, bench.measurements())
        error = chronyd.error_ns(host)
        steps.append((time.monotonic() - began, error))
        worst = max(worst, abs(error or 0))
        without += error is None
        if error is not None and abs(error) < GOOD_NS:
            break
        if steps[-1][0] > bed.HANGS_SEC:
            raise bed.Failed(f"chronyd does not converge: {steps[-5:]}")
        time.sleep(0.05)
    tap.wait_for_more(3)
    judge(tap.got[already:], act["began_ns"], act["ended_ns"], old_ns, new_ns)
    print(f"chronyd's measurements: {known}, then at least {least}; its "
          f"estimate was up to {worst / MS:.3f} ms off, none in {without} of "
          f"{len(steps)} looks, and right to 1 us {steps[-1][0]:.2f} s after "
          "the migration")
    return known, least, steps[-1][0]


def test_migrations(args, folder):
    bench = Bed(args, folder, "migrations")
    bench.converges()
    for i in range(MIGRATIONS):
        before = bench.feed.state()["disruptions"]
        wait_for("chronyd has enough measurements", bench.measurements,
                 good=lambda got: got and got >= 5)
        known, least, _ = migrate(bench, STEP_NS if i % 2 == 0 else -STEP_NS)
        check("chronyd was made to forget them", least < known,
              (known, least))
        wait_for("feed counts the disruption",
                 lambda: bench.feed.state()["disruptions"],
                 good=lambda got, n=before: got > n)
    print(bench.feed.said())
    bench.stop()
    print("what the reset saves:")
    bench = Bed(args, folder, "migrations without a reset", "--no-reset")
    bench.converges()
    wait_for("chronyd has as many measurements", bench.measurements,
             good=lambda got: got and got >= 5)
    migrate(bench, STEP_NS)
    bench.stop()


# --- one migration after the other -------------------------------------------

class Era:
    """From one migration to the next: the page shows its clock for sure from
    shown, and no other before gone."""

    def __init__(self, act, off_ns):
        self.began, self.shown = act["began_ns"], act["ended_ns"]
        self.gone = None
        self.off_ns = off_ns

    def is_of(self, sample):
        return abs(sample.offset_ns - self.off_ns) < MS


def storm(bench):
    """The eras of migrations that come as they please, also in a burst."""
    host, random_ms = bench.host, random.Random(SEED)
    eras = []
    for i in range(STORM):
        act = host.act("migrate", STEP_NS if i % 2 == 0 else -STEP_NS, 0)
        eras.append(Era(act, host.off_ns()))
        if i:
            eras[i - 1].gone = act["began_ns"]
        time.sleep(random_ms.uniform(0.05, 0.4))
    return eras


def test_storm(args, folder):
    bench = Bed(args, folder, "a storm of migrations", "--no-reset",
                "--interval", "0.01")
    bench.tap.wait_for_more()
    already = len(bench.tap.got)
    eras = storm(bench)
    bench.tap.wait_for_more()
    # Of the last one nobody knows the end.
    samples = [s for s in bench.tap.got[already:]
               if eras[0].shown < s.at_ns < eras[-1].began]
    wrong, between, seen = [], 0, set()
    for sample in samples:
        sure = [i for i, era in enumerate(eras[:-1])
                if era.shown < sample.at_ns < era.gone]
        between += not sure
        # While a page is renewed, it may be either.
        may = sure or [i for i, era in enumerate(eras)
                       if era.began - SEC < sample.at_ns < era.shown + SEC]
        if not any(eras[i].is_of(sample) for i in may):
            wrong.append((sample, [eras[i].off_ns for i in may]))
        seen.update(sure)
    print(f"{len(samples)} samples in {STORM} migrations, {between} of them "
          f"while one was being shown; {len(seen)} of the clocks were "
          f"delivered (seed {SEED})")
    check("each sample is of the clock that the page showed then",
          samples and not wrong, wrong)
    check("feed does not stop for good", len(seen) > 1, len(seen))
    wait_for("and delivers when it is over", bench.feed.state,
             good=lambda got: got["state"] == "feeding")
    bench.stop()


# --- the source is invalid ---------------------------------------------------

def invalid(bench, status):
    tap, host = bench.tap, bench.host
    tap.wait_for_more()
    before = host.act("status", status)
    already = len(tap.got)
    wait_for("feed says that it waits", bench.feed.state,
             good=lambda got: got["state"] != "feeding")
    print(bench.feed.state()["text"])
    time.sleep(INVALID_SEC)
    after = host.act("status", SYNCHRONIZED)
    tap.wait_for_more(2, "samples come again")
    wrong = [s for s in tap.got[already:]
             if before["ended_ns"] < s.at_ns < after["began_ns"] or
             before["ended_ns"] + SEC < s.sent_ns < after["began_ns"]]
    check(f"in {INVALID_SEC} s of an invalid clock no sample is taken or sent",
          not wrong, wrong)
    first = next(s for s in tap.got if s.at_ns >= after["began_ns"])
    print(f"the first comes {(first.sent_ns - after['ended_ns']) / MS:.0f} ms "
          "after the clock is valid again")


def test_invalid(args, folder):
    bench = Bed(args, folder, "an invalid source")
    for status in (INITIALIZING, UNRELIABLE):
        invalid(bench, status)
    bench.converges()
    bench.stop()


def test(args, folder):
    for case in (test_restarts, test_migrations, test_storm, test_invalid):
        case(args, folder)


if __name__ == "__main__":
    sys.exit(bed.main(test))
