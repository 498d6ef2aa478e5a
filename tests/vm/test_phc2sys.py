# SPDX-License-Identifier: MIT
"""linuxptp's phc2sys, by the command of paraclock-servo(7), disciplines the
guest's CLOCK_REALTIME to the PHC of a vmclock; and what it does not notice."""
import os
import re
import sys
import time

import vm
from keep_bed import GOOD_NS, MS, SEC, bed
from vm import check, wait_for

WRONG_NS, STEP_NS = 400 * MS, 250 * MS
# The page's bound grows by 1 ms a second.
RATE_PPB = 1_000_000
LINK = "/dev/ptp_vmclock0"


def command():
    """As the man page has it."""
    page = os.path.join(vm.TOP, "man", "paraclock-servo.7")
    with open(page) as text:
        found = re.findall(r"^phc2sys .*ptp_vmclock0.*", text.read(), re.M)
    check("the man page has one command for a vmclock", len(found) == 1, found)
    return found[0].replace("\\-", "-")


def timex(guest):
    """What the kernel says of its clock: (is it synchronized, maxerror ns)."""
    text = guest.must("adjtimex")
    maxerror = int(re.search(r"maxerror: +(\d+)", text)[1]) * 1000
    return "return value: 0 " in text, maxerror


def log(guest):
    return guest.must("cat /tmp/phc2sys").splitlines()


def page(guest):
    return guest.json("paraclock cross -b vmclock --json", want=0)[0]


def test_links(guest):
    guest.must("ln -s udevadm /bin/systemd-udevd; systemd-udevd --daemon; "
               "udevadm trigger --subsystem-match=ptp --settle")
    node = guest.must(f"readlink -f {LINK}")
    check("our rule has made the link", node == "/dev/ptp0", node)
    version = guest.must("phc2sys -v 2>&1")
    print(f"phc2sys {version}")
    if int(version.split(".")[0]) < 4:
        by_link = command().replace(f"$(readlink -f {LINK})", LINK)
        got = guest.run(f"{by_link} 2>&1")
        check("before 4.0 phc2sys does not follow a link", got[0] != 0 and
              f"failed to parse PHC index from {LINK}" in got[1], got)


def start(bench, options=""):
    bench.guest.must(f"({command()} {options}; "
                     "echo $? >/tmp/ended) >/tmp/phc2sys 2>&1 & sleep 1")
    wait_for("phc2sys says that it has locked", lambda: log(bench.guest),
             good=lambda got: sum(" s2 " in line for line in got) >= 4)


def test_discipline(bench):
    guest = bench.guest
    guest.must(f"vm_guest step {WRONG_NS - bench.off_ns()}")
    start(bench)
    off = wait_for("the guest's clock is right to 1 ms", bench.off_ns,
                   good=lambda got: abs(got) < GOOD_NS)
    sample = page(guest)
    print(f"off by {off} ns to the host's own clock, and by "
          f"{-sample['offset_ns']} ns to the page's")
    check("the kernel has not been given TAI - UTC",
          sample["tai_ns"] is None, sample)
    synchronized, maxerror = timex(guest)
    sample = page(guest)
    check("the kernel's bound, which is phc2sys's, is not the host's: "
          f"{maxerror} ns, {sample['clock_error_ns']} ns",
          synchronized and maxerror < sample["clock_error_ns"])


def watch(bench, ahead_ns):
    """(s since the first look, ns off) until the clock is right, and stays so.
    ahead_ns: the page's clock, less the host's own."""
    seen = []
    end = time.monotonic() + vm.COMMAND_SEC
    while time.monotonic() < end:
        reading = bench.guest.json("vm_guest clock", want=0)[0]
        seen.append((bench.truth_ns(reading["counter"]),
                     bench.off_of(reading) - ahead_ns))
        last = seen[-10:]
        if len(last) == 10 and all(abs(off) < GOOD_NS for _, off in last):
            break
        time.sleep(0.2)
    return [((at - seen[0][0]) / SEC, off) for at, off in seen]


def migrate(bench, times):
    """To a host whose clock is 250 ms ahead, for so many times."""
    guest = bench.guest
    already = len(log(guest))
    bench.host.must(f"step {times * STEP_NS}")
    bench.host.new_marker()
    bench.host.must("publish")
    seen = watch(bench, times * STEP_NS)
    check("phc2sys finds the new time", abs(seen[-1][1]) < GOOD_NS, seen[-5:])
    lines = log(guest)[already:]
    check("it says nothing but offsets",
          all("phc offset" in line for line in lines), lines)
    # Its signs: of CLOCK_REALTIME less the PHC, and of what is to be taken
    # from the frequency.
    offs, rates = zip(*[map(int, re.search(
        r"offset +(-?\d+) s\d freq +([+-]\d+)", line).groups())
        for line in lines])
    wrong = [at for at, off in seen if abs(off) >= GOOD_NS]
    print(f"for {max(wrong, default=0):.1f} s off by more than 1 ms; phc2sys "
          f"saw {min(offs) / MS:.1f} to {max(offs) / MS:.1f} ms; the clock ran "
          f"{-max(rates) / 1000:.0f} to {-min(rates) / 1000:.0f} ppm fast",
          flush=True)
    return seen


def test_migration(bench):
    guest = bench.guest
    guest.must("paraclock events -b vmclock --json >/tmp/events & "
               f"echo $! >/tmp/events.pid; {vm.IS_OPEN}")
    guest.must("(for i in 0 1 2 3 4 5; do vm_guest clock; adjtimex; sleep 1; "
               "done) >/tmp/claims &")
    migrate(bench, 1)
    told = wait_for("the marker tells of it",
                    lambda: guest.json("cat /tmp/events", want=0))
    check("and the page by how much", abs(told[0]["gap_ns"] - STEP_NS) < MS,
          told)
    claims = guest.must("cat /tmp/claims")
    check("the kernel called its clock synchronized all the time",
          claims.count("return value: 0 ") == claims.count("return value:") > 0,
          claims)
    print("within, us: " + " ".join(
        re.findall(r"maxerror: +(\d+)", claims)))
    guest.must("killall phc2sys")
    start(bench, "-S 0.001")
    migrate(bench, 2)


def test_unreliable(bench):
    """The host withdraws its time, for a moment."""
    guest = bench.guest
    guest.must("rm -f /tmp/ended")
    bench.host.must("status 4", "publish")
    wait_for("phc2sys ends when the PHC fails", lambda: guest.run(
        "test -s /tmp/ended")[0] == 0)
    synchronized, maxerror = timex(guest)
    print(f"phc2sys: exit status {guest.must('cat /tmp/ended')}; its last "
          f"line: {log(guest)[-1]}")
    check("the kernel still calls its clock synchronized", synchronized)


def test(image, args):
    with bed(image, args, [image.program("udevadm"), image.program("phc2sys")]
             ) as bench:
        bench.set_up()
        bench.host.must(f"rate {RATE_PPB}", "publish")
        test_links(bench.guest)
        test_discipline(bench)
        test_migration(bench)
        test_unreliable(bench)


if __name__ == "__main__":
    sys.exit(vm.main(test))
