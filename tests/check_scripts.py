#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How scripts/test shows a failure, and how the scripts that fetch packages
end without them. Usage: check_scripts.py CTEST"""
import os
import pathlib
import pty
import select
import subprocess
import sys
import tempfile
import unittest

CTEST = sys.argv.pop(1)
SCRIPTS = pathlib.Path(__file__).parent.parent / "scripts"

TESTS = """
add_test(quick true)
add_test(slow sleep 60)
set_tests_properties(slow PROPERTIES TIMEOUT 1)
add_test(crash sh -c "echo before it; kill -SEGV $$")
add_test(nowhere /no/such/program)
add_test(long sh -c "echo 'x.c:7: error: the one'; seq 5000; exit 3")
add_test(last sh -c "echo; seq 101 150; exit 1")
add_test(absent sh -c "echo 'skipped: none here'; exit 77")
set_tests_properties(absent PROPERTIES SKIP_RETURN_CODE 77)
"""


def run(*args, **more):
    return subprocess.run(list(map(str, args)), capture_output=True,
                          text=True, timeout=240, check=False, **more)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)


class Failures(Folder):
    """Of a real run of ctest."""

    def setUp(self):
        super().setUp()
        (self.dir / "CTestTestfile.cmake").write_text(TESTS)
        self.xml, self.log = self.dir / "x.xml", self.dir / "log"
        done = run(CTEST, "--test-dir", self.dir, "--output-on-failure",
                   "--output-junit", self.xml)
        self.log.write_text(done.stdout)

    def report(self, *args):
        done = run(SCRIPTS / "report.py", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def test_they_are_counted_and_named(self):
        parts = self.dir / "parts"
        got = self.report("run", self.dir, self.xml, parts)
        self.assertEqual(got[0], "7 5 1")
        self.assertEqual(got[1], "slow crash nowhere long last")
        self.assertEqual(got[2:], ["absent: none here"])

    def test_each_is_shown_with_what_it_printed(self):
        got = self.report("failed", self.xml, self.log)
        heads = [line for line in got if line.startswith("--- ")]
        for head, name, how in zip(
                heads, ("slow", "crash", "nowhere", "long", "last"),
                ("Timeout", "SEGFAULT", "Not Run", "Failed", "Failed")):
            self.assertTrue(head.startswith(f"--- {name}: {how} "), head)
        self.assertEqual(heads[5:], [f"--- all of it: {self.log}"])
        self.assertIn("before it", got)
        # Of 5001 lines the error, which was the first, and the last 100.
        at = got.index("x.c:7: error: the one")
        self.assertEqual(got[at + 1], "... its last 100 lines of 5001:")
        self.assertEqual(got[at + 2:at + 102],
                         [str(n) for n in range(4901, 5001)])
        self.assertIn("150", got)
        self.assertLess(len(got), 200)

    def test_of_a_build_the_errors_are_shown_not_the_end(self):
        log = self.dir / "build.log"
        for lines, want, absent in (
                (["[ 1%] a"] * 300 + ["a.c:9:1: error: no such thing"] +
                 ["[ 2%] b"] * 300 + ["make: *** [all] Error 2"],
                 "a.c:9:1: error: no such thing", "*** [all]"),
                (["x"] * 90 + ["CMake Error at CMakeLists.txt:3 (y):"] +
                 ["x"] * 90, "CMake Error at CMakeLists.txt:3", None),
                (["man/a.3: WARNING: skipped"] + ["x"] * 90,
                 "man/a.3: WARNING: skipped", None),
                (["x"] * 90 + ["the last"], "the last", None),
                (["a.c:1:1: error: many"] * 5000, "error: many", None)):
            log.write_text("\n".join(lines) + "\n")
            done = run("bash", "-c", '. "$0"; show_errors "$1"',
                       SCRIPTS / "common.sh", log)
            self.assertIn(want, done.stdout)
            self.assertIn(f"{log} ({len(lines)} lines)", done.stdout)
            self.assertLess(len(done.stdout.splitlines()), 110)
            if absent:
                self.assertNotIn(absent, done.stdout)


class Progress(Folder):
    """Of a build that writes its log and waits until it has been seen."""

    BUILD = """. "$0"; cd "$1"
build() {
  until [ -e go ]; do sleep 0.1; done
  echo "[  7%] a"; echo "[ 42%] b"; echo "no share"
  until [ -e end ]; do sleep 0.1; done
  return 3
}
with_progress "$1/log" build || echo "status $?"
"""

    def start(self, output):
        process = subprocess.Popen(
            ["bash", "-euc", self.BUILD, SCRIPTS / "common.sh", self.dir],
            stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_a_terminal_shows_it_while_it_lasts(self):
        try:
            master, slave = pty.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo terminal: {error}")
        self.addCleanup(os.close, master)
        process = self.start(slave)
        os.close(slave)
        shown = b""

        def wait_for(text):
            nonlocal shown
            while text not in shown:
                ready, _, _ = select.select([master], [], [], 240)
                self.assertTrue(ready, shown)
                shown += os.read(master, 4096)

        wait_for(b"configuring")
        (self.dir / "go").touch()
        wait_for(b"\r\x1b[K[ 42%]")
        (self.dir / "end").touch()
        wait_for(b"\r\x1b[Kstatus 3\r\n")
        self.assertEqual(process.wait(240), 0)
        self.assertEqual((self.dir / "log").read_text().splitlines(),
                         ["[  7%] a", "[ 42%] b", "no share"])

    def test_a_pipe_shows_nothing(self):
        process = self.start(subprocess.PIPE)
        for name in ("go", "end"):
            (self.dir / name).touch()
        self.assertEqual(process.communicate(timeout=240)[0], b"status 3\n")


FAKES = {
    "apt-get": """case " $* " in
*--print-uris*) echo "'http://localhost/debian/dists/$RELEASE/InRelease' x" ;;
*" update "*) ;;
*" download "*|*" install "*)
  status=$(printf '%s\\n' "$@" | sed -n 's/^Dir::State::status=//p' | tail -n 1)
  # As apt: what is installed in this version is not fetched.
  for package in $DEBS; do
    grep -qx "Package: $package" "${status:-$MACHINE_STATUS}" || : >$package.deb
  done ;;
esac
""",
    "apt-cache": """case " $* " in
*" madison qemu-system-x86 "*)
  echo " qemu-system-x86 | 1:10.0 | x $RELEASE-backports/main amd64 Packages" ;;
*" madison linux-image-cloud-amd64 "*)
  echo " linux-image-cloud-amd64 | 7 | x trixie-backports/main amd64 P"
  echo " linux-image-cloud-amd64 | 6 | x bookworm/main amd64 P" ;;
*" show linux-image-cloud-amd64="*)
  echo "Depends: linux-image-7-cloud-amd64 (= 7)" ;;
esac
""",
    "apt-config": "echo \"machine_status='$MACHINE_STATUS'\"\n",
    "xz": "",
    # Of each package the same comes.
    "dpkg-deb": """[ -e "$2" ] || { echo "no $2" >&2; exit 2; }
mkdir -p "$3"; for path in $PATHS; do
  mkdir -p "$3/${path%/*}"; : >"$3/$path"; done
""",
}
QEMU = "qemu-system-x86 qemu-system-common"


@unittest.skipUnless(os.uname().machine == "x86_64" and
                     os.path.exists("/usr/share/keyrings/"
                                    "debian-archive-keyring.gpg"),
                     "this is not Debian on x86-64")
class Fetching(Folder):
    """With programs in apt's place."""

    def fetch(self, script, args=(), **env):
        programs = self.dir / "bin"
        programs.mkdir(exist_ok=True)
        for name, text in FAKES.items():
            path = programs / name
            path.write_text("#!/bin/sh\n" + text)
            path.chmod(0o755)
        status = self.dir / "status"
        status.write_text("".join(
            f"Package: {name}\nStatus: install ok installed\n\n"
            for name in env.pop("installed", "dpkg").split()))
        release = run("sh", "-c", '. /etc/os-release; echo $VERSION_CODENAME')
        return run(SCRIPTS / script, *args, env={
            **os.environ, "PATH": f"{programs}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(self.dir / "cache"), "DEBS": "", "PATHS": "",
            "MACHINE_STATUS": str(status),
            "RELEASE": release.stdout.strip(), **env})

    def is_skip(self, done, *words):
        self.assertEqual(done.returncode, 77, done.stderr)
        self.assertEqual(done.stdout, "")
        for word in words:
            self.assertIn(word, done.stderr.splitlines()[-1])
        self.assertEqual(list((self.dir / "cache/paraclock").glob("*.??????")),
                         [])

    def test_nothing_comes(self):
        self.is_skip(self.fetch("vm-image"), "fetched nothing")
        self.is_skip(self.fetch("arm64-libs"), "got 0 of 9 packages")
        self.is_skip(self.fetch("programs"), "fetched nothing of chrony")

    def test_less_comes_than_is_needed(self):
        done = self.fetch("vm-image", DEBS=QEMU,
                          PATHS="usr/share/qemu/a bin/busybox")
        self.is_skip(done, "have no usr/bin/qemu-system-x86_64")
        self.is_skip(self.fetch("arm64-libs", DEBS="libfdt1"),
                     "got 1 of 9 packages")
        self.is_skip(self.fetch("programs", DEBS="chrony ntpsec",
                                PATHS="usr/sbin/chronyd usr/bin/chronyc"),
                     "have no usr/sbin/ntpd")

    def test_programs_come_once(self):
        """Whichever of them the machine has, and each with a way to run it."""
        names = "usr/sbin/chronyd usr/bin/chronyc usr/sbin/ntpd " \
            "usr/bin/promtool usr/bin/prometheus-node-exporter"
        self.is_skip(self.fetch("programs", args=["--cached"]),
                     "run scripts/programs")
        for debs in ("chrony ntpsec prometheus", ""):
            done = self.fetch("programs", DEBS=debs, PATHS=names,
                              installed="dpkg chrony")
            self.assertEqual(done.returncode, 0, done.stderr)
            root = self.dir / "cache/paraclock/programs"
            self.assertEqual(done.stdout, f"{root}\n")
            for name in names.split():
                self.assertTrue(os.access(root / "bin" / name.split("/")[-1],
                                          os.X_OK))
        self.assertEqual(done.stderr, "")

    def test_what_the_machine_has_is_fetched_all_the_same(self):
        """Up to the kernel, which is not in the list of these packages."""
        paths = ("usr/share/qemu/a usr/bin/qemu-system-x86_64 usr/bin/iasl "
                 "usr/share/seabios/bios-256k.bin usr/sbin/phc_ctl "
                 "usr/sbin/phc2sys usr/bin/busybox usr/bin/udevadm "
                 "usr/sbin/hwclock usr/sbin/qemu-ga usr/sbin/libvirtd "
                 "usr/sbin/virtlogd usr/bin/virsh usr/sbin/chronyd "
                 "usr/bin/chronyc")
        debs = QEMU + " udev libvirt0"
        for installed in ("dpkg", "dpkg " + QEMU, debs + " dpkg"):
            done = self.fetch("vm-image", DEBS=debs + " util-linux-extra",
                              PATHS=paths, installed=installed)
            self.is_skip(done, "trixie-backports has no linux-image-7")


if __name__ == "__main__":
    unittest.main()
