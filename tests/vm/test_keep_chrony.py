# SPDX-License-Identifier: MIT
"""`paraclock keep` beside Debian's chronyd: whatever chronyd was doing to the
clock before a disruption, it does not go on with it afterwards.

PARACLOCK_VM_LONG=1: each of two ways is tried for 5 s and for 20 s."""
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time

import vm
from keep_bed import MS, SEC, bed, describe
from vm import check, wait_for

# QEMU's own network gives the guest this address, and our loopback that one.
NETWORK = ("-netdev", "user,id=net", "-device",
           "virtio-net-pci,netdev=net,romfile=")
HERE, GUEST = "10.0.2.2", "10.0.2.15"
CHRONYD_SEC = 60

# What NTP over such a network knows of the time, in a guest without KVM.
NTP_NS = 20 * MS
# How much chronyd slews by at most: its maxslewrate.
SLEW = 0.0834
LONG = bool(os.environ.get("PARACLOCK_VM_LONG"))
WATCH_SEC = 30 if LONG else 10


# --- the server outside ------------------------------------------------------

def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def server(image):
    """A chronyd that serves this machine's clock on its loopback: its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="paraclock-vm-") as folder:
        conf = os.path.join(folder, "conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write(f"port {port}\nbindaddress 127.0.0.1\n"
                       "allow 127.0.0.1\nlocal stratum 1\ncmdport 0\n"
                       f"bindcmdaddress {folder}/sock\n"
                       f"pidfile {folder}/pid\nuser root\n")
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", image.program("chronyd"),
             "-x", "-d", "-F", "0", "-f", conf], env=image.env,
            stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + CHRONYD_SEC
            while not os.path.exists(f"{folder}/sock"):
                if process.poll() is not None or time.monotonic() > end:
                    raise vm.Failed("chronyd does not start here")
                time.sleep(0.1)
            yield port
        finally:
            process.kill()
            process.wait(CHRONYD_SEC)


# --- chronyd in the guest ----------------------------------------------------

# As Debian's, but for the source.
CONF = """server {here} port {port} iburst minpoll 1 maxpoll 1
makestep 1 3
rtcsync
maxupdateskew 100.0
cmdport 0
bindcmdaddress /run/chrony/chronyd.sock
pidfile /run/chrony/chronyd.pid
user root
"""


def start_chronyd(guest, port):
    guest = guest.guest
    for module in ("failover", "net_failover", "virtio_net"):
        guest.must(f"insmod /{module}.ko")
    guest.must("ifconfig lo 127.0.0.1 up; "
               f"ifconfig eth0 {GUEST} netmask 255.255.255.0 up")
    for line in CONF.format(here=HERE, port=port).splitlines():
        guest.must(f"echo '{line}' >>/tmp/chrony.conf")
    guest.must("mkdir -m 750 /run/chrony && chronyd -F 0 -f /tmp/chrony.conf")


def tracking(guest):
    """When chronyd last believed a source, ns; how far CLOCK_REALTIME is ahead
    of where it is being slewed to, ns; and the leap status."""
    fields = guest.guest.must("chronyc -c -n tracking").split(",")
    return int(float(fields[3]) * SEC), -float(fields[4]) * SEC, fields[13]


def reach(guest):
    """chronyd's record of a source's last eight answers."""
    return int(guest.guest.must("chronyc -c -n sources").split(",")[5], 8)


def is_in_charge(guest):
    wait_for("chronyd believes its source", lambda: tracking(guest),
             good=lambda got: got[2] == "Normal" and abs(got[1]) < NTP_NS)
    wait_for("its source has answered eight times", lambda: reach(guest),
             good=lambda got: got == 0o377)
    off = wait_for("the clock is right, to what NTP knows here", guest.off_ns,
                   good=lambda got: abs(got) < NTP_NS)
    print(f"chronyd keeps the clock to {off / MS:.3f} ms")


def begin_slew(guest):
    """Somebody sets the clock by hand, and chronyd slews it back."""
    already = len(guest.steps())
    guest.guest.must(f"vm_guest step {2 * SEC}")
    wait_for("chronyd slews the clock back", lambda: tracking(guest),
             good=lambda got: got[1] > SEC)
    off = wait_for("the slew is under way", guest.off_ns,
                   good=lambda got: got < 1.9 * SEC)
    check("it is not done, and keep left this to chronyd",
          off > SEC and len(guest.steps()) == already + 1,
          (off, guest.steps()))


# --- the test ----------------------------------------------------------------

def goes_on(guest, act, step):
    """After keep's step: what chronyd does."""
    happened_ns = guest.truth_ns(act.published)
    wait_for("chronyd was told to forget its source", lambda: reach(guest),
             good=lambda got: got != 0o377)
    reading = guest.guest.json("vm_guest clock", want=0)[0]
    began_ns = guest.off_of(reading)
    slewed_ns = SLEW * guest.ns_between(step["counter"], reading["counter"])
    print(f"by then the clock was {began_ns / MS:.3f} ms off")
    check("until then it has slewed by no more than it can",
          abs(began_ns) < slewed_ns + NTP_NS, (began_ns, slewed_ns))
    seen = []
    end = time.monotonic() + WATCH_SEC
    while time.monotonic() < end:
        seen.append((guest.off_ns(), tracking(guest)[1]))
        time.sleep(0.5)
    worst = max(abs(off) for off, _ in seen)
    remaining = max(abs(rest) for _, rest in seen)
    print(f"in the {len(seen)} looks since, the clock was up to "
          f"{worst / MS:.3f} ms off, and chronyd had up to "
          f"{remaining / MS:.3f} ms to correct")
    check("the clock does not go away from the truth again",
          worst < abs(began_ns) + NTP_NS, seen)
    check("chronyd does not want it to", remaining < abs(began_ns) + NTP_NS,
          seen)
    check("it was stepped once", guest.steps()[-1] == step, guest.steps())
    got = wait_for("chronyd believes its source again", lambda: tracking(guest),
                   good=lambda got: got[0] > happened_ns and
                   got[2] == "Normal")
    print(f"its reference is {(got[0] - happened_ns) / SEC:.3f} s younger than "
          "the disruption")
    # Its first measurements are not its best.
    wait_for("and the clock is right", guest.off_ns,
             good=lambda off: abs(off) < NTP_NS)


def test_acts(guest):
    acts = []
    ways = [lambda: guest.pause(5), lambda: guest.restore(20),
            lambda: guest.restore(5), lambda: guest.pause(20)]
    for do in ways if LONG else ways[:2]:
        is_in_charge(guest)
        begin_slew(guest)
        already = len(guest.steps())
        act = do()
        steps = wait_for(f"{act.name}: keep steps", guest.steps,
                         good=lambda got, n=already: len(got) > n)
        step = steps[already]
        act.off_ns = guest.off_of(step)
        act.took_ns = guest.ns_between(act.frozen, step["counter"])
        act.after_ns = guest.ns_between(act.published, step["counter"])
        print(act)
        # A slew goes on between keep's measurement and its step.
        slewed_ns = SLEW * act.after_ns
        check(f"{act.name}: the step ends where the clock was measured",
              abs(act.off_ns) < MS + slewed_ns, (act, slewed_ns))
        goes_on(guest, act, step)
        acts.append(act)
    describe(acts)


def test(image, args):
    with server(image) as port, \
            bed(image, args, [image.program("chronyd"),
                              image.program("chronyc")], NETWORK) as guest:
        guest.set_up()
        guest.put_right()
        start_chronyd(guest, port)
        guest.follow_steps()
        is_in_charge(guest)
        guest.start_keep()
        test_acts(guest)
        guest.stop_keep()


if __name__ == "__main__":
    sys.exit(vm.main(test))
