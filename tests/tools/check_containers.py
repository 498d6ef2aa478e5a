#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock in containers, as docs/platforms/containers.md sets them up: under
runc, with the settings of the pod there.
Usage: check_containers.py PARACLOCK"""
import ctypes
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import uuid

import cli

TOOL = os.path.realpath(sys.argv.pop(1))
NOBODY = 65534
# Of a group that this user is in only if the container says so.
CLOCK_GID = 4242
# A character device that no driver is behind: local use, by the kernel's list.
DEVICE = os.makedev(240, 17)
SERVED = "/run/paraclock/serve"


def shown(where, what, mode="ro"):
    return {"destination": str(what), "type": "bind", "source": str(where),
            "options": ["bind", mode]}


class Container(cli.Service):
    tool = TOOL

    def setUp(self):
        super().setUp()
        self.root = self.dir / "root"
        self.root.mkdir()
        for name in ("bin", "lib", "lib64"):
            (self.root / name).symlink_to("usr/" + name)
        done = self.run_inside("true")
        if done.returncode:
            self.skipTest(f"runc makes no container: {done.stderr}")

    def run_inside(self, *command, mounts=(), devices=(), groups=()):
        """With the securityContext of the pod in the page."""
        bundle = self.dir / uuid.uuid4().hex
        bundle.mkdir()
        subprocess.run(["runc", "spec"], cwd=bundle, check=True)
        path = bundle / "config.json"
        spec = json.loads(path.read_text())
        process = spec["process"]
        process["terminal"] = False
        process["noNewPrivileges"] = True
        process["user"] = {"uid": NOBODY, "gid": NOBODY,
                           "additionalGids": list(groups)}
        process["capabilities"] = {}
        process["args"] = ["/usr/bin/env", *map(str, command)]
        spec["root"] = {"path": str(self.root), "readonly": True}
        # Machines differ in their cgroups, which no test here looks at.
        spec["mounts"] = [m for m in spec["mounts"] if m["type"] != "cgroup"]
        spec["mounts"] += [shown("/usr", "/usr"), *mounts]
        build = pathlib.Path(TOOL).parent.parent
        if not build.is_relative_to("/usr"):
            spec["mounts"].append(shown(build, build))
        spec["linux"]["resources"]["devices"] += [
            {"allow": True, "type": "c", "major": os.major(device),
             "minor": os.minor(device), "access": "r"} for device in devices]
        path.write_text(json.dumps(spec))
        return subprocess.run(
            ["runc", "--root", self.dir / "state", "run", bundle.name],
            cwd=bundle, capture_output=True, text=True, check=False,
            timeout=cli.HANGS_SEC)

    def inside(self, *args, **more):
        """The JSON object that paraclock prints there."""
        done = self.run_inside(TOOL, *args, "--json", **more)
        self.assertTrue(done.stdout, done.stderr)
        return json.loads(done.stdout)

    # --- pages in every process ---------------------------------------------

    def test_the_pages_of_the_kernel_need_nothing(self):
        def pages(status):
            return {b["name"]: (b["available"], b["timescale"])
                    for b in status["backends"]
                    if b["name"] in ("kvmclock", "hyperv")}
        outside = json.loads(subprocess.run(
            [TOOL, "status", "--json"], capture_output=True, text=True,
            check=False).stdout)
        inside = self.inside("status")
        self.assertEqual(pages(inside), pages(outside))
        self.assertEqual(inside["clocksource"], outside["clocksource"])

    # --- the page of serve ---------------------------------------------------

    def test_the_folder_of_serve_is_enough(self):
        host = self.publish()
        process = self.start("serve", "-b", "vmclock", "-d", host, "--dir",
                             self.run_dir, "--container")
        state = self.run_dir / "serve.json"

        def serves():
            try:
                return json.loads(state.read_text())["status"] == \
                    "synchronized"
            except FileNotFoundError:
                return False
        cli.wait_until(serves, process)
        # As Docker and the kubelet find it: a folder that all may look into.
        for folder in (self.dir, self.run_dir):
            folder.chmod(0o755)
        mounts = [shown(self.run_dir, SERVED)]
        got = self.inside("read", "-b", "served", mounts=mounts)
        self.assertTrue(got["valid"], got)
        self.assertEqual((got["timescale"], got["tai_offset_sec"]),
                         ("tai", 37))
        self.assertGreater(got["clock_error_ns"], 0)
        done = self.run_inside("sh", "-c", f"echo >{SERVED}/utc.vmclock",
                               mounts=mounts)
        self.assertNotEqual(done.returncode, 0, "the page can be written")

    def test_without_the_folder_the_message_says_what_is_missing(self):
        done = self.run_inside(TOOL, "read", "-b", "served")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no page at " + SERVED, done.stderr)

    # --- devices --------------------------------------------------------------

    def open_device(self, mode=0o640, **more):
        node = self.dir / "clock"
        if not node.exists():
            try:
                os.mknod(node, stat.S_IFCHR | mode, DEVICE)
            except PermissionError:
                self.skipTest("no device node can be made here")
            os.chown(node, 0, CLOCK_GID)
            node.chmod(mode)
            try:
                os.close(os.open(node, os.O_RDONLY))
                self.skipTest("a driver is behind the device")
            except OSError as error:
                if error.errno not in (6, 19):  # ENXIO, ENODEV
                    self.skipTest(f"this machine's own devices: {error}")
        # A bind mount wants something to lie over, on a root that is read-only.
        (self.root / "clock").touch()
        done = self.run_inside(TOOL, "read", "-b", "phc", "-d", "/clock",
                               mounts=[shown(node, "/clock", "rw")], **more)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stderr

    def test_a_device_that_is_only_mounted_is_refused(self):
        # What a hostPath volume of Kubernetes gives.
        said = self.open_device(groups=[CLOCK_GID])
        self.assertIn("device policy", said)

    def test_a_device_that_is_allowed_opens_for_its_group(self):
        # What docker run --device and --group-add give, and a device plugin
        # with supplementalGroups.
        said = self.open_device(groups=[CLOCK_GID], devices=[DEVICE])
        self.assertIn("no driver is behind this node", said)

    def test_a_device_that_is_allowed_is_refused_to_others(self):
        said = self.open_device(devices=[DEVICE])
        self.assertIn("permission denied", said.lower())
        self.assertIn("group", said)


if __name__ == "__main__":
    if not shutil.which("runc"):
        print("skipped: runc is not installed")
        sys.exit(77)
    if os.geteuid():
        print("skipped: only root can make containers")
        sys.exit(77)
    # Mounts of a test that was killed go with this namespace.
    ctypes.CDLL(None).unshare(0x20000)
    cli.main()
