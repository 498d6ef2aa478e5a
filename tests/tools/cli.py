# SPDX-License-Identifier: MIT
"""Shared by the checks of paraclock(1)."""
import pty
import time
import unittest

# Guards against hangs only: even a busy machine needs less than this.
HANGS_SEC = 1200


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


def open_terminal(test):
    """Both ends of a pseudo terminal."""
    try:
        return pty.openpty()
    except OSError as error:
        return test.skipTest(f"no pseudo terminal: {error}")
