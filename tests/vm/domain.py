# SPDX-License-Identifier: MIT
"""A libvirt that is not this machine's, and a guest as a domain of it. Nothing
outside a temporary folder changes, and no process is left."""
import glob
import os
import shutil
import subprocess
import tempfile
import time

import vm

HERE = os.path.dirname(os.path.abspath(__file__))
AGENT_PORT = "org.qemu.guest_agent.0"
UNSHARE = ("unshare", "--mount", "--pid", "--net", "--uts", "--fork",
           "--kill-child")
START_SEC = 300
VIRSH_SEC = 300

DOMAIN = """
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <genid/>
  <memory unit='b'>{memory}</memory>
  <memoryBacking>
    <source type='file'/>
    <access mode='shared'/>
  </memoryBacking>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initramfs}</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features>
    <acpi/>
  </features>
  <cpu mode='maximum'/>
  <clock offset='utc'/>
  <on_reboot>destroy</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <serial type='file'>
      <source path='{console}' append='on'/>
      <target port='0'/>
    </serial>
    <serial type='unix'>
      <source mode='bind' path='{serial}'/>
      <target port='1'/>
    </serial>
    <channel type='unix'>
      <target type='virtio' name='{port}'/>
    </channel>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-acpitable'/>
    <qemu:arg value='file={table}'/>
  </qemu:commandline>
</domain>
"""


class Libvirt:
    """libvirtd and virtlogd in namespaces of their own: a host of its own."""

    def __init__(self, image):
        self.image = image
        self.folder = tempfile.mkdtemp(prefix="paraclock-libvirt-")
        self.socket = os.path.join(self.folder, "run/libvirt/libvirt-sock")
        self.uri = f"qemu+unix:///system?socket={self.socket}"
        self.log = os.path.join(self.folder, "log")
        open(self.log, "w").close()
        self.process = None

    def __enter__(self):
        try:
            self.look_for_namespaces()
            self.start()
        except BaseException as why:
            self.__exit__(type(why), why, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind and issubclass(kind, vm.Failed):
            print("--- libvirtd:")
            with open(self.log, errors="replace") as log:
                print("".join(log.readlines()[-40:]))
        self.stop()

    def look_for_namespaces(self):
        # Even as root of a user namespace: libvirt sets supplemental groups.
        if os.geteuid():
            raise vm.Skip("libvirt's system daemon runs as root only")
        done = subprocess.run(
            [*UNSHARE, "mount", "-t", "overlay", "-o",
             f"lowerdir={self.image.root}/usr:/usr", "overlay", "/usr"],
            capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise vm.Skip("this machine allows no namespaces or no overlay "
                          f"of /usr: {done.stderr.strip()}")

    def start(self):
        with open(self.log, "w") as log:
            # Whatever ends this process ends all of the others, too.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *UNSHARE, "sh",
                 os.path.join(HERE, "libvirtd.sh"), self.folder,
                 self.image.root],
                stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT)
        vm.connect(self.socket, START_SEC,
                   lambda: self.process.poll() is None).close()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait(vm.QMP_SEC)
        self.process = None
        # The kernel ends the other processes a little later.
        end = time.monotonic() + vm.QMP_SEC
        while os.path.exists(self.folder) and time.monotonic() < end:
            shutil.rmtree(self.folder, ignore_errors=True)

    def virsh(self, *words):
        """(exit status, stdout, stderr)"""
        try:
            done = subprocess.run(
                [self.image.program("virsh"), "-q", "-c", self.uri, *words],
                env=self.image.env, stdin=subprocess.DEVNULL,
                timeout=VIRSH_SEC, capture_output=True, text=True)
        except subprocess.TimeoutExpired:
            raise vm.Failed(f"virsh {' '.join(words)}: no answer") from None
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    def must(self, *words):
        status, out, err = self.virsh(*words)
        if status:
            raise vm.Failed(f"virsh {' '.join(words)}: {err}")
        return out


class Domain(vm.VM):
    """A guest that libvirt starts, saves, migrates and ends."""
    name = "guest"

    def __init__(self, libvirt, initramfs, table, kernel=""):
        super().__init__(libvirt.image, initramfs, kernel=kernel)
        self.libvirt = libvirt
        self.line = os.path.join(self.folder, "serial")
        self.xml = os.path.join(self.folder, "xml")
        with open(self.xml, "w") as file:
            file.write(DOMAIN.format(
                name=self.name, memory=vm.MEMORY, port=AGENT_PORT,
                kernel=os.path.join(self.image.folder, "vmlinuz"),
                initramfs=initramfs, cmdline=self.cmdline, table=table,
                console=self.console, serial=self.line))

    def boot(self):
        self.libvirt.must("define", self.xml)
        super().boot()

    def is_alive(self):
        return self.libvirt.must("domstate", self.name) in ("paused",
                                                            "running")

    def start(self):
        """The guest runs once its serial line has a reader."""
        self.libvirt.must("start", self.name, "--paused")
        self.serial = vm.Line(vm.connect(self.line, vm.QMP_SEC, self.is_alive))
        self.libvirt.must("resume", self.name)

    def kill(self):
        if self.serial:
            self.serial.sock.close()
            self.libvirt.virsh("destroy", self.name)
        self.serial = None

    def save(self):
        """Into a file of libvirt's; the next start goes on from there."""
        self.libvirt.must("managedsave", self.name)
        self.serial.sock.close()

    def migrate(self, libvirt):
        """Live, to another libvirt, with a serial line of its own."""
        xml = self.libvirt.must("dumpxml", self.name, "--migratable")
        with open(self.xml, "w") as file:
            file.write(xml.replace(self.line, self.line + ".moved"))
        self.libvirt.must(
            "migrate", self.name, libvirt.uri, "--live", "--xml", self.xml,
            "--migrateuri", f"unix://{os.path.join(self.folder, 'migration')}")
        self.serial.sock.close()
        self.libvirt = libvirt
        self.line += ".moved"
        self.serial = vm.Line(vm.connect(self.line, vm.QMP_SEC, self.is_alive))

    def memory(self):
        """The file that has the guest's memory."""
        found = glob.glob(os.path.join(self.libvirt.folder,
                                       "memory/libvirt/qemu/*/pc.ram"))
        if len(found) != 1:
            raise vm.Failed(f"files of the guest's memory: {found}")
        return found[0]
