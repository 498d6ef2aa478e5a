# SPDX-License-Identifier: MIT
"""A vmclock with time, published from outside into the guest's memory: our
reader and Linux's driver side by side, while the host does anything it may."""
import calendar
import os
import re
import sys
import tempfile
import time

import vm
from publisher import Publisher
from vm import check, wait_for

SEC = 10**9
READ = "paraclock read -b vmclock --json"
READINGS = 5000
# The bound grows so fast (ppb): 10 us a second, and a second in five.
STEADY, FAST = 10_000, 200_000_000
UNLOAD = "killall paraclock; until rmmod ptp_vmclock; do sleep 0.1; done"


class Bench:
    """The guest, its publisher, and how far the page is ahead of the truth."""

    def __init__(self, guest, host):
        self.guest, self.host = guest, host
        self.step_ns = 0
        self.utc = False

    def read(self, want=0):
        return self.guest.json(READ, want=want)[0]

    def off_ns(self, sample):
        """How far a sample is ahead of the host's own clock at its instant."""
        truth = self.host.must(f"at {sample['host_tsc']}")["at_ns"]
        tai = 0 if self.utc else sample["tai_offset_sec"]
        return sample["host_ns"] - tai * SEC - self.step_ns - truth

    def is_true(self, sentence):
        sample = self.read()
        off = self.off_ns(sample)
        check(f"{sentence}: valid, and within its own bound of the truth",
              sample["valid"] and sample["pair_error_ns"] == 0 and
              abs(off) <= sample["clock_error_ns"], (off, sample))
        return sample

    def step(self, ns):
        self.step_ns += ns
        self.host.must(f"step {self.step_ns}")


def events(bench):
    return bench.guest.json("cat /tmp/events", want=0)


def count_events(bench):
    """The events, once all of them have been delivered."""
    bench.guest.must(vm.HAS_LOOKED)
    return len(events(bench))


def phc_ctl(guest):
    """linuxptp's reading of the PHC, ns."""
    text = guest.must("phc_ctl /dev/ptp0 get")
    shown = re.search(r"clock time is (\d+)\.(\d{9})", text)
    check("linuxptp's phc_ctl prints a time", shown, text)
    return int(shown[1]) * SEC + int(shown[2])


def test_drivers(bench):
    """Linux's own driver of the page agrees with us."""
    guest, host = bench.guest, bench.host
    ways = guest.json(f"vm_guest phc /dev/ptp0 {READINGS}", want=0)
    for way in ways:
        print(way)
        check(f"{way['way']}: the PHC agrees with every reading of ours",
              way["readings"] == READINGS and way["errors"] == 0 and
              way["outside"] == 0, way)
    host.begin("storm 3000")
    ways = guest.json(f"vm_guest phc /dev/ptp0 {READINGS} updates", want=0)
    error, _ = host.finish()
    check("the page was written all the time", error == "OK", error)
    for way in ways:
        print(way)
        # A writer that the machine preempts in an update is -EAGAIN.
        check(f"{way['way']}: it also agrees while the page is written",
              way["readings"] == READINGS and way["outside"] == 0 and
              way["errors"] < READINGS and
              way["error"] in ("0", "EAGAIN"), way)

    before = bench.read()
    ns = phc_ctl(guest)
    after = bench.read()
    check("it is between two readings of ours",
          before["host_ns"] <= ns <= after["host_ns"], (before, ns, after))


def test_links(bench):
    guest = bench.guest
    guest.must("ln -s udevadm /bin/systemd-udevd; systemd-udevd --daemon; "
               "udevadm trigger --subsystem-match=misc "
               "--subsystem-match=ptp --settle")
    link = guest.must("readlink -f /dev/ptp_vmclock0")
    check("our rule links the PHC by its clock's name",
          link == "/dev/ptp0", link)
    mode = guest.must("stat -c '%a %u %g' /dev/ptp0")
    check("a group may read the PHC", mode == f"640 0 {vm.CLOCK_GROUP}", mode)
    for command in (READ, "paraclock read -b phc --json",
                    "paraclock read -b phc -d /dev/ptp_vmclock0 --json"):
        sample = guest.json(f"su member -c '{command}'", want=0)[0]
        check(f"a member of it reads: {command}", sample["valid"], sample)


def test_system_clocks(bench):
    """The guest's own clocks, corrected by the readings."""
    guest = bench.guest
    sample = guest.json("paraclock cross --json", want=0)[0]
    check("the source that is chosen is the vmclock, and is correlated",
          sample["backend"] == "vmclock" and sample["clocksource"] == "tsc"
          and sample["valid"], sample)
    guest.must("vm_guest tai 37")
    guest.must(f"vm_guest set {sample['offset_ns']}")
    sample = guest.json("paraclock cross --json", want=0)[0]
    check("set by its offset, the guest's clock is the host's to 0.1 s",
          abs(sample["offset_ns"]) < SEC // 10, sample)
    phc = guest.json("paraclock cross -b phc --json", want=0)[0]
    check("the PHC is then found to count TAI",
          phc["timescale"] == "tai", phc)
    link = guest.json("paraclock read -b phc -d /dev/ptp_vmclock0 --json")[0]
    check("the PHC by its link counts TAI, too", link["timescale"] == "tai",
          link)
    # Both are compared with one clock, at instants some 50 ms apart.
    check("its offset is the page's, to what the clock drifts in between",
          abs(phc["offset_ns"] - sample["offset_ns"]) <=
          phc["pair_error_ns"] + phc["uncertainty_ns"] +
          sample["uncertainty_ns"] + 1_000_000, (phc, sample))


def test_clocksources(bench):
    """On another clocksource than the counter, correlation is refused."""
    guest = bench.guest
    for name in ("acpi_pm", "hpet"):
        before, good, event, bad, after = guest.json(
            f"vm_guest clocksource {name}", want=0)
        check(f"{name}: correlated before, refused after",
              before["clocksource"] == "tsc" and good["cross"] == "OK" and
              good["sample_valid"] and bad["cross"] == "ENODEV", (good, bad))
        check(f"{name}: a snapshot shows it, and the change",
              after["clocksource"] == name and not after["valid"] and
              after["changed"] != before["changed"], after)
        check(f"{name}: the event descriptor wakes, the epoch stays",
              event["event"] == "clocksource-changed" and
              event["epoch"] == 1, event)
        got = guest.run("paraclock cross --json 2>&1")
        check(f"{name}: paraclock cross refuses, and names it",
              got[0] == 1 and name in got[1] and
              "current_clocksource" in got[1], got)
        check(f"{name}: the host's time is read all the same",
              bench.read()["valid"])
        wait_for(f"{name}: paraclock events reports it", lambda: events(bench),
                 good=lambda got: got and got[-1]["kind"] ==
                 "clocksource-changed")
        guest.must("vm_guest clocksource tsc")
        guest.must(vm.HAS_LOOKED)
        sample = guest.json("paraclock cross --json", want=0)[0]
        check(f"{name}: and correlated again after", sample["valid"], sample)


def test_steps(bench):
    guest, host = bench.guest, bench.host
    already = count_events(bench)
    before = bench.read()
    bench.step(5 * SEC)
    error, _ = host.ask("publish")
    check("a step without another marker is not published",
          error == "ESTALE", error)
    after = bench.read()
    check("and not seen",
          0 < after["host_ns"] - before["host_ns"] < 5 * SEC, after)
    host.new_marker()
    host.must("publish")
    bench.is_true("a step with another marker")
    told = wait_for("it is an event", lambda: events(bench)[already:])
    bound = host.must("calibrate")["bound_ns"]
    check("one event, whose gap is the step",
          len(told) == 1 and told[0]["kind"] == "jumped" and
          told[0]["source"] == "vmclock" and
          abs(told[0]["gap_ns"] - 5 * SEC) <= 2 * bound + SEC // 1000, told)
    host.must("generation 7")
    host.new_marker()
    host.must("publish")
    told = wait_for("another generation is an event",
                    lambda: events(bench)[already + 1:])
    check("it is a restore, and one event",
          len(told) == 1 and told[0]["kind"] == "restored" and
          told[0]["generation_after"] == f"0x{7:016x}", told)
    check("the PHC agrees after all the steps", guest.json(
        "vm_guest phc /dev/ptp0 100", want=0)[0]["outside"] == 0)


def is_not_chosen(bench, how):
    """Neither it nor its PHC, the same page without its limits, is chosen."""
    got = bench.guest.run("paraclock read --json 2>&1")
    check(f"{how}: no source is chosen",
          got[0] == 1 and "no valid host clock" in got[1], got)


def test_statuses(bench):
    guest, host = bench.guest, bench.host
    already = count_events(bench)
    for status, name in ((0, "unknown"), (1, "initializing"),
                         (4, "unreliable")):
        host.must(f"status {status}", "publish")
        sample = bench.read(want=3)
        check(f"{name}: not valid, by its status",
              not sample["valid"] and sample["reason"] == "status" and
              sample["clock_error_ns"] is None, sample)
        if status == 4:
            got = guest.run("paraclock read --json 2>&1")
            check("unreliable: no source is chosen", got[0] == 1, got)
        else:
            is_not_chosen(bench, name)
    phc = guest.json("vm_guest phc /dev/ptp0 10", want=0)
    check("Linux's driver refuses an unreliable page, too",
          all(way["errors"] == 10 for way in phc), phc)
    host.must("status 3", "publish")
    bench.is_true("free running")
    host.must("status 2", "publish", "freeze")
    sample = bench.read(want=3)
    check("frozen: not valid, by its status",
          sample["reason"] == "status", sample)
    host.must("publish")
    bench.is_true("thawed")
    check("no status is a disruption",
          count_events(bench) == already, events(bench)[already:])


def to_second(bench, when):
    """Step so that the page's UTC is soon at a second of the calendar."""
    ns = calendar.timegm(time.strptime(when, "%Y-%m-%d %H:%M:%S")) * SEC
    bench.step(ns - time.time_ns() - bench.step_ns)
    bench.host.new_marker()


def test_leap(bench):
    """A leap second is announced, comes and passes, on a page that was written
    before it. In it UTC has the number of the second before, so TAI is already
    ahead by one more."""
    guest, host = bench.guest, bench.host
    midnight = calendar.timegm((2027, 7, 1, 0, 0, 0))
    # On a busy machine it may be over before the first reading.
    for seconds in range(5, 40, 5):
        to_second(bench, f"2027-06-30 23:59:{60 - seconds}")
        host.must("leap 1", "publish")
        phc = guest.json("vm_guest phc /dev/ptp0 200", want=0)
        samples = guest.json(f"{READ} -n {4 * seconds + 14} -i 0.25", want=0)
        if len({sample["leap"] for sample in samples}) == 3:
            break
    # The leap second, and the first one behind it, by TAI.
    begin, end = (midnight + 37) * SEC, (midnight + 38) * SEC
    for sample in samples:
        ns = sample["host_ns"]
        want = ("pre-pos", 37) if ns < begin else \
            ("pos", 38) if ns < end else ("post-pos", 38)
        check(f"{(ns - begin) / SEC:+.3f} s: {want[0]}, TAI is {want[1]} s "
              "ahead", (sample["leap"], sample["tai_offset_sec"]) == want and
              sample["valid"], sample)
    check("all three states were seen",
          len({sample["leap"] for sample in samples}) == 3)
    phc += guest.json("vm_guest phc /dev/ptp0 200", want=0)
    check("the PHC agrees before and after", all(
        way["outside"] == 0 and way["errors"] == 0 for way in phc), phc)
    # The host's clock, which had no leap second, is a second ahead now.
    bench.step(-SEC)
    host.must("leap 4", "tai 38", "publish")
    sample = bench.is_true("published after it")
    check("it goes on unchanged",
          sample["host_ns"] > samples[-1]["host_ns"] and
          sample["leap"] == "post-pos" and sample["tai_offset_sec"] == 38,
          sample)
    bench.step(-bench.step_ns)
    host.new_marker()
    host.must("leap 0", "tai 37", "publish")
    bench.is_true("back in the present")


def test_dead_publisher(bench):
    guest, host = bench.guest, bench.host
    host.must(f"rate {FAST}", "publish")
    host.kill()
    sample = bench.read()
    # It is valid for 5 s, which may be over.
    check("a page is valid while its bound is below 1 s",
          sample["clock_error_ns"] < SEC if sample["valid"] else
          sample["reason"] == "window", sample)
    sample = wait_for("without its publisher the page becomes invalid",
                      lambda: guest.json(READ)[0],
                      good=lambda got: not got["valid"])
    check("by its window, and without a bound",
          sample["reason"] == "window" and sample["clock_error_ns"] is None,
          sample)
    is_not_chosen(bench, "past its bound")

    host.start()
    host.must(f"rate {STEADY}")
    host.new_marker()
    host.set_up()
    bench.is_true("the next publisher's")

    host.begin("die-odd")
    host.process.wait(10)
    got = guest.run(f"{READ} 2>&1")
    check("dead in the middle of an update: the read ends without an answer",
          got[0] == 1 and not got[1].startswith("{"), got)
    phc = guest.json("vm_guest phc /dev/ptp0 2", want=0)
    check("Linux's driver gives up, too",
          all(way["errors"] == 2 for way in phc), phc)
    host.start()
    host.must(f"rate {STEADY}")
    host.new_marker()
    host.set_up()
    bench.is_true("the next publisher repairs the page")


def test_migration(bench):
    """Frozen, moved to another QEMU, calibrated there, and published."""
    guest, host = bench.guest, bench.host
    for announced in (True, False):
        already = count_events(bench)
        if announced:
            host.must("freeze")
        guest.load(guest.save(["x-ignore-shared"]), ["x-ignore-shared"])
        if announced:
            sample = bench.read(want=3)
            check("moved while frozen: not valid",
                  sample["reason"] == "status", sample)
            check("it is no disruption yet",
                  count_events(bench) == already, events(bench)[already:])
        host.new_marker()
        host.set_up()
        bench.is_true("moved, " + ("announced" if announced else "unannounced"))
        told = wait_for("it is an event", lambda n=already: events(bench)[n:])
        check("one event, and the marker is the publisher's",
              len(told) == 1 and
              told[0]["marker_after"] == f"0x{host.marker:016x}", told)
        check("the PHC agrees after the move", guest.json(
            "vm_guest phc /dev/ptp0 100", want=0)[0]["outside"] == 0)
    check("no more events came", count_events(bench) == already + 1,
          events(bench)[already:])


def test_utc(bench):
    """A page of UTC, which Linux's driver converts to TAI."""
    guest, host = bench.guest, bench.host
    guest.must(UNLOAD)
    bench.utc = True
    host.must("blank", "timescale 2")
    host.new_marker()
    host.must("publish")
    guest.must("insmod /ptp_vmclock.ko")
    sample = bench.is_true("UTC")
    check("it is UTC, with the TAI offset of the specification",
          sample["timescale"] == "utc" and sample["tai_offset_sec"] == 37,
          sample)
    ahead = (phc_ctl(guest) - bench.read()["host_ns"]) / SEC
    # Drivers before Linux 7.0 leave it at UTC.
    print(f"the driver's PHC is {ahead:+.1f} s ahead of the page's UTC")
    check("the PHC is UTC, or TAI by the page's offset",
          min(abs(ahead - off) for off in (0, 37)) < 1, ahead)

    to_second(bench, "2027-06-30 23:59:56")
    host.must("leap 1", "publish")
    midnight = calendar.timegm((2027, 7, 1, 0, 0, 0)) * SEC
    samples = guest.json(f"{READ} -n 28 -i 0.25", want=0)
    state = [(s["leap"], s["host_ns"] < midnight, s["tai_offset_sec"])
             for s in samples]
    want = [("pre-pos", True, 37), ("pos", True, 38), ("post-pos", False, 38)]
    check("UTC counts its last second twice",
          sorted(set(state), key=want.index) == want and
          state == sorted(state, key=want.index), state)


def run(image, args, folder):
    memory = os.path.join(folder, "memory")
    with open(memory, "wb") as file:
        file.truncate(vm.MEMORY)
    initramfs = os.path.join(folder, "initramfs")
    vm.make_initramfs(image, initramfs,
                      [args.tool, args.guest, image.program("udevadm"),
                       image.program("phc_ctl")])
    table = image.compile_table(
        os.path.join(os.path.dirname(__file__), "vmclock.asl"),
        os.path.join(folder, "table"))
    machine = ["-object", f"memory-backend-file,id=memory,size={vm.MEMORY},"
               f"mem-path={memory},share=on", "-machine",
               "q35,memory-backend=memory", "-acpitable", f"file={table}"]
    with vm.VM(image, initramfs, machine,
               # A busy machine makes the counter look bad to the watchdog.
               f"memmap=1M${vm.RESERVED:#x} tsc=nowatchdog") as guest, \
            Publisher(args.publisher, memory,
                      os.path.join(folder, "writer")) as host:
        guest.boot()
        bench = Bench(guest, host)
        guest.must(f"vm_guest mailbox {vm.RESERVED + vm.PAGE:#x} & sleep 0.2")
        host.start()
        host.must("blank", f"rate {STEADY}")
        host.set_up()
        guest.must("insmod /ptp_vmclock.ko")
        bench.is_true("published")
        test_drivers(bench)
        test_links(bench)
        test_system_clocks(bench)
        guest.must("paraclock events -b vmclock --json >/tmp/events & "
                   f"echo $! >/tmp/events.pid; {vm.IS_OPEN}")
        test_clocksources(bench)
        test_steps(bench)
        test_statuses(bench)
        test_leap(bench)
        test_dead_publisher(bench)
        test_migration(bench)
        test_utc(bench)


def test(image, args):
    # Where the memory is: the guest's is a file here.
    with tempfile.TemporaryDirectory(prefix="paraclock-vm-") as folder:
        run(image, args, folder)


if __name__ == "__main__":
    sys.exit(vm.main(test))
