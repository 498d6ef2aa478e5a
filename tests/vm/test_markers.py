# SPDX-License-Identifier: MIT
"""QEMU's own vmclock, which gives no time: the disruptions that it shows, who
may read it, and events when the guest's clock is set."""
import json
import os
import sys
import tempfile

import vm
from vm import check, wait_for

MIGRATIONS = 10
IDS = ("324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87",
       "0f2ab3b5-6c21-4f6c-8a0d-1ad0ffb3f4c1")


def backend(status, name):
    return next(b for b in status["backends"] if b["name"] == name)


def test_status(guest):
    status = guest.json("paraclock status --json", want=3)[0]
    vmclock = backend(status, "vmclock")
    check("status finds /dev/vmclock0, and no time on it",
          vmclock["available"] and not vmclock["valid"] and
          vmclock["reason"] == "status" and status["chosen"] is None, status)
    check("it is authoritative for disruptions",
          vmclock["marker_class"] == "authoritative", vmclock)
    check("the text says so, too",
          "show disruptions only" in vmclock["detail"], vmclock)
    check("the hypervisor is QEMU's TCG",
          status["hypervisor"] == "qemu-tcg", status)
    read = guest.json("paraclock read -b vmclock --json", want=3)[0]
    check("a read of it is not valid, and has no error bound",
          not read["valid"] and read["reason"] == "status" and
          read["pair_error_ns"] is None and read["clock_error_ns"] is None,
          read)
    got = guest.run("timeout 2 paraclock events 2>&1")
    check("events come from a source of markers alone",
          got[0] in (0, 143), got)


def test_access(guest):
    mode = guest.must("stat -c '%a %u' /dev/vmclock0")
    check("the kernel gives /dev/vmclock0 to root", mode == "600 0", mode)
    got = guest.run("su nobody -c 'paraclock read -b vmclock --json' 2>&1")
    check("others are refused, with the node and the remedy",
          got[0] == 1 and "/dev/vmclock0: permission denied" in got[1] and
          "udev rule" in got[1] and "paraclock-vmclock(7)" in got[1], got)
    status = guest.json("su nobody -c 'paraclock status --json'", want=3)[0]
    vmclock = backend(status, "vmclock")
    check("status says the same to them",
          not vmclock["available"] and
          "/dev/vmclock0: permission denied" in vmclock["detail"], vmclock)

    guest.must("ln -s udevadm /bin/systemd-udevd; systemd-udevd --daemon; "
               "udevadm trigger --subsystem-match=misc --settle")
    mode = guest.must("stat -c '%a %u %g' /dev/vmclock0")
    check("our rule gives it to a group, for reading",
          mode == f"640 0 {vm.CLOCK_GROUP}", mode)
    read = guest.json("su member -c 'paraclock read -b vmclock --json'",
                      want=3)[0]
    check("its members may read it", read["reason"] == "status", read)
    got = guest.run("su nobody -c 'paraclock read -b vmclock' 2>&1")
    check("nobody else may", got[0] == 1 and "permission denied" in got[1],
          got)


def events(guest):
    return guest.json("cat /tmp/events", want=0)


def test_set(guest):
    """By the API, and by another process than the one that gets the event."""
    before, after, event = guest.json("vm_guest set 5000000000", want=0)
    moved = after["realtime_ns"] - before["realtime_ns"] - \
        (after["raw_ns"] - before["raw_ns"])
    check("clock_settime() moved the clock by 5 s",
          abs(moved - 5_000_000_000) < 50_000_000, moved)
    check("clock_was_set_seq changes, the other seq does not",
          after["was_set"] != before["was_set"] and
          after["changed"] == before["changed"], after)
    check("the event descriptor wakes",
          event["event"] == "clock-set" and event["source"] == "clock", event)
    check("its gap agrees with the snapshots, to 100 us",
          abs(event["gap_ns"] - moved) < 100_000, (event, moved))
    check("the epoch stays", event["epoch"] == 1, event)

    guest.must("date -s @2000000000")
    told = wait_for("paraclock events reports date(1)",
                    lambda: events(guest), good=lambda got: len(got) == 2)
    check("both are clock-set, and neither is a disruption",
          all(e["kind"] == "clock-set" and e["epoch"] == 1
              for e in told), told)
    check("the last is where date(1) put it",
          abs(told[1]["host_ns_after"] - 2_000_000_000 * 10**9) < 10**9,
          told[1])
    after = guest.json("vm_guest set -3600000000000", want=0)[1]
    check("a clock is set back as well",
          abs(after["realtime_ns"] - (2_000_000_000 - 3600) * 10**9) <
          60 * 10**9, after)
    wait_for("that is an event, too", lambda: len(events(guest)),
             good=lambda n: n == 3)


def migrate(guest):
    guest.load(guest.save())


def test_migrations(guest):
    """Each is exactly one disruption, by every interface."""
    for number in range(1, MIGRATIONS + 1):
        migrate(guest)
        told = wait_for(f"migration {number} is an event",
                        lambda: [e for e in events(guest)
                                 if e["kind"] != "clock-set"],
                        good=lambda got, n=number: len(got) >= n)
        check("it is one event, and authoritative",
              len(told) == number and told[-1]["kind"] == "updated" and
              told[-1]["source"] == "vmclock" and
              told[-1]["marker_class"] == "authoritative" and
              told[-1]["epoch"] == number + 1, told)
        check("its marker has changed",
              told[-1]["marker_after"] != told[-1]["marker_before"], told)
    markers = [e["marker_after"] for e in told]
    check("no marker came twice", len(set(markers)) == MIGRATIONS, markers)
    check("no event was lost", not any(e["lost"] for e in told), told)
    lines = guest.must("cat /tmp/follow").splitlines()
    check("paraclock_disrupted() agrees, each time once",
          lines == ["epoch=1"] + [f"disrupted=1 epoch={n + 2}"
                                  for n in range(MIGRATIONS)], lines)


# The kernel's line may come later than the marker is looked at.
RESTORE = (["restored"], ["updated", "restored"])


def test_watch(guest):
    def kinds():
        told = map(json.loads, guest.must("cat /tmp/watch").splitlines())
        return [line["kind"] for line in told if "kind" in line]

    got = wait_for("paraclock watch sees the restore", kinds,
                   good=lambda got: got and got[-1] == "restored")
    disruptions = [kind for kind in got if kind != "clock-set"]
    check("it agrees", got.count("clock-set") == 3 and
          disruptions[MIGRATIONS:] in RESTORE, got)
    wait_for("it counts them", lambda: guest.must("tail -n 1 /tmp/watch"),
             good=lambda line: f'"disruptions":{len(disruptions)},' in line)


def test_generation(guest):
    """Another VM generation ID: a restore or a clone."""
    at = guest.command.index(f"vmgenid,guid={IDS[0]}")
    guest.command[at] = f"vmgenid,guid={IDS[1]}"
    migrate(guest)
    told = wait_for("a restore is an event", lambda: events(guest),
                    good=lambda got: got[-1]["kind"] == "restored")
    check("the kernel says it",
          guest.run("dmesg | grep -q 'virtual machine fork'")[0] == 0 and
          told[-1]["source"] == "vmgenid" and
          told[-1]["marker_class"] == "authoritative", told[-1])
    kinds = [e["kind"] for e in told if e["kind"] != "clock-set"]
    check("once, or as an update that turns out to be a restore",
          kinds[MIGRATIONS:] in RESTORE, told)


def test(image, args):
    with tempfile.TemporaryDirectory(prefix="paraclock-vm-") as folder:
        initramfs = os.path.join(folder, "initramfs")
        vm.make_initramfs(image, initramfs,
                          [args.tool, args.guest, image.program("udevadm")])
        with vm.VM(image, initramfs,
                   ["-machine", "q35", "-device", "vmclock",
                    "-device", f"vmgenid,guid={IDS[0]}"]) as guest:
            guest.boot()
            got = guest.run("paraclock status --json")
            check("without the driver, status names it",
                  "load ptp_vmclock" in got[1], got)
            guest.must("insmod /ptp_vmclock.ko")
            test_status(guest)
            test_access(guest)
            guest.must("paraclock watch -b vmclock --json >/tmp/watch & "
                       f"{vm.IS_OPEN}; "
                       "vm_guest follow >/tmp/follow & "
                       "until grep -q epoch /tmp/follow; do sleep 0.1; done; "
                       "paraclock events -b vmclock --json >/tmp/events & "
                       f"{vm.IS_OPEN}")
            test_set(guest)
            test_migrations(guest)
            test_generation(guest)
            test_watch(guest)


if __name__ == "__main__":
    sys.exit(vm.main(test))
