# SPDX-License-Identifier: MIT
"""`paraclock keep` in a guest that boots in 1980, and that its host pauses and
restores: by a vmclock with time, CLOCK_REALTIME is right at once.

PARACLOCK_VM_LONG=1: stopped for 20 and 30 s, ten times each."""
import itertools
import json
import os
import sys
import time

import vm
from keep_bed import GOOD_NS, SEC, bed, describe
from vm import check

LONG = bool(os.environ.get("PARACLOCK_VM_LONG"))
PAUSE_SEC, RESTORE_SEC = (20, 30) if LONG else (2, 3)
TIMES = 10 if LONG else 4

# How the host shows a disruption, and how many ms late its page is right.
WAYS = (("announced", 0), ("unannounced", 0), ("unannounced", 300),
        ("marked", 300))


def is_right(guest, how):
    off = guest.off_ns()
    check(f"{how}: the clock is right to 1 ms", abs(off) < GOOD_NS, off)


def test_boot(guest):
    """Before there is a network, and before anything else."""
    off = guest.off_ns()
    check("the guest boots decades in the past", off < -40 * 365 * 86400 * SEC,
          off)
    guest.guest.must("paraclock keep -b vmclock --once --boot")
    is_right(guest, "keep --once --boot")
    guest.guest.must(f"vm_guest step {9 * 365 * 86400 * SEC}")
    got = guest.guest.run("paraclock keep -b vmclock --once 2>&1")
    check("from a future it goes back only if it is asked to", got[0] == 3 and
          "backwards" in got[1], got)
    guest.guest.must("paraclock keep -b vmclock --once --boot")
    is_right(guest, "keep --once --boot, from the future")


def test_without(guest):
    """What a guest's life is like today; and a hook, called after a restore."""
    guest.stays_wrong(lambda: guest.pause(PAUSE_SEC))
    act = guest.stays_wrong(lambda: guest.restore(RESTORE_SEC))
    reading = guest.guest.json("restore-hook.sh vm_guest clock", want=0)[0]
    off = guest.off_of(reading)
    check("a command of the hook's runs with the right clock",
          abs(off) < GOOD_NS, (off, act))


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
    state = guest.state()
    check("keep's state counts them, and is right",
          state["state"] == "right" and state["corrections"] == len(acts),
          state)
    describe([act for act in acts if act.kind == "pause"])
    describe([act for act in acts if act.kind == "restore"])


def test_sync(guest):
    """A program that asks keep first starts with the right clock, although the
    host is slow to give the time."""
    already = guest.state()["corrections"]
    for do in (guest.pause, guest.restore):
        act = do(PAUSE_SEC, late_ms=500, command="paraclock keep --sync "
                 "-b vmclock --wait 200 --json && vm_guest clock")
        check(f"{act.name}: keep --sync succeeds", act.status == 0, act.text)
        reply, reading = map(json.loads, act.text.splitlines())
        off = guest.off_of(reading)
        check(f"{act.name}: the clock was right when it answered",
              abs(off) < GOOD_NS, (off, act.text))
        check(f"{act.name}: it answered after the page was right",
              reading["counter"] > act.published, act.text)
        check(f"{act.name}: its answer has the host's new marker",
              reply["marker"] == f"0x{guest.host.marker:016x}", reply)
    check("keep corrected once for each",
          guest.state()["corrections"] == already + 2, guest.state())


def test(image, args):
    hook = os.path.join(vm.TOP, "examples", "restore-hook.sh")
    with bed(image, args, [hook], ["-rtc", "base=1980-01-01"]) as guest:
        guest.set_up()
        test_boot(guest)
        test_without(guest)
        test_with(guest)
        test_sync(guest)
        guest.stop_keep()


if __name__ == "__main__":
    sys.exit(vm.main(test))
