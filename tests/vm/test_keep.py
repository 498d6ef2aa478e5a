# SPDX-License-Identifier: MIT
"""`paraclock keep` in a guest that boots in 1980, and that its host pauses and
restores: by a vmclock with time, CLOCK_REALTIME is right at once.

PARACLOCK_VM_LONG=1: stopped for 20 and 30 s, ten times each."""
import itertools
import os
import sys
import time

import vm
from keep_bed import GOOD_NS, SEC, bed, describe
from vm import check

LONG = bool(os.environ.get("PARACLOCK_VM_LONG"))
PAUSE_SEC, RESTORE_SEC = (20, 30) if LONG else (2, 3)
TIMES = 10 if LONG else 3

# How the host shows a disruption, and how many ms late its page is right.
WAYS = (("announced", 0), ("unannounced", 0), ("unannounced", 300))


def test_boot(guest):
    """Before there is a network, and before anything else."""
    off = guest.off_ns()
    check("the guest boots decades in the past", off < -40 * 365 * 86400 * SEC,
          off)
    got = guest.guest.run("paraclock keep -b vmclock --once --boot 2>&1")
    check("keep --once --boot corrects", got[0] == 0, got)
    off = guest.off_ns()
    check("the clock is right to 1 ms", abs(off) < GOOD_NS, off)


def test_without(guest):
    """What a guest's life is like today."""
    for do in (lambda: guest.pause(PAUSE_SEC),
               lambda: guest.restore(RESTORE_SEC)):
        guest.stays_wrong(do)
    got = guest.guest.run("paraclock keep -b vmclock --once 2>&1")
    check("keep --once corrects, as a restore hook", got[0] == 0, got)
    off = guest.off_ns()
    check("the clock is right to 1 ms", abs(off) < GOOD_NS, off)


def test_with(guest):
    guest.follow_steps()
    guest.start_keep()
    acts = []
    for how, late_ms in itertools.islice(itertools.cycle(WAYS), TIMES):
        acts.append(guest.is_put_right(
            lambda h=how, l=late_ms: guest.pause(PAUSE_SEC, h, l)))
        acts.append(guest.is_put_right(
            lambda h=how, l=late_ms: guest.restore(RESTORE_SEC, h, l)))
    # More than one look of keep's.
    time.sleep(3)
    check("the clock was stepped once for each act",
          len(guest.steps()) == len(acts), guest.steps())
    describe([act for act in acts if act.kind == "pause"])
    describe([act for act in acts if act.kind == "restore"])
    guest.stop_keep()


def test(image, args):
    with bed(image, args, machine=["-rtc", "base=1980-01-01"]) as guest:
        guest.set_up()
        test_boot(guest)
        test_without(guest)
        test_with(guest)


if __name__ == "__main__":
    sys.exit(vm.main(test))
