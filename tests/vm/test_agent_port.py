# SPDX-License-Identifier: MIT
"""`paraclock agent` on a real virtio-serial port, whose other end the host
opens, leaves in the middle of a request, and opens again."""
import json
import os
import socket
import sys
import tempfile
import time

import vm
from vm import check, wait_for

PORT = "/dev/vport0p1"
ROUNDS = 5
# What a guest's process has waited for so far.
WAITS = ("sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' "
         "/proc/$(cat /tmp/agent.pid)/status")


def request(name, **more):
    return json.dumps({"execute": name, **more}) + "\n"


class Host:
    """The other end of the port."""

    def __init__(self, guest, path):
        self.line = vm.Line(vm.connect(path, vm.QMP_SEC, guest.is_alive))

    def close(self):
        self.line.sock.close()

    def sync(self, number):
        """As a careful host begins: 0xFF, and what came before is void."""
        self.line.sock.sendall(b"\xff" + request(
            "guest-sync-delimited", arguments={"id": number}).encode())
        end = time.monotonic() + vm.COMMAND_SEC
        while True:
            reply = self.line.receive(end, "guest-sync-delimited")
            if f'{{"return": {number}}}' in reply:
                return reply

    def ask(self, *args, **more):
        self.line.send(request(*args, **more))
        return json.loads(self.line.receive(
            time.monotonic() + vm.COMMAND_SEC, args[0]))


def test_rounds(guest, path):
    for number in range(ROUNDS):
        host = Host(guest, path)
        host.sync(number)
        ns = host.ask("guest-get-time", id=number)
        there = int(guest.must("date +%s"))
        check(f"round {number}: the host is told the guest's time",
              ns["id"] == number and
              abs(ns["return"] // 10**9 - there) < 600, (ns, there))
        # It leaves in the middle of a request.
        host.line.sock.sendall(b'{"execute":"guest-set-time","arguments":{')
        host.close()


def test_unread(guest, path):
    """A host that leaves with replies unread."""
    host = Host(guest, path)
    host.sync(100)
    try:
        host.line.sock.setblocking(False)
        for _ in range(20_000):
            host.line.sock.sendall(request("guest-get-time").encode())
    except socket.error:
        pass
    host.close()
    host = Host(guest, path)
    host.sync(101)
    check("after many unread replies the port is served again",
          "return" in host.ask("guest-ping"))
    host.close()


def test_closed(guest):
    """A port that is closed on the host is looked at now and then."""
    wait_for("the agent tells that the host is gone",
             lambda: guest.must("cat /tmp/err"),
             good=lambda text: text.strip().endswith("it hung up"))
    before = int(guest.must(WAITS))
    cpu = guest.must("cut -d' ' -f14,15 /proc/$(cat /tmp/agent.pid)/stat")
    guest.must("sleep 5")
    waited = int(guest.must(WAITS)) - before
    after = guest.must("cut -d' ' -f14,15 /proc/$(cat /tmp/agent.pid)/stat")
    print(f"5 s of a closed port: waited {waited} times; user and system "
          f"ticks {cpu}, then {after}")
    # A busy loop would not wait at all.
    check("it waits while the port is closed", waited > 0, waited)


def test(image, args):
    with tempfile.TemporaryDirectory(prefix="paraclock-vm-") as folder:
        initramfs = os.path.join(folder, "initramfs")
        vm.make_initramfs(image, initramfs, (args.tool,), modules=())
        path = os.path.join(folder, "port")
        machine = ("-device", "virtio-serial-pci", "-chardev",
                   f"socket,id=port,path={path},server=on,wait=off",
                   "-device", "virtserialport,chardev=port,nr=1,"
                   "name=org.qemu.guest_agent.0")
        with vm.VM(image, initramfs, machine) as guest:
            guest.boot()
            guest.must(f"ls {PORT}")
            guest.must(f"paraclock agent --dry-run --port {PORT} "
                       "2>/tmp/err & echo $! >/tmp/agent.pid")
            test_rounds(guest, path)
            test_unread(guest, path)
            test_closed(guest)
            said = guest.must("cat /tmp/err")
            check("no time was set, and none refused",
                  "guest-set-time" not in said, said)
            busy = guest.run(f"paraclock agent --dry-run --port {PORT} 2>&1")
            check("a second agent is told that the port is in use",
                  busy[0] == 1 and "-m unix-listen" in busy[1], busy)
            guest.must("kill $(cat /tmp/agent.pid)")


if __name__ == "__main__":
    sys.exit(vm.main(test))
