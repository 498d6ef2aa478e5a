#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The scripts in examples/, run with a program in paraclock's place.
Usage: check_shell.py [PARACLOCK]
With PARACLOCK, the real one reads the options that they pass."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

TOOL = sys.argv.pop(1) if len(sys.argv) > 1 else None
EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
HOOK, BOOT = EXAMPLES / "restore-hook.sh", EXAMPLES / "initramfs-clock.sh"

# Logs its arguments, and ends as the test says for --sync and for --once.
FAKE = """#!/bin/sh
echo "$*" >>"$LOG"
case " $* " in
*" --sync "*) exit "$SYNC" ;;
*" --once "*) exit "$ONCE" ;;
esac
exit 99
"""


class Scripts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.log = self.dir / "log"
        self.keep = self.dir / "keep"
        self.keep.mkdir()
        programs = self.dir / "bin"
        programs.mkdir()
        for name, text in (("paraclock", FAKE),
                           ("modprobe", "#!/bin/sh\nexit 1\n")):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self.env = {"PATH": f"{programs}:{os.environ['PATH']}",
                    "LOG": str(self.log), "SYNC": "99", "ONCE": "99",
                    "PARACLOCK_KEEP_DIR": str(self.keep)}

    def service(self):
        """What a service, or one that was killed, has in its folder."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(listener.close)
        listener.bind(str(self.keep / "keep.sock"))

    def run_script(self, *args, **env):
        return subprocess.run(list(map(str, args)), capture_output=True,
                              text=True, timeout=240, check=False,
                              env={**self.env, **env})

    def calls(self):
        """Each call's arguments. They hold no blanks here."""
        if not self.log.exists():
            return []
        return [line.split() for line in self.log.read_text().splitlines()]

    def modes(self):
        return [option for call in self.calls() for option in call
                if option in ("--sync", "--once")]


class Restore(Scripts):
    def hook(self, *command, **env):
        return self.run_script(HOOK, *command, **env)

    def test_it_asks_the_service_and_runs_the_command(self):
        self.service()
        done = self.hook("sh", "-c", 'echo "$0|$1"', "a b", "*", SYNC="0")
        self.assertEqual((done.returncode, done.stdout), (0, "a b|*\n"))
        self.assertEqual(self.calls(), [
            ["keep", "--sync", "--wait", "10", "--dir", str(self.keep)]])

    def test_without_a_service_it_corrects_the_clock_itself(self):
        done = self.hook("echo", "on", ONCE="0")
        self.assertEqual((done.returncode, done.stdout), (0, "on\n"))
        self.assertEqual(self.calls(), [
            ["keep", "--once", "--wait", "10", "--dir", str(self.keep),
             "--max-step", "1000000000", "--assume-error", "0"]])

    def test_it_corrects_the_clock_where_a_dead_service_left_its_socket(self):
        self.service()
        done = self.hook("echo", "on", SYNC="1", ONCE="0")
        self.assertEqual((done.returncode, done.stdout), (0, "on\n"))
        self.assertEqual(self.modes(), ["--sync", "--once"])

    def test_what_the_service_leaves_alone_is_left_alone(self):
        self.service()
        done = self.hook("echo", "on", SYNC="3")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("CLOCK_REALTIME is not right", done.stderr)
        self.assertEqual(self.modes(), ["--sync"])

    def test_a_clock_that_is_not_right_stops_the_command(self):
        for status in (1, 2, 3):
            done = self.hook("echo", "on", ONCE=str(status))
            self.assertEqual((done.returncode, done.stdout), (status, ""))

    def test_anyway_means_that_the_command_runs(self):
        done = self.hook("sh", "-c", "echo on; exit 7", ONCE="3",
                         PARACLOCK_ANYWAY="1")
        self.assertEqual((done.returncode, done.stdout), (7, "on\n"))
        self.assertIn("CLOCK_REALTIME is not right", done.stderr)

    def test_without_a_command_its_status_is_the_answer(self):
        for status in (0, 3):
            self.assertEqual(self.hook(ONCE=str(status)).returncode, status)

    def test_the_wait_is_the_callers(self):
        self.hook(ONCE="0", PARACLOCK_WAIT="0.5")
        self.assertEqual(self.calls()[0][2:4], ["--wait", "0.5"])


class Initramfs(Scripts):
    def test_a_clock_that_is_not_right_does_not_stop_the_boot(self):
        for status, says in (("0", ""), ("1", "not right"), ("3", "not right")):
            done = self.run_script(BOOT, ONCE=status)
            self.assertEqual((done.returncode, done.stdout), (0, ""))
            self.assertIn(says, done.stderr)
        self.assertEqual(self.calls()[0],
                         ["keep", "--once", "--boot", "--wait", "2"])

    def test_initramfs_tools_may_ask_for_what_has_to_run_before(self):
        done = self.run_script(BOOT, "prereqs")
        self.assertEqual((done.returncode, done.stdout, self.calls()),
                         (0, "", []))


class Both(Scripts):
    def test_the_real_paraclock_knows_their_options(self):
        if not TOOL:
            print("skipped: no paraclock was named")
            return
        self.service()
        self.run_script(HOOK, SYNC="1", ONCE="0")
        self.run_script(BOOT, ONCE="0")
        self.assertEqual(self.modes(), ["--sync", "--once", "--once"])
        for call in self.calls():
            # --help ends the command, but what comes before it is read.
            done = self.run_script(TOOL, *call, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""), call)
        done = self.run_script(TOOL, "keep", "--once", "--no-such-option",
                               "--help")
        self.assertEqual(done.returncode, 2)

    def test_shellcheck_has_nothing_to_say(self):
        if not shutil.which("shellcheck"):
            print("skipped: no shellcheck")
            return
        done = self.run_script("shellcheck", HOOK, BOOT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


if __name__ == "__main__":
    unittest.main()
