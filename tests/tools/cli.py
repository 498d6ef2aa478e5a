# SPDX-License-Identifier: MIT
"""Shared by the checks of paraclock(1)."""
import pathlib
import pty
import signal
import subprocess
import tempfile
import threading
import time
import unittest

# Guards against hangs only: even a busy machine needs less than this.
HANGS_SEC = 1200

# Of struct vmclock_abi, bytes.
SEQ_COUNT, CLOCK_STATUS = 12, 34
SYNCHRONIZED, UNRELIABLE = 2, 4


class Result(unittest.TextTestResult):
    """A skipped case prints a line with its name."""

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        name = test.id().split(".", 1)[-1]
        # The line has been begun on stderr.
        print(f"\nskipped: {name}: {reason}", flush=True)


def main():
    unittest.main(testRunner=unittest.TextTestRunner(resultclass=Result))


def wait_until(look, process):
    """Wait for the condition, as long as the process lives."""
    while not look():
        if process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode}")
        time.sleep(0.01)


def wait_for_handlers(process):
    """Wait until it handles SIGINT: the tool's last step before it waits
    for events."""
    def catches():
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("SigCgt:"):
                    return int(line.split()[1], 16) & 1 << 1
        return 0
    wait_until(catches, process)


def stat_of(pid):
    """What follows the name in /proc/PID/stat."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text("ascii")
    return stat.rpartition(")")[2].split()


def started_ticks(pid):
    return int(stat_of(pid)[19])


def wait_for_state(process, states):
    """As /proc/PID/stat has them: S, R, T and so on."""
    while (state := stat_of(process.pid)[0]) not in states:
        if state in "ZX":
            raise AssertionError(f"process {process.pid} has ended")
        time.sleep(0.01)


def hold(process, page):
    """Stop a simulated host where it is not writing; its clock goes on."""
    while True:
        process.send_signal(signal.SIGSTOP)
        wait_for_state(process, "T")
        if not page.read_bytes()[SEQ_COUNT] & 1:
            return
        process.send_signal(signal.SIGCONT)
        # It has to get on before the next stop.
        time.sleep(0.01)


def set_status(page, status):
    """On a page that nobody writes, or that is held."""
    with open(page, "r+b") as file:
        file.seek(CLOCK_STATUS)
        file.write(bytes([status]))


def open_terminal(test):
    """Both ends of a pseudo terminal."""
    try:
        return pty.openpty()
    except OSError as error:
        return test.skipTest(f"no pseudo terminal: {error}")


class Service(unittest.TestCase):
    """Processes and files that go away. A subclass has a member tool."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.run_dir = self.dir / "run"

    def start(self, *args, **more):
        process = subprocess.Popen(
            [self.tool, *map(str, args)], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, **more)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        guard = threading.Timer(HANGS_SEC, process.kill)
        guard.start()
        self.addCleanup(guard.cancel)
        return process

    def publish(self, acts="", ahead="0s", scale="", name="v",
                errors="maxerror 1ms maxerror-rate 50ppb"):
        """A vmclock on a host that is ahead; returns its file. What acts say
        before their first 'run' has happened; the rest waits for go_on()."""
        at_once, run, later = acts.partition("run ")
        start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        script = self.dir / f"{name}.sim"
        script.write_text(
            f"world start {start}\n"
            f"host a {errors} ahead {ahead}\n"
            f"vm {name} on a with vmclock,generation{scale}\n"
            f"{at_once}\nopen {name} with vmclock\n{run}{later}\n"
            "run 1000000s\n")
        self.simulation = self.start("simulate", "--realtime", "--dir",
                                     self.dir / "out", script)
        for line in self.simulation.stdout:
            if f"open {name}" in line:
                break
        else:
            self.fail(self.simulation.stderr.read())
        page = self.dir / "out" / f"{name}.vmclock"
        if later:
            self.hold(page)
        return page

    def hold(self, page):
        hold(self.simulation, page)

    def go_on(self):
        """What is due by now happens at once."""
        self.simulation.send_signal(signal.SIGCONT)
