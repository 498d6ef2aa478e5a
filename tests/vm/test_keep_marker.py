# SPDX-License-Identifier: MIT
"""`paraclock keep` where the host changes the time of the vmclock's page and
leaves its marker alone: by the time alone, and by the kernel's message of
another VM generation ID."""
import sys
import time

import vm
from keep_bed import bed
from vm import check, wait_for

PAUSE_SEC, RESTORE_SEC = 2, 3
IDS = ("324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87",
       "0f2ab3b5-6c21-4f6c-8a0d-1ad0ffb3f4c1")
FORK = "crng reseeded due to virtual machine fork"


def forks(guest):
    """How often the kernel's log says that the VM was forked."""
    return int(guest.guest.run(f"dmesg | grep -c '{FORK}'")[1])


def causes(guest):
    """What keep's log names as the causes of what it did: (kind, source)."""
    return [(line["cause"]["kind"], line["cause"]["source"])
            for line in guest.guest.json("cat /tmp/keep") if line["cause"]]


def begin(guest):
    # Nor has the page a generation, which would count instead of the kernel's
    # message.
    guest.set_up("has-generation 0")
    guest.put_right()
    guest.follow_steps()
    guest.start_keep()


def test_time_alone(guest):
    """Nothing tells of a disruption but the host's time."""
    begin(guest)
    for do in (lambda: guest.pause(PAUSE_SEC, "alone"),
               lambda: guest.restore(RESTORE_SEC, "alone")):
        guest.is_put_right(do)
    check("keep saw the host's clock jump", set(causes(guest)) ==
          {("host-jumped", "vmclock")}, causes(guest))
    time.sleep(3)
    check("the clock was stepped once for each", len(guest.steps()) == 2,
          guest.steps())
    guest.stop_keep()


def test_generation(guest, command):
    begin(guest)
    guest.is_put_right(lambda: guest.restore(RESTORE_SEC, "alone"))
    check("the same generation ID: the kernel says nothing",
          forks(guest) == 0 and ("restored", "vmgenid") not in causes(guest),
          causes(guest))

    def change():
        at = command.index(f"vmgenid,guid={IDS[0]}")
        command[at] = f"vmgenid,guid={IDS[1]}"

    guest.is_put_right(
        lambda: guest.restore(RESTORE_SEC, "alone", change=change))
    wait_for("another generation ID: the kernel says so",
             lambda: forks(guest), good=lambda number: number == 1)
    wait_for("keep knows it from there", lambda: causes(guest),
             good=lambda got: ("restored", "vmgenid") in got)
    time.sleep(3)
    check("the clock was stepped once for each", len(guest.steps()) == 2,
          guest.steps())
    guest.stop_keep()


def test(image, args):
    with bed(image, args) as guest:
        test_time_alone(guest)
    with bed(image, args, machine=["-device", f"vmgenid,guid={IDS[0]}"]
             ) as guest:
        test_generation(guest, guest.guest.command)


if __name__ == "__main__":
    sys.exit(vm.main(test))
