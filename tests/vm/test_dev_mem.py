# SPDX-License-Identifier: MIT
"""QEMU's vmclock under Debian 12's own kernel, which has no driver for it: its
page is looked at in /dev/mem. Under a newer kernel, whose driver is loaded
later, the kernel's log tells of a restore.
(Debian 12's kernel has no driver for the VM generation ID.)"""
import os
import sys
import tempfile

import vm
from vm import check, wait_for

MIGRATIONS = 10
IDS = ("324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87",
       "0f2ab3b5-6c21-4f6c-8a0d-1ad0ffb3f4c1")


def events(guest):
    return guest.json("cat /tmp/events", want=0)


def migrate(guest):
    guest.load(guest.save())


def start(guest, options=""):
    guest.must(f"paraclock events {options} --json >/tmp/events 2>/tmp/err & "
               f"echo $! >/tmp/events.pid; {vm.IS_OPEN}")


def stop(guest):
    guest.must("kill $(cat /tmp/events.pid); "
               "while test -d /proc/$(cat /tmp/events.pid); do sleep 0.1; "
               "done")
    said = guest.must("cat /tmp/err")
    check("it said on stderr what it follows, and no more",
          said.startswith("paraclock events: following ") and
          len(said.splitlines()) == 1, said)


def test_kernel(guest):
    release = guest.must("uname -r")
    print(f"Linux {release}")
    check("the kernel is Debian 12's", release.startswith("6.1.0-"), release)
    got = guest.run("ls /dev/vmclock* 2>&1")
    check("it shows no vmclock", got[0] != 0, got)
    iomem = guest.must("grep AMZNC10C /proc/iomem")
    check("but where the page is", iomem.strip() ==
          "feffb000-feffbfff : AMZNC10C:00", iomem)
    got = guest.run("paraclock read -b vmclock 2>&1")
    check("without --dev-mem the vmclock cannot be had",
          got[0] == 1 and "load ptp_vmclock" in got[1], got)


def test_migrations(guest):
    """Each is exactly one event, with the marker before and after."""
    start(guest, "--dev-mem")
    for number in range(1, MIGRATIONS + 1):
        migrate(guest)
        told = wait_for(f"migration {number} is an event",
                        lambda: events(guest),
                        good=lambda got, n=number: len(got) >= n)
        last = told[-1]
        check("it is one event, of the host's own marker",
              len(told) == number and last["kind"] == "updated" and
              last["source"] == "vmclock" and
              last["marker_class"] == "authoritative" and
              last["epoch"] == number + 1 and not last["lost"], told)
        check("its marker has changed",
              last["marker_after"] not in (None, last["marker_before"]), last)
    for before, after in zip(told, told[1:]):
        check("each goes on from the marker of the one before",
              after["marker_before"] == before["marker_after"], told)
    markers = [e["marker_after"] for e in told]
    check("no marker came twice", len(set(markers)) == MIGRATIONS, markers)
    hz = guest.json("paraclock status --json")[0]["counter"]["hz"]
    print("ms between the look before and the one that saw it:",
          sorted(round((e["counter_after"] - e["counter_before"]) / hz * 1000)
                 for e in told))
    stop(guest)


def test_refusals(guest):
    """One sentence each, and exit status 1."""
    def refused(sentence, command, part):
        got = guest.run(f"{command} 2>&1")
        check(f"{sentence}: {got[1]}", got[0] == 1 and part in got[1] and
              len(got[1].splitlines()) == 1, got)

    command = "paraclock events --dev-mem"
    refused("others than root do not see where the page is",
            f"su nobody -c '{command}'", "run this as root")
    guest.must("mv /dev/mem /dev/kept")
    refused("without /dev/mem", command, "/dev/mem: no such device")
    guest.must("cp /etc/passwd /dev/mem")
    refused("with a file of that name", command, "/dev/mem: no such device")
    guest.must("rm /dev/mem; mv /dev/kept /dev/mem")
    guest.must("mkdir /tmp/empty; mount -o bind /tmp/empty /proc")
    refused("without /proc", command, "/proc/iomem: it cannot be read")
    guest.must("umount /proc")


def test_generation(guest):
    """Another VM generation ID: the kernel writes a line to its log."""
    start(guest, "-b tsc")
    migrate(guest)
    forks = "dmesg | grep -c 'crng reseeded due to virtual machine fork'"
    check("the same generation ID: the kernel says nothing",
          guest.run(forks)[1] == "0")
    # A process may write the same, but not in the kernel's name.
    guest.must("echo '<5>random: crng reseeded due to virtual machine fork' "
               ">/dev/kmsg")
    at = guest.command.index(f"vmgenid,guid={IDS[0]}")
    guest.command[at] = f"vmgenid,guid={IDS[1]}"
    migrate(guest)
    wait_for("another generation ID: the kernel says so",
             lambda: guest.run(forks)[1], good=lambda count: count == "2")
    told = wait_for("the kernel's line is an event",
                    lambda: events(guest), good=len)
    stop(guest)
    told = events(guest)
    check("it is one event, a restore, and the kernel's word",
          len(told) == 1 and told[0]["kind"] == "restored" and
          told[0]["source"] == "vmgenid" and
          told[0]["marker_class"] == "authoritative" and
          told[0]["epoch"] == 2 and not told[0]["lost"], told)


def test_both(guest):
    """The marker and the kernel's line are one restore."""
    start(guest, "--dev-mem")
    at = guest.command.index(f"vmgenid,guid={IDS[1]}")
    guest.command[at] = f"vmgenid,guid={IDS[0]}"
    migrate(guest)
    told = wait_for("the restore is told", lambda: events(guest),
                    good=lambda got: got and got[-1]["kind"] == "restored")
    stop(guest)
    told = events(guest)
    kinds = [e["kind"] for e in told]
    print(kinds)
    # The kernel's line may come later than the marker is looked at.
    check("once, or as an update that turns out to be a restore",
          kinds in (["restored"], ["updated", "restored"]), told)
    check("the first event has the marker",
          told[0]["marker_after"] not in (None, told[0]["marker_before"]),
          told)


def has_memory_open(guest):
    """Does the command that prints events have /dev/mem open?"""
    return guest.run("ls -l /proc/$(cat /tmp/events.pid)/fd | "
                     "grep -q /dev/mem")[0] == 0


def test_driver(guest):
    """A driver that is loaded later, and one that was there before."""
    for driver in (False, True):
        start(guest, "--dev-mem")
        check("/dev/mem is open only where no driver shows the page",
              has_memory_open(guest) == (not driver))
        if not driver:
            guest.must("insmod /ptp_vmclock.ko")
        migrate(guest)
        wait_for("a migration is an event", lambda: events(guest), good=len)
        stop(guest)
        told = events(guest)
        check("it is one event, and nothing was lost",
              [e["kind"] for e in told] == ["updated"] and
              told[0]["source"] == "vmclock", told)


def test(image, args):
    with tempfile.TemporaryDirectory(prefix="paraclock-vm-") as folder:
        initramfs = os.path.join(folder, "initramfs")
        machine = ["-machine", "q35", "-device", "vmclock",
                   "-device", f"vmgenid,guid={IDS[0]}"]
        vm.make_initramfs(image, initramfs, [args.tool])
        with vm.VM(image, initramfs, machine, linux="vmlinuz-old") as guest:
            guest.boot()
            test_kernel(guest)
            test_migrations(guest)
            test_refusals(guest)
        with vm.VM(image, initramfs, machine) as guest:
            guest.boot()
            test_generation(guest)
            test_both(guest)
            test_driver(guest)


if __name__ == "__main__":
    sys.exit(vm.main(test))
