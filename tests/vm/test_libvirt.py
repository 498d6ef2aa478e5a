# SPDX-License-Identifier: MIT
"""A libvirt domain whose guest runs Debian's qemu-ga, alone and then behind
`paraclock agent`: what virsh is answered, and what it does to the clock."""
import json
import os
import sys
import tempfile
import time

import vm
from domain import AGENT_PORT, Domain, Libvirt
from publisher import Publisher
from transcript import (CALLS, COMMANDS, LARGE, LONG_AGO, OWN_WORDS, SEC,
                        Transcript, call, coded, command_of)
from vm import check, wait_for

PORT = "/dev/virtio-ports/" + AGENT_PORT
UPSTREAM = "/run/qga.sock"
STEADY_PPB = 10_000

# As udev does, and what qemu-ga looks for.
PREPARE = ("mkdir /dev/virtio-ports; for p in /sys/class/virtio-ports/*; do "
           "ln -s /dev/${p##*/} /dev/virtio-ports/$(cat $p/name); done; "
           "ln -s /bin /sbin; ifconfig lo up; "
           "printf 'ID=guest\\nPRETTY_NAME=\"A guest\"\\n' >/etc/os-release")


def test_truth(alone):
    """The transcript of qemu-ga alone is one of a qemu-ga that works."""
    done = alone.answer(0, "guest-exec-status")
    check("a program's output and its exit status come",
          (done["exitcode"], done["out-data"], done["err-data"]) ==
          (3, coded(b"out\n"), coded(b"err\n")), done)
    done = alone.answer(1, "guest-exec-status")
    check("a program gets its input and its environment", done["out-data"] ==
          coded(bytes(range(256)) + "\u00e9\"\\\n".encode()), done)
    done = alone.answer(2, "guest-exec-status")
    check("a long output comes whole", done["out-data"] == coded(
        "".join(f"{n}\n" for n in range(1, 20001)).encode()))
    check("a part of a file is read",
          alone.answer(0, "guest-file-read")["buf-b64"] == coded(b"456"))
    check("a large file is read",
          alone.answer(1, "guest-file-read")["buf-b64"] == coded(LARGE))
    fails = sum(line.startswith("1: ") for line in alone.lines)
    good = len(alone.lines) - fails
    print(f"{good} answers and {fails} errors, of "
          f"{len({command_of(request) for request in CALLS})} commands")
    check("there are answers and errors", good >= 30 and fails >= 15,
          alone.lines)
    for words, got in zip(COMMANDS, alone.printed):
        print(words, got)
    check("virsh learns the host name",
          alone.printed[1] == (0, "guest", ""), alone.printed[1])


def test_transcripts(alone, behind):
    for request, before, after in zip(CALLS, alone.lines, behind.lines):
        short = request if len(request) < 100 else request[:96] + " ..."
        if command_of(request) in OWN_WORDS:
            check(f"{short}: it succeeds or fails as by qemu-ga alone",
                  before[:3] == after[:3] and (before[:3] == "1: " or
                                               before == after),
                  (before, after))
        else:
            check(f"{short}: answered as by qemu-ga alone", before == after,
                  f"\n{before[:2000]}\n{after[:2000]}")
    for words, before, after in zip(COMMANDS, alone.printed, behind.printed):
        check(f"virsh {' '.join(words)}: as with qemu-ga alone",
              before == after, (before, after))


def test_info(alone, behind):
    """guest-info: qemu-ga's answer, and one command more."""
    ours = [entry for entry in behind["supported_commands"]
            if entry not in alone["supported_commands"]]
    check("guest-info: one command is added to those of qemu-ga",
          len(behind["supported_commands"]) ==
          len(alone["supported_commands"]) + 1 and
          [(entry["name"], entry["enabled"]) for entry in ours] ==
          [("guest-paraclock-status", True)], ours)
    check("guest-info: the version is qemu-ga's",
          behind["version"] == alone["version"], behind["version"])


# --- the clock --------------------------------------------------------------

def is_between(sentence, low, got, high):
    check(sentence, low <= got <= high, (low, got, high))


def test_get(domain, who):
    low = domain.seconds()
    got = int(domain.libvirt.must("domtime", domain.name).split()[-1])
    is_between(f"{who}: domtime gives the guest's time", low, got,
               domain.seconds())


def test_set(domain, who):
    """domtime with a time of the caller's."""
    start = time.monotonic()
    domain.libvirt.must("domtime", domain.name, "--time", str(LONG_AGO))
    got = domain.seconds()
    is_between(f"{who}: domtime --time sets it", LONG_AGO, got,
               LONG_AGO + time.monotonic() - start + 1)
    start = time.time()
    domain.libvirt.must("domtime", domain.name, "--now")
    got = domain.seconds()
    is_between(f"{who}: domtime --now sets it to the time of virsh",
               int(start), got, time.time() + 1)


def test_sync_alone(domain):
    """qemu-ga syncs with the RTC, to a second; each set-time sets it, too."""
    start = time.time()
    domain.libvirt.must("domtime", domain.name, "--sync")
    got = domain.seconds()
    is_between("qemu-ga alone: domtime --sync takes the RTC's time, which "
               "--now has set", int(start) - 1, got, time.time() + 2)
    start = time.monotonic()
    domain.libvirt.must("domtime", domain.name, "--time", str(LONG_AGO))
    domain.libvirt.must("domtime", domain.name, "--sync")
    got = domain.seconds()
    is_between("qemu-ga alone: after a wrong --time the RTC is wrong, and so "
               "is the time after --sync", LONG_AGO - 1, got,
               LONG_AGO + time.monotonic() - start + 2)


def goes_on(domain, sentence, act):
    """Nobody sets the guest's clock meanwhile."""
    start, low = time.monotonic(), domain.seconds()
    act()
    got = domain.seconds()
    is_between(sentence, low, got, low + time.monotonic() - start + 1)


def test_sync_without(domain):
    """There is no host clock in this guest yet."""
    def sync():
        status, _, err = domain.libvirt.virsh("domtime", domain.name, "--sync")
        print(err)
        check("behind the agent: without a host clock domtime --sync fails, "
              "and says why", status == 1 and "host clock" in err, err)

    goes_on(domain, "and the clock is left alone", sync)
    status = domain.status()
    print(status)
    check("guest-paraclock-status has no source, and says so",
          status["source"] is None and not status["valid"] and
          status["offset-ns"] is None and status["text"], status)


def test_refused(domain):
    def ask():
        for what in ("-1", str(2**63), "1e30", "1.5", '"1"', "null", "true",
                     "[]", "{}"):
            status, _, err = domain.request(
                f'{{"execute": "guest-set-time", "arguments": '
                f'{{"time": {what}}}}}')
            print(err)
            check(f"guest-set-time refuses {what}", status == 1, err)

    goes_on(domain, "and the clock is left alone", ask)


def test_restart(domain):
    """Of qemu-ga, behind the agent."""
    ping = call("guest-ping")
    domain.end("qemu-ga")
    status, _, err = domain.request(ping)
    print(err)
    check("without qemu-ga its commands are an error", status == 1, err)
    test_get(domain, "without qemu-ga")
    domain.qemu_ga("-m unix-listen -p", UPSTREAM)
    domain.answers()


class Bench:
    """The guest, and who publishes its vmclock."""

    def __init__(self, domain, host):
        self.domain, self.host = domain, host

    def publish(self, *first):
        """In the memory of the QEMU that runs now."""
        self.host.kill()
        self.host.arguments[0] = self.domain.memory()
        self.host.start()
        self.host.must(*first, f"rate {STEADY_PPB}")
        self.host.new_marker()
        self.host.set_up()

    def offset(self):
        """The guest's clock less the host's, s."""
        sample = self.domain.json("paraclock cross -b vmclock --json",
                                  want=0)[0]
        if not sample["valid"]:
            raise vm.Failed(f"the host clock is not valid: {sample}")
        return -sample["offset_ns"] / SEC

    def is_right(self, sentence):
        off = self.offset()
        print(f"it is {off:+.6f} s off")
        check(sentence, abs(off) < 0.1, off)


def test_sync(bench):
    """With a host clock."""
    domain = bench.domain
    test_set(domain, "with a vmclock")
    domain.libvirt.must("domtime", domain.name, "--time", str(LONG_AGO))
    check("a time of the caller's is set, wrong as it is",
          bench.offset() < -SEC // 100)
    start = time.time()
    domain.libvirt.must("domtime", domain.name, "--sync")
    got = domain.seconds()
    is_between("behind the agent: domtime --sync sets the host clock's time",
               int(start) - 1, got, time.time() + 1)
    bench.is_right("it is the host clock's, to 0.1 s")
    status = domain.status()
    print(status)
    check("guest-paraclock-status says so, too",
          status["source"] == "vmclock" and status["valid"] and
          status["reason"] == "ok" and status["state"] == "right" and
          status["corrections"] > 0 and abs(status["offset-ns"]) < SEC // 10
          and 0 < status["bound-ns"] < SEC // 10 and status["has-bound"],
          status)


def test_ahead(bench):
    """By keep's rules the clock never goes back."""
    domain = bench.domain
    domain.libvirt.must("domtime", domain.name, "--time",
                        str(int(time.time()) + 3600))

    def sync():
        status, _, err = domain.libvirt.virsh("domtime", domain.name, "--sync")
        print(err)
        check("a clock that is ahead is not set back by domtime --sync",
              status == 1, err)

    goes_on(domain, "and is left alone", sync)
    domain.libvirt.must("domtime", domain.name, "--now")
    off = bench.offset()
    check("a time of the caller's sets it back", off < 0.1, off)
    domain.libvirt.must("domtime", domain.name, "--sync")
    bench.is_right("and then it is put right")


def save_and_start(bench):
    """managedsave, a while, and start."""
    bench.host.must("freeze")
    bench.domain.save()
    time.sleep(3)
    bench.domain.start()
    bench.publish()
    bench.domain.must("dmesg | grep 'virtual machine fork'")


def test_saved(bench):
    save_and_start(bench)
    off = bench.offset()
    print(f"it is {off:+.1f} s off")
    check("restored: without keep it is as late as it was saved for",
          off < -3, off)
    status = bench.domain.status()
    print(status)
    check("guest-paraclock-status says so",
          status["offset-ns"] > 3 * SEC and status["state"] != "right", status)
    bench.domain.libvirt.must("domtime", bench.domain.name, "--sync")
    bench.is_right("until the host asks for domtime --sync")
    last = bench.domain.status()["last-disruption"]
    check("guest-paraclock-status has the disruption",
          last["source"] == "vmclock" and
          int(last["marker"], 0) == bench.host.marker, last)


def becomes_right(bench, how):
    start = time.monotonic()
    off = wait_for(f"{how}: agent --keep puts the clock right", bench.offset,
                   good=lambda off: abs(off) < 0.1)
    print(f"{off:+.6f} s off, {time.monotonic() - start:.1f} s after the page "
          "was published again")


def test_kept(bench, other):
    """By agent --keep."""
    wait_for("agent --keep knows that the clock is right", bench.domain.status,
             good=lambda status: status["state"] == "right")
    save_and_start(bench)
    becomes_right(bench, "restored")
    bench.host.must("freeze")
    bench.domain.migrate(other)
    bench.publish()
    becomes_right(bench, "migrated")
    test_get(bench.domain, "behind agent --keep")


# --- the guest --------------------------------------------------------------

class Guest(Domain):
    """One that runs agents."""

    def seconds(self):
        """Its clock."""
        return int(self.must("date +%s"))

    def request(self, request):
        return self.libvirt.virsh("qemu-agent-command", self.name, request)

    def answers(self):
        wait_for("the agent answers",
                 lambda: self.request(call("guest-ping"))[0] == 0)

    def info(self):
        return json.loads(self.request(call("guest-info"))[1])["return"]

    def status(self):
        status, out, err = self.request(call("guest-paraclock-status"))
        if status:
            raise vm.Failed(f"guest-paraclock-status: {err}")
        return json.loads(out)["return"]

    def qemu_ga(self, *words):
        self.must(f"qemu-ga -t /run -f /run/qga.pid {' '.join(words)} "
                  ">>/tmp/qga.log 2>&1 &")

    def agent(self, *words):
        self.must(f"paraclock agent --port {PORT} --upstream {UPSTREAM} "
                  f"{' '.join(words)} >>/tmp/agent.log 2>&1 &")

    def end(self, name):
        self.must(f"killall {name}; while pidof {name}; do sleep 0.1; done")


def run(image, args, folder):
    initramfs = os.path.join(folder, "initramfs")
    vm.make_initramfs(image, initramfs,
                      [args.tool, args.guest, image.program("qemu-ga"),
                       image.program("hwclock")])
    table = image.compile_table(
        os.path.join(os.path.dirname(__file__), "vmclock.asl"),
        os.path.join(folder, "table"))
    with Libvirt(image) as libvirt, Libvirt(image) as other, \
            Guest(libvirt, initramfs, table,
                  # A busy machine makes the counter look bad to the watchdog.
                  f"memmap=1M${vm.RESERVED:#x} tsc=nowatchdog") as domain, \
            Publisher(args.publisher, "",
                      os.path.join(folder, "writer")) as host:
        domain.boot()
        domain.must(PREPARE)
        domain.qemu_ga("-m virtio-serial -p", PORT)
        domain.answers()
        alone, info = Transcript(domain), domain.info()
        test_truth(alone)
        test_get(domain, "qemu-ga alone")
        test_set(domain, "qemu-ga alone")
        test_sync_alone(domain)

        domain.end("qemu-ga")
        domain.qemu_ga("-m unix-listen -p", UPSTREAM)
        domain.agent()
        domain.answers()
        test_transcripts(alone, Transcript(domain))
        test_info(info, domain.info())
        test_get(domain, "behind the agent")
        test_set(domain, "behind the agent")
        test_sync_without(domain)
        test_refused(domain)
        test_restart(domain)

        bench = Bench(domain, host)
        domain.must(f"vm_guest mailbox {vm.RESERVED + vm.PAGE:#x} & sleep 0.2")
        bench.publish("blank")
        domain.must("insmod /ptp_vmclock.ko")
        test_sync(bench)
        test_ahead(bench)
        test_saved(bench)
        domain.end("paraclock")
        domain.agent("--keep")
        domain.answers()
        test_kept(bench, other)


def test(image, args):
    with tempfile.TemporaryDirectory(prefix="paraclock-vm-") as folder:
        run(image, args, folder)


if __name__ == "__main__":
    sys.exit(vm.main(test))
