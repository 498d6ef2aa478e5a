# SPDX-License-Identifier: MIT
"""Shared by the checks of paraclock export."""
import http.client
import json
import os
import re
import socket
import subprocess

import cli

# The simulated host's clock begins at a whole second, and the tool starts late
# on a busy machine: the truth is known to much less than this.
SLACK_SEC = 300

ODD_TARGET = 'a "b" \\c\n\r\td\u00e9'

STATES = {
    "keep": {"state": "off", "why": "max-step", "backend": "phc",
             "timescale": "utc", "offset_ns": -1500000000, "bound_ns": 1,
             "has_bound": True, "realtime_ns": 1795969543467279185,
             "disruptions": 1, "corrections": 3},
    "feed": {"state": "feeding", "why": None, "backend": "vmclock",
             "timescale": "tai", "offset_ns": 5, "bound_ns": 6,
             "has_bound": True, "disruptions": 2, "samples": 7,
             "printed_bound_ns": 100000,
             "outputs": [{"kind": "chrony-sock", "target": ODD_TARGET,
                          "connected": True, "delivered": 7, "failed": 2}]},
    "serve": {"state": "serving", "why": None, "backend": "vmclock",
              "status": "freerunning", "page": "/p", "clockbound": "/c",
              "publications": 11},
}


class Case(cli.Service):
    """Processes and files that go away. A subclass has a member tool."""

    def setUp(self):
        super().setUp()
        self.states = self.dir / "states"
        self.files = self.dir / "files"
        self.files.mkdir()

    def run_tool(self, *args):
        return subprocess.run([self.tool, *map(str, args)],
                              capture_output=True, text=True,
                              timeout=cli.HANGS_SEC, check=False)

    def publish(self, *args, **more):
        if "simulate" not in self.run_tool("--help").stdout:
            self.skipTest("this build has no simulation")
        return super().publish(*args, **more)

    def write_states(self, content=None, **writer):
        """Of this process, unless writer has another pid or started_ticks."""
        writer = {"pid": os.getpid(),
                  "started_ticks": cli.started_ticks(os.getpid()), **writer}
        for service, state in STATES.items():
            folder = self.states / service
            folder.mkdir(parents=True, exist_ok=True)
            state = {**writer, **state}
            (folder / f"{service}.json").write_bytes(
                json.dumps(state).encode() if content is None else content)

    # --- HTTP -------------------------------------------------------------

    def listen(self, *args, address="127.0.0.1:0"):
        """Returns the process and its port."""
        process = self.start("export", "--listen", address, *args)
        line = process.stderr.readline()
        if "libmicrohttpd" in line:
            self.skipTest(line.strip())
        found = re.search(r"listening on http://(.*):(\d+)/metrics", line)
        self.assertTrue(found, line)
        return process, int(found[2])

    def connect(self, port, host="127.0.0.1"):
        client = http.client.HTTPConnection(host, port,
                                            timeout=cli.HANGS_SEC)
        self.addCleanup(client.close)
        return client

    def connect_raw(self, port):
        client = socket.create_connection(("127.0.0.1", port),
                                          timeout=cli.HANGS_SEC)
        self.addCleanup(client.close)
        return client

    def get(self, port, path="/metrics", method="GET", accept=None):
        """Status, headers and body, by a connection of its own."""
        client = self.connect(port)
        client.request(method, path,
                       headers={"Accept": accept} if accept else {})
        answer = client.getresponse()
        body = answer.read().decode()
        client.close()
        return answer.status, answer.headers, body
