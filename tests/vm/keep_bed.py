# SPDX-License-Identifier: MIT
"""A guest whose vmclock carries time, which the host pauses and restores; and
the truth about its CLOCK_REALTIME after that, which the host alone knows."""
import contextlib
import os
import tempfile
import time

import vm
from publisher import Publisher
from vm import check

SEC = 10**9
MS = 10**6
# How well CLOCK_REALTIME is to be put right.
GOOD_NS = MS
# How far the publisher's own knowledge may be off: the bracket of an exchange
# between host and guest, on a machine that is busy elsewhere.
KNOWN_NS = 200_000
STEADY = 10_000
# The clock that the kernel keeps drifts by what it mistook the counter's rate
# for; a machine that is long enough alive has learnt that from NTP.
RATE_SEC = 8

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

    def set_up(self):
        """A page, and a clock that is right and runs at the right rate."""
        self.guest.must("vm_guest mailbox "
                        f"{vm.RESERVED + vm.PAGE:#x} & sleep 0.2")
        self.host.start()
        self.host.must("blank", f"rate {STEADY}",
                       f"generation {self.generation}")
        self.host.set_up()
        self.guest.must("insmod /ptp_vmclock.ko")
        off = self.page_off_ns()
        check("the page is the host's clock", abs(off) < KNOWN_NS, off)

    def put_right(self):
        self.guest.must(f"vm_guest step {-self.off_ns()}")
        off = self.off_ns()
        check("the guest's clock is right", abs(off) < GOOD_NS, off)

    def put_rate_right(self):
        """As NTP would have: the guest's clock runs as the host's."""
        rate = 0
        for _ in range(2):
            before, start = self.off_ns(), time.monotonic()
            time.sleep(RATE_SEC)
            gained = self.off_ns() - before
            rate -= int(gained / (time.monotonic() - start))
            self.guest.must(f"vm_guest rate {rate}")
        print(f"the guest's clock is made {rate} ppb faster")

    def follow_steps(self):
        self.guest.must("vm_guest steps >/tmp/steps & sleep 0.5")

    def steps(self):
        """Every step of CLOCK_REALTIME since."""
        return self.guest.json("cat /tmp/steps", want=0)

    # --- what the host does

    def resume(self, how, late_ms):
        """Let the guest run, and publish: see `how` in the tests."""
        frozen = self.host.must("at 0")["now"]
        if how != "alone":
            self.host.new_marker()
        if how == "announced":
            self.host.must("announce")
        self.host.begin(f"recover-alone {late_ms}" if how == "alone" else
                        f"recover {late_ms}")
        self.guest.execute("cont")
        error, _ = self.host.finish()
        check(f"the host publishes after the act, {how}", error == "OK", error)
        return frozen

    def pause(self, seconds, how="announced", late_ms=0):
        """Stop the guest for so long. Returns the counter where it stood, and
        the shortest and longest time that it can have stood there, ns."""
        outer = time.monotonic_ns()
        self.guest.execute("stop")
        inner = time.monotonic_ns()
        time.sleep(seconds)
        shortest = time.monotonic_ns() - inner
        frozen = self.resume(how, late_ms)
        return frozen, shortest, time.monotonic_ns() - outer

    def restore(self, seconds, how="announced", late_ms=0, change=None):
        """Save the guest to a file, end QEMU, and let another go on from there
        so much later. change(): between the two."""
        outer = time.monotonic_ns()
        path = self.guest.save(["x-ignore-shared"])
        inner = time.monotonic_ns()
        time.sleep(seconds)
        if change:
            change()
        self.guest.load(path, ["x-ignore-shared"], go=False)
        shortest = time.monotonic_ns() - inner
        if how != "alone":
            self.generation += 1
            self.host.must(f"generation {self.generation}")
        frozen = self.resume(how, late_ms)
        return frozen, shortest, time.monotonic_ns() - outer


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


def describe(what, values_ns):
    """The distribution of some times, printed."""
    values = sorted(values_ns)
    print(f"{what}, ms: least {values[0] / MS:.3f}, "
          f"median {values[len(values) // 2] / MS:.3f}, "
          f"most {values[-1] / MS:.3f}", flush=True)
