# SPDX-License-Identifier: MIT
"""A Linux guest in QEMU (TCG), driven over its serial line and over QMP.

Every wait has a limit, and `with VM(...)` leaves no process behind."""
import argparse
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

# Against hangs: on a busy machine everything is many times as slow (a guest
# boots in 6 s). The limit of a whole test is below ctest's, so that we end
# QEMU ourselves.
TEST_SEC = 1500
BOOT_SEC = 600
COMMAND_SEC = 300
QMP_SEC = 300

# The guest's memory, and the part that Linux must leave alone: a page for a
# vmclock of ours, and behind it the mailbox.
MEMORY = 256 << 20
RESERVED = 0xfd00000
PAGE = 4096

# The group that udev/60-paraclock.rules names, in the guest.
CLOCK_GROUP = 100


# For the guest's shell: the last background process has its descriptors open,
# and waits; and it has looked at everything since. It sleeps between two looks.
IS_OPEN = "until ls -l /proc/$!/fd | grep -q eventpoll; do sleep 0.1; done"
HAS_LOOKED = ("slept() { sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' "
              "/proc/$(cat /tmp/events.pid)/status; }; from=$(slept); "
              "until [ $(slept) -gt $((from + 2)) ]; do sleep 0.1; done")


class Skip(Exception):
    """A part of the test is missing here."""


class Failed(Exception):
    """A check failed."""


checks = 0


def check(sentence, holds, got=""):
    """One check."""
    global checks
    if not holds:
        raise Failed(f"{sentence}: {got}")
    checks += 1
    print(f"ok {checks} - {sentence}", flush=True)


def wait_for(sentence, look, seconds=300, good=bool):
    """Look until the result is good, and return it; or fail the test."""
    end = time.monotonic() + seconds
    while not good(got := look()) and time.monotonic() < end:
        time.sleep(0.1)
    check(sentence, good(got), got)
    return got


def too_long(*_):
    raise Failed(f"not done in {TEST_SEC} s")


def main(test):
    """test(image, arguments), as a program that ctest runs."""
    parser = argparse.ArgumentParser()
    for name in ("--tool", "--guest", "--publisher"):
        parser.add_argument(name, required=True)
    parser.add_argument("--vmm")
    args = parser.parse_args()
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(TEST_SEC)
    try:
        test(Image(), args)
    except Skip as why:
        print(why)
        return 77
    except Failed as why:
        print(f"FAILED {why}")
        return 1
    print(f"{checks} checks passed")
    return 0


# --- the image --------------------------------------------------------------

class Image:
    """What scripts/vm-image fetched."""

    def __init__(self):
        done = subprocess.run(
            [os.path.join(TOP, "scripts", "vm-image"), "--cached"],
            capture_output=True, text=True, timeout=300)
        if done.returncode not in (0, 77):
            raise Failed(done.stderr)
        if done.returncode:
            raise Skip((done.stderr.strip().splitlines() or ["?"])[-1])
        self.folder = done.stdout.strip()
        self.root = os.path.join(self.folder, "root")
        # Besides the machine's own, which lacks these.
        places = [os.path.join(self.root, place, "x86_64-linux-gnu")
                  for place in ("usr/lib", "lib")]
        self.env = dict(os.environ, LD_LIBRARY_PATH=":".join(places),
                        QEMU_MODULE_DIR=os.path.join(places[0], "qemu"))

    def program(self, name):
        for place in ("usr/bin", "bin", "usr/sbin", "sbin"):
            path = os.path.join(self.root, place, name)
            if os.access(path, os.X_OK):
                return path
        raise Failed(f"{name} is not in {self.root}")

    def libraries(self, program):
        """The libraries of a program: {path in the guest: path here}."""
        done = subprocess.run(["ldd", program], env=self.env, text=True,
                              capture_output=True, timeout=300)
        found = {}
        for line in done.stdout.splitlines():
            words = line.split()
            if "not found" in line:
                raise Failed(f"{os.path.basename(program)} lacks {words[0]}")
            if "=>" in words:
                found["/lib/" + words[0]] = words[words.index("=>") + 1]
            elif words and words[0].startswith("/lib64/"):
                found[words[0]] = words[0]
        return found

    def compile_table(self, source, dest):
        """An ACPI table from iasl's language."""
        subprocess.run([self.program("iasl"), "-p", dest, source],
                       env=self.env, check=True, timeout=300,
                       stdout=subprocess.DEVNULL)
        return dest + ".aml"


# --- the initramfs ----------------------------------------------------------

def cpio_entry(number, name, mode, data=b""):
    """One member of a "newc" archive, root's."""
    name = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return (head + b"\0" * (-len(head) % 4) +
            data + b"\0" * (-len(data) % 4))


def write_initramfs(path, files):
    """files: {absolute path in the guest: bytes, or a path here}."""
    folders = {"/dev", "/proc", "/sys", "/tmp", "/run", "/root"}
    for name in files:
        while (name := os.path.dirname(name)) != "/":
            folders.add(name)
    with open(path, "wb") as out:
        number = 0
        for name in sorted(folders):
            number += 1
            out.write(cpio_entry(number, name[1:], stat.S_IFDIR | 0o755))
        for name, data in sorted(files.items()):
            number += 1
            if isinstance(data, str):
                with open(data, "rb") as source:
                    data = source.read()
            out.write(cpio_entry(number, name[1:], stat.S_IFREG | 0o755, data))
        out.write(cpio_entry(0, "TRAILER!!!", 0))


def make_initramfs(image, path, programs, modules=("ptp_vmclock",)):
    """programs: paths here, each put into /bin with its libraries."""
    here = os.path.dirname(os.path.abspath(__file__))
    files = {
        "/init": os.path.join(here, "init.sh"),
        "/bin/busybox": image.program("busybox"),
        "/etc/udev/rules.d/60-paraclock.rules":
            os.path.join(TOP, "udev", "60-paraclock.rules"),
        "/etc/passwd": b"root::0:0::/root:/bin/sh\n"
                       b"nobody::65534:65534::/:/bin/sh\n"
                       b"member::1000:1000::/:/bin/sh\n",
        "/etc/group": b"root::0:\nclock::%d:member\nmember::1000:\n"
                      b"nogroup::65534:\n" % CLOCK_GROUP,
    }
    for module in modules:
        files[f"/{module}.ko"] = os.path.join(image.folder, "modules",
                                              module + ".ko")
    for program in programs:
        files["/bin/" + os.path.basename(program)] = program
        files.update(image.libraries(program))
    write_initramfs(path, files)


# --- the machine ------------------------------------------------------------

def connect(path, seconds, alive):
    """A unix socket that another process is about to make."""
    end = time.monotonic() + seconds
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(path)
            return sock
        except OSError:
            sock.close()
            if not alive() or time.monotonic() > end:
                raise Failed(f"{path}: QEMU does not open it") from None
            time.sleep(0.02)


class Line:
    """Lines over a socket, read with a deadline."""

    def __init__(self, sock):
        self.sock = sock
        self.rest = b""

    def send(self, text):
        self.sock.sendall(text.encode())

    def receive(self, end, what):
        while b"\n" not in self.rest:
            left = end - time.monotonic()
            if left <= 0:
                raise Failed(f"no answer in time: {what}")
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(65536)
            except socket.timeout:
                continue
            if not data:
                raise Failed(f"the other end has gone: {what}")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")


class VM:
    """A guest. arguments: QEMU's, beyond the common ones."""

    def __init__(self, image, initramfs, arguments=(), kernel="",
                 linux="vmlinuz"):
        self.image = image
        self.folder = tempfile.mkdtemp(prefix="paraclock-vm-")
        self.cmdline = f"console=ttyS0 panic=-1 quiet loglevel=4 {kernel}"
        self.command = [
            # Whatever ends this process ends QEMU, too.
            "setpriv", "--pdeathsig", "KILL",
            image.program("qemu-system-x86_64"), "-accel", "tcg,thread=multi",
            "-cpu", "max", "-m", str(MEMORY >> 20), "-nodefaults",
            "-display", "none", "-no-reboot", "-no-user-config",
            "-L", os.path.join(image.root, "usr/share/qemu"),
            "-L", os.path.join(image.root, "usr/share/seabios"),
            "-kernel", os.path.join(image.folder, linux),
            "-initrd", initramfs, "-append", self.cmdline, *arguments]
        self.console = os.path.join(self.folder, "console")
        self.process = self.serial = self.qmp = None
        self.starts = self.asked = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.kill()
        if kind and issubclass(kind, Failed) and os.path.exists(self.console):
            print("--- the guest's console:")
            with open(self.console, errors="replace") as console:
                print("".join(console.readlines()[-40:]))
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_alive(self):
        return self.process and self.process.poll() is None

    def start(self, *more):
        """A QEMU process; it may be the next one of the same guest."""
        self.starts += 1
        where = os.path.join(self.folder, str(self.starts))
        self.process = subprocess.Popen(
            self.command + [
                "-chardev", f"file,id=console,path={self.console},append=on",
                "-serial", "chardev:console", "-chardev",
                f"socket,id=line,path={where}.serial,server=on,wait=off",
                "-serial", "chardev:line",
                "-qmp", f"unix:{where}.qmp,server=on,wait=off", *more],
            env=self.image.env, stdin=subprocess.DEVNULL,
            stdout=sys.stdout, stderr=subprocess.STDOUT)
        self.qmp = Line(connect(where + ".qmp", QMP_SEC, self.is_alive))
        self.qmp.receive(time.monotonic() + QMP_SEC, "QMP's greeting")
        self.execute("qmp_capabilities")
        self.serial = Line(connect(where + ".serial", QMP_SEC, self.is_alive))

    def boot(self):
        self.start()
        end = time.monotonic() + BOOT_SEC
        while self.serial.receive(end, "the guest boots") != "@@@ ready":
            pass

    def kill(self):
        for line in (self.serial, self.qmp):
            if line:
                line.sock.close()
        self.serial = self.qmp = None
        if self.process:
            self.process.kill()
            self.process.wait(QMP_SEC)
        self.process = None

    # --- QMP

    def execute(self, command, **arguments):
        self.qmp.send(json.dumps({"execute": command,
                                  "arguments": arguments}) + "\n")
        end = time.monotonic() + QMP_SEC
        while True:
            answer = json.loads(self.qmp.receive(end, command))
            if "error" in answer:
                raise Failed(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def wait_for_migration(self):
        end = time.monotonic() + QMP_SEC
        while time.monotonic() < end:
            state = self.execute("query-migrate").get("status")
            if state == "completed":
                return
            if state in ("failed", "cancelled"):
                break
            time.sleep(0.02)
        raise Failed(f"migration: {state}")

    def save(self, capabilities=()):
        """Stop, write the state to a file, and end this QEMU."""
        path = os.path.join(self.folder, "state")
        self.execute("stop")
        self.set_capabilities(capabilities)
        # By default a migration is limited to a network's bandwidth.
        self.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.execute("migrate", uri=f"file:{path}")
        self.wait_for_migration()
        self.kill()
        return path

    def load(self, path, capabilities=(), go=True):
        """Another QEMU goes on from there, at once or by "cont"."""
        self.start("-incoming", "defer", "-S")
        self.set_capabilities(capabilities)
        self.execute("migrate-incoming", uri=f"file:{path}")
        self.wait_for_migration()
        os.remove(path)
        if go:
            self.execute("cont")

    def set_capabilities(self, names):
        if names:
            self.execute("migrate-set-capabilities", capabilities=[
                {"capability": name, "state": True} for name in names])

    # --- the guest's shell

    def run(self, command, timeout=COMMAND_SEC):
        """A line for the guest's shell: (exit status, what it printed)."""
        self.begin(command)
        return self.finish(timeout)

    def begin(self, command):
        self.asked += 1
        self.running = command
        self.serial.send(f"{self.asked} {command}\n")

    def finish(self, timeout=COMMAND_SEC):
        end = time.monotonic() + timeout
        lines = []
        while True:
            line = self.serial.receive(end, self.running)
            if line.startswith(f"@@@ {self.asked} "):
                break
            lines.append(line)
        # The shell puts a newline before its own line.
        if lines and not lines[-1]:
            lines.pop()
        return int(line.split()[2]), "\n".join(lines)

    def must(self, command, timeout=COMMAND_SEC):
        """The command's output; its success is part of the test."""
        status, text = self.run(command, timeout)
        if status:
            raise Failed(f"{command}: exit status {status}: {text}")
        return text

    def json(self, command, want=None):
        """The JSON objects that the command prints, one a line."""
        status, text = self.run(command)
        if want is not None and status != want:
            raise Failed(f"{command}: exit status {status}, not {want}: "
                         f"{text}")
        return [json.loads(line) for line in text.splitlines()
                if line.startswith("{")]
