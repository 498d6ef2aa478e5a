# SPDX-License-Identifier: MIT
"""The VMM of examples/ on a KVM host, which is a Linux guest here: QEMU's TCG
has AMD's virtualization. What its guest's page says is held against the host's
CLOCK_REALTIME."""
import hashlib
import os
import sys
import tempfile

import vm
from vm import check, wait_for

MODULES = ("irqbypass", "kvm", "kvm-amd")
# What is vouched for, and what a timekeeper may be off by: TCG and a busy
# machine interrupt it.
VOUCHED_NS, OFF_NS = 10_000_000, 5_000_000
TAI_SEC = 37
NTP = 2208988800
PAGE = "/tmp/page"


def leap_list():
    """One that does not expire soon."""
    updated, expires, entry = (number + NTP for number in (
        1483228800, 4102444800, 1483228800))
    digest = hashlib.sha1(
        f"{updated}{expires}{entry}{TAI_SEC}".encode()).hexdigest()
    words = " ".join(digest[i:i + 8] for i in range(0, 40, 8))
    return f"#$ {updated}\\n#@ {expires}\\n{entry} {TAI_SEC}\\n#h {words}\\n"


def offset_ns(guest):
    """The page's UTC less CLOCK_REALTIME, known to 1 ms; and its bound."""
    got = wait_for("the page is compared with the system clocks", lambda:
                   guest.json(f"paraclock cross -b vmclock -d {PAGE} --json"),
                   good=lambda got: got and got[0]["valid"] and
                   got[0]["uncertainty_ns"] < 1_000_000)[0]
    check("it says TAI, with the offset of the list",
          (got["timescale"], got["tai_offset_sec"]) == ("tai", TAI_SEC), got)
    off = got["host_ns"] - TAI_SEC * 10**9 - got["realtime_ns"]
    print(f"off by {off} ns, to within {got['uncertainty_ns']} ns; bound "
          f"{got['clock_error_ns']} ns")
    return off, got["clock_error_ns"]


def marker(guest):
    return guest.json(f"paraclock decode vmclock --page {PAGE} --counter "
                      f"$(paraclock read -b vmclock -d {PAGE} --json | "
                      "sed 's/.*\"host_tsc\":\\([0-9]*\\).*/\\1/') "
                      "--json")[0]["marker"]


def test_page(guest):
    guest.must(f"printf '{leap_list()}' >/tmp/leaps")
    guest.must(f"vmm {VOUCHED_NS / 1e9} {PAGE} /tmp/leaps >/tmp/log 2>&1 & "
               "true")
    wait_for("the guest has the time", lambda: guest.must("cat /tmp/log"),
             good=lambda log: "the guest has the time" in log)
    for _ in range(5):
        off, bound = offset_ns(guest)
        check("the page has the host's time", abs(off) < OFF_NS, off)
        check("and at least the bound that was vouched for",
              VOUCHED_NS <= bound < 100 * VOUCHED_NS, bound)


def test_step(guest):
    """The host's clock is set: the page follows, under another marker."""
    before = marker(guest)
    guest.must("date -s @$(($(date +%s) + 3600))")
    off, _ = wait_for("the page follows the host's clock",
                      lambda: offset_ns(guest),
                      good=lambda got: abs(got[0]) < OFF_NS)
    check("under another marker", marker(guest) != before, before)


def test(image, args):
    for module in MODULES:
        path = os.path.join(image.folder, "modules", module + ".ko")
        if not os.path.exists(path):
            raise vm.Skip(f"the cache has no {module}: remove {image.folder} "
                          "and run scripts/vm-image")
    if not args.vmm:
        raise vm.Skip("examples/vmm.c is not built here")
    with tempfile.TemporaryDirectory() as folder:
        initramfs = os.path.join(folder, "initramfs")
        vm.make_initramfs(image, initramfs, [args.tool, args.vmm], MODULES)
        with vm.VM(image, initramfs,
                   kernel="tsc=reliable clocksource=tsc") as guest:
            guest.boot()
            for module in MODULES:
                guest.must(f"insmod /{module}.ko")
            guest.must("ls /dev/kvm")
            test_page(guest)
            test_step(guest)


if __name__ == "__main__":
    sys.exit(vm.main(test))
