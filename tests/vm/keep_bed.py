# SPDX-License-Identifier: MIT
"""A guest whose vmclock carries time, which the host pauses and restores; and
the truth about its CLOCK_REALTIME after that, which the host alone knows."""
import contextlib
import os
import tempfile
import time

import vm
from publisher import Publisher
from vm import check, wait_for

SEC = 10**9
MS = 10**6
# How well CLOCK_REALTIME is to be put right.
GOOD_NS = MS
# How far the publisher's own knowledge may be off: the bracket of an exchange
# between host and guest, on a machine that is busy elsewhere.
KNOWN_NS = 200_000
STEADY = 10_000
# How the host shows a disruption: the publisher's commands before and after the
# guest runs again. Bed.resume() explains them.
WAYS = {
    "announced": ("announce", "recover"),
    "marked": ("mark", "recover-alone"),
    "unannounced": ("", "recover"),
    "alone": ("", "recover-alone"),
}

MODULES = ("ptp_vmclock", "failover", "net_failover", "virtio_net")


class Bed:
    """The guest, its publisher, and what the tests do to them."""

    def __init__(self, guest, host):
        self.guest, self.host = guest, host
        self.generation = 1

    # --- the truth

    def truth_ns(self, counter):
        """The host's own clock at a value of the guest's counter."""
        return self.host.must(f"at {counter}")["at_ns"]

    def off_of(self, reading):
        return reading["realtime_ns"] - self.truth_ns(reading["counter"])

    def off_ns(self):
        """How far CLOCK_REALTIME is ahead of the host's clock."""
        return self.off_of(self.guest.json("vm_guest clock", want=0)[0])

    def page_off_ns(self):
        """How far the library's reading of the page is ahead of the same."""
        got = self.guest.json("paraclock cross -b vmclock --json", want=0)[0]
        return got["host_ns"] - got["tai_offset_sec"] * SEC - \
            self.truth_ns(got["host_tsc"])

    def ns_between(self, counter, later):
        return self.truth_ns(later) - self.truth_ns(counter)

    # --- the guest

    def set_up(self, *commands):
        """A page with the host's time. commands: the publisher's."""
        self.guest.must("vm_guest mailbox "
                        f"{vm.RESERVED + vm.PAGE:#x} & sleep 0.2")
        self.host.start()
        self.host.must("blank", f"rate {STEADY}",
                       f"generation {self.generation}", *commands)
        self.host.set_up()
        self.guest.must("insmod /ptp_vmclock.ko")
        off = self.page_off_ns()
        check("the page is the host's clock", abs(off) < KNOWN_NS, off)

    def put_right(self):
        self.guest.must(f"vm_guest step {-self.off_ns()}")
        off = self.off_ns()
        check("the guest's clock is right", abs(off) < GOOD_NS, off)

    def follow_steps(self):
        self.guest.must("vm_guest steps >/tmp/steps & sleep 0.5")

    def steps(self):
        """Every step of CLOCK_REALTIME since."""
        return self.guest.json("cat /tmp/steps", want=0)

    # --- what the host does

    def resume(self, act, late_ms, command):
        """Let the guest run, and publish. The page says before the guest runs
        that there was a disruption, and is not valid until it gives the right
        time ("announced"), or goes on with the old time ("marked"); it says so
        only with the right time ("unannounced"), or never ("alone"). command:
        the guest's first act."""
        act.frozen = self.host.must("at 0")["now"]
        if act.how != "alone":
            self.host.new_marker()
        before, after = WAYS[act.how]
        if before:
            self.host.must(before)
        self.host.begin(f"{after} {late_ms}")
        self.guest.execute("cont")
        if command:
            self.guest.begin(command)
        error, values = self.host.finish()
        if error != "OK":
            raise vm.Failed(f"{act.name}: the publisher: {error}")
        act.published = values["base"]
        if command:
            act.status, act.text = self.guest.finish()

    def pause(self, seconds, how="announced", late_ms=0, command=None):
        """Stop the guest for so long."""
        act = Act("pause", how, late_ms)
        begin = time.monotonic_ns()
        self.guest.execute("stop")
        stopped = time.monotonic_ns()
        time.sleep(seconds)
        act.shortest_ns = time.monotonic_ns() - stopped
        self.resume(act, late_ms, command)
        act.longest_ns = time.monotonic_ns() - begin
        return act

    def restore(self, seconds, how="announced", late_ms=0, command=None,
                change=None):
        """Save the guest to a file, end QEMU, and let another go on from there
        so much later. change(): between the two."""
        act = Act("restore", how, late_ms)
        begin = time.monotonic_ns()
        path = self.guest.save(["x-ignore-shared"])
        stopped = time.monotonic_ns()
        time.sleep(seconds)
        if change:
            change()
        self.guest.load(path, ["x-ignore-shared"], go=False)
        act.shortest_ns = time.monotonic_ns() - stopped
        if how != "alone":
            self.generation += 1
            self.host.must(f"generation {self.generation}")
        self.resume(act, late_ms, command)
        act.longest_ns = time.monotonic_ns() - begin
        return act

    # --- what keep is to do

    def start_keep(self, options=""):
        self.guest.must("mkdir -p /run/paraclock/keep; paraclock keep "
                        f"-b vmclock --json {options} "
                        ">/tmp/keep 2>/tmp/keep.log & echo $! >/tmp/keep.pid")
        wait_for("keep runs", lambda: self.guest.run(
            "cat /run/paraclock/keep/keep.json")[0] == 0)
        wait_for("keep finds the clock right",
                 lambda: self.state()["state"], good=lambda got: got == "right")

    def state(self):
        """What keep shows of itself."""
        return self.guest.json("cat /run/paraclock/keep/keep.json", want=0)[0]

    def stop_keep(self):
        """End it, and show what it had to say."""
        print(self.guest.must("cat /tmp/keep.log"))
        self.guest.must("kill $(cat /tmp/keep.pid); while kill -0 "
                        "$(cat /tmp/keep.pid) 2>/dev/null; do sleep 0.1; done")

    def is_put_right(self, do):
        """An act, after which the clock is stepped once, and to the truth."""
        already = len(self.steps())
        act = do()
        steps = wait_for(f"{act.name}: keep steps", self.steps,
                         good=lambda got: len(got) > already)
        step = steps[already]
        act.off_ns = self.off_of(step)
        act.took_ns = self.ns_between(act.frozen, step["counter"])
        act.after_ns = self.ns_between(act.published, step["counter"])
        check(f"{act.name}: the step ends within 1 ms of the truth",
              abs(act.off_ns) < GOOD_NS, act)
        check(f"{act.name}: it is the time that the guest stood still",
              act.shortest_ns - GOOD_NS <= step["moved_ns"] <=
              act.longest_ns + GOOD_NS, (step, act))
        print(act, flush=True)
        off = self.off_ns()
        check(f"{act.name}: the clock stays within 1 ms of it",
              abs(off) < GOOD_NS, off)
        return act

    def stays_wrong(self, do):
        """An act, after which the clock is as far behind as the guest was
        stopped, and stays there."""
        before = self.off_ns()
        act = do()
        for wait_sec in (0, 3):
            time.sleep(wait_sec)
            off = self.off_ns() - before
            check(f"{act.name}: without keep the clock is wrong by the time "
                  f"that the guest stood still: {off / SEC:.3f} s",
                  -act.longest_ns - GOOD_NS <= off <=
                  -act.shortest_ns + GOOD_NS, (off, act))
        return act


class Act:
    """What the host did, and what became of it."""

    def __init__(self, kind, how, late_ms):
        self.name = f"{kind}, {how}" + (f", {late_ms} ms late" if late_ms else
                                        "")
        self.kind, self.how = kind, how
        # Where the guest's counter stood, and where it was when the page was
        # right again.
        self.frozen = self.published = 0
        # How long the guest stood still, at least and at most.
        self.shortest_ns = self.longest_ns = 0
        # CLOCK_REALTIME after keep's step, less the truth; and how long it had
        # run until then, and how long the page had been right.
        self.off_ns = self.took_ns = self.after_ns = 0
        # What the guest's first command printed, and its exit status.
        self.status, self.text = None, ""

    def __str__(self):
        return (f"{self.name}: stood {self.shortest_ns / SEC:.3f} to "
                f"{self.longest_ns / SEC:.3f} s, is {self.off_ns} ns off; "
                f"right {self.took_ns / MS:.1f} ms after the first "
                f"instruction, {self.after_ns / MS:.1f} ms after the page")

    __repr__ = __str__


@contextlib.contextmanager
def bed(image, args, programs=(), machine=(), kernel=""):
    """A guest that has booted, and a publisher that has not started."""
    # Where the memory is: the guest's is a file here.
    with tempfile.TemporaryDirectory(prefix="paraclock-vm-") as folder:
        memory = os.path.join(folder, "memory")
        with open(memory, "wb") as file:
            file.truncate(vm.MEMORY)
        initramfs = os.path.join(folder, "initramfs")
        vm.make_initramfs(image, initramfs,
                          [args.tool, args.guest, *programs], MODULES)
        table = image.compile_table(
            os.path.join(os.path.dirname(__file__), "vmclock.asl"),
            os.path.join(folder, "table"))
        machine = [
            "-object", f"memory-backend-file,id=memory,size={vm.MEMORY},"
            f"mem-path={memory},share=on", "-machine",
            "q35,memory-backend=memory", "-acpitable", f"file={table}",
            *machine]
        with vm.VM(image, initramfs, machine,
                   # A busy machine makes the counter look bad to the watchdog.
                   f"memmap=1M${vm.RESERVED:#x} tsc=nowatchdog {kernel}"
                   ) as guest, \
                Publisher(args.publisher, memory,
                          os.path.join(folder, "writer")) as host:
            guest.boot()
            yield Bed(guest, host)


def describe(acts):
    """The distributions, printed."""
    for what, values in (
            ("off the truth, us", [abs(a.off_ns) / 1000 for a in acts]),
            ("right after the first instruction, ms",
             [a.took_ns / MS for a in acts]),
            # The publisher has to learn the counter that TCG stopped.
            ("the page, after the first instruction, ms",
             [(a.took_ns - a.after_ns) / MS for a in acts]),
            ("right after the page was, ms", [a.after_ns / MS for a in acts])):
        values.sort()
        print(f"{len(acts)} acts, {what}: least {values[0]:.1f}, "
              f"median {values[len(values) // 2]:.1f}, "
              f"most {values[-1]:.1f}", flush=True)
