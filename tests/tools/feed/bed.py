# SPDX-License-Identifier: MIT
"""A host whose clock is known, `paraclock feed`, and Debian's chronyd or ntpd
behind it. Nothing here can set this machine's clock."""
import argparse
import contextlib
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import programs  # noqa: E402  (tests/tools)

SEC = 10**9
MS = 10**6
US = 10**3
# Guards against hangs only.
HANGS_SEC = 300
# 1: the lengths of the acceptance; else as short as the question allows.
LONG = bool(os.environ.get("PARACLOCK_FEED_LONG"))
ISOLATED = "PARACLOCK_FEED_ISOLATED"

checks = 0


class Failed(Exception):
    pass


class Skip(Exception):
    pass


def check(sentence, holds, got=None):
    global checks
    if not holds:
        raise Failed(f"{sentence}: {got}")
    checks += 1
    print(f"ok {checks} - {sentence}", flush=True)


def wait_for(sentence, look, good=bool, seconds=HANGS_SEC, every=0.2):
    """Look until the result is good, and return it; or fail the test."""
    began = time.monotonic()
    while not good(got := look()) and time.monotonic() < began + seconds:
        time.sleep(every)
    passed = time.monotonic() - began
    check(f"{sentence} (after {passed:.1f} s)", good(got), got)
    return got


# --- nobody sets the clock ---------------------------------------------------

def isolate():
    """Run this program again where no process may set the clock, in a network,
    with shared memory and with mounts of its own."""
    if os.environ.get(ISOLATED):
        # This machine's own chronyd listens there.
        done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skip(f"/run cannot be hidden here: {done.stderr.strip()}")
        return
    unshare = ["unshare", "--ipc", "--net", "--mount"]
    if os.geteuid() == 0:
        unshare = ["setpriv", "--bounding-set", "-sys_time", "--inh-caps",
                   "-sys_time", *unshare]
    else:
        # Whatever this user becomes in there, it is nobody outside.
        unshare.append("--map-root-user")
    try:
        done = subprocess.run([*unshare, "true"], capture_output=True,
                              text=True, timeout=HANGS_SEC, check=False)
    except FileNotFoundError as error:
        raise Skip(f"no {error.filename}: install util-linux") from error
    if done.returncode:
        raise Skip("chronyd and ntpd cannot be kept from the clock here: " +
                   (done.stderr.strip().splitlines() or ["?"])[-1])
    os.environ[ISOLATED] = "1"
    os.execvp(unshare[0], [*unshare, sys.executable, "-B", *sys.argv])


def spawn(args, **more):
    """A process that does not outlive this one."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL",
                             *map(str, args)], text=True, **more)


def end(process, how=signal.SIGKILL):
    if process.poll() is None:
        process.send_signal(how)
    return process.wait(HANGS_SEC)


# --- the host ----------------------------------------------------------------

class Host:
    """feed_host: true time is ahead_ns ahead of CLOCK_REALTIME when it starts;
    its own clock is true until told otherwise."""

    def __init__(self, program, folder, timescale="tai", ahead_ns=5 * MS):
        self.page = os.path.join(folder, "vm.vmclock")
        self.process = spawn([program, folder, timescale, ahead_ns],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answer("its start")

    def answer(self, what):
        line = self.process.stdout.readline()
        if not line.startswith("{"):
            if self.process.wait(HANGS_SEC) == 77:
                raise Skip(line.strip())
            raise Failed(f"feed_host: {what}: {line}")
        got = json.loads(line)
        if "error" in got:
            raise Failed(f"feed_host: {what}: {got['error']}")
        return got

    def act(self, name, *values):
        command = " ".join(map(str, (name, *values)))
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer(command)

    def truth(self):
        return self.act("truth")

    def off_ns(self, clock="host_ns"):
        """The host's clock less CLOCK_REALTIME; or true time less it."""
        got = self.truth()
        return got[clock] - got["realtime_ns"]

    def close(self):
        end(self.process)


# --- chronyd -----------------------------------------------------------------

class Chronyd:
    """With a folder, a configuration and sockets of its own. config: of its
    source."""

    def __init__(self, folder, config, name="chronyd"):
        self.folder = folder
        self.socket = os.path.join(folder, f"{name}.sock")
        self.log = os.path.join(folder, f"{name}.log")
        self.conf = os.path.join(folder, f"{name}.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(f"{config}\nport 0\ncmdport 0\n"
                       f"bindcmdaddress {self.socket}\n"
                       f"pidfile {folder}/{name}.pid\n"
                       f"dumpdir {folder}\nlogdir {folder}\n"
                       "log refclocks rawmeasurements tracking\n"
                       "user root\n")
        self.process = None

    def start(self):
        with open(self.log, "a", encoding="utf-8") as log:
            # -x: it does not touch the clock.
            self.process = spawn(
                [programs.find("chronyd"), "-x", "-d", "-F", "0", "-f",
                 self.conf], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        # It goes on without its socket, and says why.
        wait_for("chronyd runs", lambda: self.process.poll() is not None or
                 "Disabled command socket" in self.said() or
                 self.chronyc("tracking"))
        check("it obeys", self.process.poll() is None and
              self.chronyc("tracking"), self.said())
        return self

    def said(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def stop(self, how=signal.SIGKILL):
        if self.process:
            end(self.process, how)

    def chronyc(self, *words):
        """The fields of its answer, one list a line; None: no answer."""
        done = subprocess.run(
            [programs.find("chronyc"), "-n", "-c", "-h", self.socket, *words],
            capture_output=True, text=True, timeout=HANGS_SEC, check=False)
        if done.returncode:
            return None
        return [line.split(",") for line in done.stdout.splitlines()]

    def source(self):
        """What it thinks of its one source: mode, state, name, stratum, poll,
        reach, last reception, ... of chronyc sources."""
        got = self.chronyc("sources")
        return got[0] if got else None

    def selects(self):
        source = self.source()
        return bool(source) and source[1] == "*"

    def reach(self):
        source = self.source()
        return int(source[5], 8) if source else 0

    def tracking(self):
        got = self.chronyc("tracking")
        if not got:
            return None
        got = got[0]
        return {"stratum": int(got[2]), "reference_sec": float(got[3]),
                "offset_ns": float(got[4]) * SEC, "skew_ppm": float(got[9]),
                "frequency_ppm": float(got[7]),
                "bound_ns": (float(got[10]) / 2 + float(got[11])) * SEC,
                "leap": got[13]}

    def error_ns(self, host, clock="host_ns"):
        """By how much the offset that it estimates is off, at least; None: it
        has no estimate. Offsets change while it answers."""
        before = host.off_ns(clock)
        tracking = self.tracking()
        after = host.off_ns(clock)
        if not tracking or tracking["leap"] == "Not synchronised":
            return None
        # Positive: the system clock is behind.
        estimate = tracking["offset_ns"]
        low, high = sorted((before, after))
        return min(0, estimate - low) + max(0, estimate - high)


# --- what is between ---------------------------------------------------------

# chrony's SOCK sample: time of the system clock, offset, pulse, leap, pad,
# magic.
SAMPLE = struct.Struct("=qqdiiii")
MAGIC = 0x534f434b
# socket(7); Python has no name for it.
SO_TIMESTAMPNS = 35


class Datagram:
    """A sample, and when it was sent, by CLOCK_REALTIME."""

    def __init__(self, data, sent_ns):
        sec, usec, self.offset, self.pulse, self.leap, _, self.magic = \
            SAMPLE.unpack(data)
        self.at_ns = sec * SEC + usec * US
        self.is_sound = 0 <= usec < 10**6 and self.magic == MAGIC and \
            self.pulse == 0
        self.offset_ns = round(self.offset * SEC)
        self.sent_ns = sent_ns

    def __repr__(self):
        return f"{self.offset_ns} at {self.at_ns} sent {self.sent_ns}"


class Tap:
    """Receives what feed sends, notes it, and passes it on."""

    def __init__(self, folder, to=None, name="tap.sock"):
        self.path = os.path.join(folder, name)
        self.to = to
        self.got = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind(self.path)
        self.on = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            data, more, _, _ = self.socket.recvmsg(256, 256)
            sec, ns = struct.unpack("=qq", more[0][2][:16])
            # A datagram of another size is none that chronyd would take.
            self.got.append(Datagram(data, sec * SEC + ns))
            if self.to:
                with contextlib.suppress(OSError):
                    self.on.sendto(data, self.to)

    def wait_for_more(self, count=1, sentence="samples come"):
        already = len(self.got)
        wait_for(sentence, lambda: len(self.got) - already,
                 good=lambda got: got >= count, every=0.02)


# --- feed --------------------------------------------------------------------

class Feed:
    """The process, its log and its file of state."""

    def __init__(self, tool, folder, host, *options, stdout=None, name="feed",
                 chronyc_first=(), **more):
        self.dir = os.path.join(folder, name)
        os.makedirs(self.dir, exist_ok=True)
        self.log = os.path.join(folder, f"{name}.log")
        # For chronyc.
        folders = [*chronyc_first, os.path.dirname(programs.find("chronyc")),
                   os.environ.get("PATH", os.defpath)]
        more["env"] = dict(os.environ, PATH=":".join(folders))
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = spawn(
                [tool, "feed", "-b", "vmclock", "-d", host.page, "--dir",
                 self.dir, *options], stdin=subprocess.DEVNULL,
                stdout=stdout or log, stderr=log, **more)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def state(self):
        try:
            with open(os.path.join(self.dir, "feed.json"),
                      encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def is_alive(self):
        check("feed runs on", self.process.poll() is None, self.said())

    def wait_until_feeding(self):
        wait_for("feed delivers", lambda: self.process.poll() is not None or
                 (self.state() or {}).get("state") == "feeding")
        self.is_alive()
        return self

    def stop(self):
        """By SIGTERM, which it obeys."""
        status = end(self.process, signal.SIGTERM)
        check("feed ends when it is told to", status == 0,
              (status, self.said()))
        check("its state has gone with it", self.state() is None)


def printed_config(tool, host, *options):
    """What it says that chrony.conf needs."""
    done = subprocess.run(
        [tool, "feed", "--print-config", "-b", "vmclock", "-d", host.page,
         *map(str, options)], capture_output=True, text=True,
        timeout=HANGS_SEC, check=False)
    check("the configuration is printed", done.returncode == 0 and
          done.stdout and not done.stderr, done)
    return done.stdout


# --- a test ------------------------------------------------------------------

def main(test):
    """test(arguments, folder), as a program that ctest runs."""
    parser = argparse.ArgumentParser()
    for name in ("--tool", "--host"):
        parser.add_argument(name, required=True)
    args = parser.parse_args()
    try:
        isolate()
        with tempfile.TemporaryDirectory(prefix="paraclock-feed-") as folder, \
                contextlib.ExitStack() as stack:
            args.stack = stack
            test(args, folder)
    except (Skip, programs.Absent) as why:
        print(why)
        return 77
    except Failed as why:
        print(f"FAILED {why}")
        return 1
    print(f"{checks} checks passed")
    return 0


def make_folder(folder, name):
    """chronyd insists on these permissions where its socket is."""
    path = os.path.join(folder, name)
    os.mkdir(path, 0o700)
    return path


def start_host(args, folder, **more):
    host = Host(args.host, folder, **more)
    args.stack.callback(host.close)
    return host


def start_chronyd(args, folder, config, **more):
    chronyd = Chronyd(folder, config, **more)
    args.stack.callback(chronyd.stop)
    return chronyd.start()


def start_feed(args, folder, host, *options, **more):
    feed = Feed(args.tool, folder, host, *options, **more)
    args.stack.callback(lambda: end(feed.process))
    return feed
