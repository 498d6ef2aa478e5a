#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian's chronyd and ntpd, fed by `paraclock feed` with a clock whose offset
and rate are known: they select it and find both, and chronyd's own bound holds
the truth.

PARACLOCK_FEED_LONG=1: with the usual poll interval, and for more than 60 s."""
import os
import statistics
import subprocess
import sys
import time

import bed
import programs
from bed import LONG, MS, SEC, US, check, wait_for

# How well chronyd is to know the host's clock.
GOOD_NS = US
GOOD_PPM = 0.05
POLL = 2 if LONG else 0
WATCH_SEC = 60 if LONG else 3
# So many looks in succession, for one may be good by chance.
LOOKS = 4
UNIT = 2


# --- chronyd -----------------------------------------------------------------

class Clock:
    """The host's clock against true time, and what it says of that."""

    def __init__(self, timescale, rate_ppb, wrong_ns, bound_ns):
        self.timescale, self.rate_ppb = timescale, rate_ppb
        self.wrong_ns, self.bound_ns = wrong_ns, bound_ns

    def start(self, args, folder):
        host = bed.start_host(args, folder, timescale=self.timescale)
        host.act("errors", self.bound_ns, 1000)
        host.act("step", self.wrong_ns)
        host.act("slew", self.rate_ppb)
        return host


# It says 1 ms, and is nearly as wrong.
WRONG = Clock("tai", 0, 900 * US, MS)
WRONG_UTC = Clock("utc", 0, -900 * US, MS)
FAST = Clock("tai", 20000, 3 * MS, 50 * MS)


def converges(host, chronyd):
    began = time.monotonic()
    wait_for("chronyd selects the source", chronyd.selects)
    good = []

    def look():
        error = chronyd.error_ns(host)
        good.append(error is not None and abs(error) < GOOD_NS)
        return good[-LOOKS:]
    wait_for("its estimate is the host's clock to within 1 us", look,
             good=lambda got: len(got) == LOOKS and all(got))
    print(f"both after {time.monotonic() - began:.1f} s")


def bound_holds(host, chronyd):
    """The estimate may be off true time by as much as the host is."""
    off_ns = chronyd.error_ns(host, "true_ns")
    bound_ns = chronyd.tracking()["bound_ns"]
    return abs(off_ns) <= bound_ns, off_ns, bound_ns


def stays(host, chronyd, clock):
    errors, seen = [], []
    before, end = host.truth(), time.monotonic() + WATCH_SEC
    while time.monotonic() < end:
        errors.append(abs(chronyd.error_ns(host)))
        seen.append(bound_holds(host, chronyd))
        time.sleep(0.5)
    # The machine may be in the way of one look.
    median = statistics.median(errors)
    print(f"in {len(errors)} looks over {WATCH_SEC} s the estimate was off by "
          f"{median:.0f} ns (median), at most {max(errors):.0f} ns; from true "
          f"time by {max(abs(off) for _, off, _ in seen) / US:.3f} us, by "
          "chronyd's bound at most "
          f"{min(bound for _, _, bound in seen) / US:.3f} us")
    check("and stays there", median < GOOD_NS, errors)
    check("chronyd's root delay / 2 + root dispersion holds true time at every "
          "look", all(holds for holds, _, _ in seen), seen)
    if not clock.rate_ppb:
        check("not by chance: the host is nearly as wrong as it may be",
              min(abs(off) for _, off, _ in seen) > clock.bound_ns * 0.8, seen)

    def rates():
        after = host.truth()
        passed = after["realtime_ns"] - before["realtime_ns"]
        truth = (after["host_ns"] - before["host_ns"] - passed) / passed * 1e6
        # Its sign: how much too fast it thinks that the system clock is.
        return -chronyd.tracking()["frequency_ppm"], truth
    estimate, truth = wait_for(
        "its rate is the host's", rates,
        good=lambda got: abs(got[0] - got[1]) < GOOD_PPM)
    print(f"{estimate:.3f} ppm, in truth {truth:.3f}")


def feed_chronyd(args, folder, clock, *options):
    print(f"--- chronyd, {' '.join(map(str, options))}, a clock in "
          f"{clock.timescale} that is {clock.wrong_ns / US:.0f} us wrong, by "
          f"its own word {clock.bound_ns / US:.0f} us, and "
          f"{clock.rate_ppb / 1000:.0f} ppm fast", flush=True)
    options = [*options, "--poll", POLL]
    host = clock.start(args, folder)
    chronyd = bed.start_chronyd(
        args, folder, bed.printed_config(args.tool, host, *options))
    feed = bed.start_feed(args, folder, host, "--chronyc-socket",
                          chronyd.socket, *options).wait_until_feeding()
    converges(host, chronyd)
    stays(host, chronyd, clock)
    return host, chronyd, feed


def wider(host, chronyd, feed):
    """Its bound outgrows what was printed: chronyd must not hear of a clock
    that may be further off than chronyd was told."""
    host.act("errors", 4 * WRONG.bound_ns, 1000)
    state = wait_for("feed stops when the bound outgrows the configuration",
                     feed.state, good=lambda got: got["state"] != "feeding")
    print(state["text"])
    samples = feed.state()["samples"]
    # Now it is as wrong as it says, and chronyd must not follow.
    host.act("step", 2 * WRONG.bound_ns)
    time.sleep(5 if LONG else 2)
    check("it delivers nothing", feed.state()["samples"] == samples)
    check("chronyd's bound still holds", *bound_holds(host, chronyd)[:2])
    host.act("step", -2 * WRONG.bound_ns)
    host.act("errors", WRONG.bound_ns, 1000)
    wait_for("it delivers again when the host is sure again",
             lambda: feed.state()["samples"], good=lambda n: n > samples)
    converges(host, chronyd)


def test_sock(args, folder):
    for clock, more in ((FAST, None), (WRONG, wider)):
        path = bed.make_folder(folder, f"sock-{clock.rate_ppb}")
        host, chronyd, feed = feed_chronyd(
            args, path, clock, "--chrony-sock",
            os.path.join(path, "chrony.sock"))
        if more:
            more(host, chronyd, feed)
        feed.stop()
        chronyd.stop()
        host.close()


def test_shm(args, folder):
    host, chronyd, feed = feed_chronyd(args, bed.make_folder(folder, "shm"),
                                       WRONG_UTC, "--ntp-shm", UNIT)
    with open("/proc/sysvipc/shm", encoding="ascii") as table:
        lines = [line.split() for line in table.readlines()[1:]]
    modes = [words[2] for words in lines
             if int(words[0]) & 0xffffffff == 0x4e545030 + UNIT]
    check("the segment is for one user alone", modes == ["600"], lines)
    feed.stop()
    chronyd.stop()
    host.close()


# --- paraclock simulate ------------------------------------------------------

SCRIPT = """host a ahead 3ms fast 12ppm maxerror 1ms maxerror-rate 1ppm
vm v on a with vmclock
run 1d
"""


class Simulated:
    """What paraclock simulate publishes; feed_host cannot know its truth."""

    def __init__(self, args, folder):
        self.tool = args.tool
        self.page = os.path.join(folder, "v.vmclock")
        script = os.path.join(folder, "script.sim")
        with open(script, "w", encoding="ascii") as file:
            file.write(SCRIPT)
        process = bed.spawn([args.tool, "simulate", "--realtime", "--dir",
                             folder, script], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL)
        args.stack.callback(lambda: bed.end(process))
        wait_for("simulate publishes", lambda: os.path.exists(self.page) and
                 os.path.getsize(self.page) and
                 self.cross().returncode == 0)

    def cross(self):
        return subprocess.run(
            [self.tool, "cross", "-b", "vmclock", "-d", self.page, "--json"],
            capture_output=True, text=True, timeout=bed.HANGS_SEC, check=False)

    def off_ns(self, clock="host_ns"):
        got = bed.json.loads(self.cross().stdout)
        return got[clock] - got["tai_offset_sec"] * SEC - got["realtime_ns"]


def test_simulate(args, folder):
    print("--- chronyd, paraclock simulate", flush=True)
    path = bed.make_folder(folder, "simulate")
    host = Simulated(args, path)
    options = ["--chrony-sock", os.path.join(path, "chrony.sock"), "--poll",
               POLL]
    chronyd = bed.start_chronyd(
        args, path, bed.printed_config(args.tool, host, *options))
    feed = bed.start_feed(args, path, host, *options).wait_until_feeding()
    converges(host, chronyd)
    feed.stop()


# --- ntpd --------------------------------------------------------------------

NTP_CONF = """disable ntp
refclock shm unit {unit} prefer refid HOST minpoll 3 maxpoll 3
statsdir {folder}/
statistics peerstats
filegen peerstats file peerstats type none
tos minsane 1 minclock 1
"""
# The status word of peerstats: selected as the system's peer.
IS_PEER = 6


def peer(folder):
    """ntpd's last word on the source: is it selected, and its offset."""
    try:
        with open(os.path.join(folder, "peerstats"), encoding="ascii") as file:
            words = file.readlines()[-1].split()
    except (FileNotFoundError, IndexError):
        return False, 0.0
    return int(words[3], 16) >> 8 & 7 == IS_PEER, float(words[4]) * SEC


def keep_pace(host):
    """Give the host the rate of CLOCK_REALTIME: ntpd's offset is of some
    moment in its poll interval."""
    began, before = time.monotonic(), host.off_ns()
    time.sleep(3)
    rate = (host.off_ns() - before) / (time.monotonic() - began)
    host.act("slew", -round(rate))


def test_ntpd(args, folder):
    print("--- ntpd", flush=True)
    path = bed.make_folder(folder, "ntpd")
    host = bed.start_host(args, path)
    host.act("errors", WRONG.bound_ns, 1000)
    keep_pace(host)
    feed = bed.start_feed(args, path, host, "--ntp-shm", UNIT + 1,
                          "--interval", 1).wait_until_feeding()
    conf, log = (os.path.join(path, name) for name in ("conf", "log"))
    with open(conf, "w", encoding="ascii") as file:
        file.write(NTP_CONF.format(unit=UNIT + 1, folder=path))
    with open(log, "w", encoding="ascii") as file:
        ntpd = bed.spawn([programs.find("ntpd"), "-n", "-g", "-c", conf, "-f",
                          os.path.join(path, "drift")],
                         stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    args.stack.callback(lambda: bed.end(ntpd))

    def look():
        if ntpd.poll() is not None:
            with open(log, encoding="utf-8") as file:
                raise bed.Failed(f"ntpd ended: {file.read()}")
        is_peer, offset = peer(path)
        return is_peer, offset - host.off_ns()
    got = wait_for("ntpd selects the source, and its offset is the host's to "
                   "within 1 us", look, good=lambda got: got[0] and
                   abs(got[1]) < GOOD_NS)
    print(f"off by {got[1]:.0f} ns")
    feed.stop()


def test(args, folder):
    for case in (test_sock, test_shm, test_simulate):
        case(args, folder)
    try:
        programs.find("ntpd")
    except programs.Absent as why:
        print(f"skipped: ntpd: {why}")
        return
    test_ntpd(args, folder)


if __name__ == "__main__":
    sys.exit(bed.main(test))
