# SPDX-License-Identifier: MIT
"""What a qemu-ga is asked, and what virsh prints of its answers."""
import base64
import json
import time

import vm

SEC = 10**9
# In the past: November 2023.
LONG_AGO = 1_700_000_000


def call(name, **arguments):
    """A request; _ stands for the - of a name."""
    request = {"execute": name}
    if arguments:
        request["arguments"] = {key.replace("_", "-"): value
                                for key, value in arguments.items()}
    return json.dumps(request)


def coded(data):
    return base64.b64encode(data).decode()


# More than the 64 KiB that an agent keeps of a message, and less than the
# 128 KiB of an argument of a program.
LARGE = bytes(n * n >> 8 & 255 for n in range(70_000))

# HANDLE and PID stand for what guest-file-open and guest-exec returned last.
CALLS = (
    call("guest-ping"),
    '{"execute": "guest-ping", "id": "\\u00e9 \\" \\\\ \\u0001"}',
    '{"id": {"a": [1, -2.5, null]}, "execute": "guest-get-host-name"}',
    call("guest-sync", id=2**53),
    call("guest-exec", path="/bin/sh", capture_output=True,
         arg=["-c", "echo out; echo err >&2; exit 3"]),
    call("guest-exec-status", pid="PID"),
    call("guest-exec", path="/bin/sh", capture_output=True,
         arg=["-c", "cat; echo $A"], env=["A=\u00e9\"\\"],
         input_data=coded(bytes(range(256)))),
    call("guest-exec-status", pid="PID"),
    call("guest-exec", path="/bin/seq", capture_output=True, arg=["20000"]),
    call("guest-exec-status", pid="PID"),
    call("guest-exec-status", pid="PID"),
    call("guest-exec", path="/no/such/program"),
    call("guest-file-open", path="/tmp/file", mode="w+"),
    call("guest-file-write", handle="HANDLE", buf_b64=coded(b"0123456789")),
    call("guest-file-seek", handle="HANDLE", offset=4, whence="set"),
    call("guest-file-read", handle="HANDLE", count=3),
    call("guest-file-seek", handle="HANDLE", offset=0, whence="end"),
    call("guest-file-write", handle="HANDLE", buf_b64=coded(LARGE)),
    call("guest-file-flush", handle="HANDLE"),
    call("guest-file-seek", handle="HANDLE", offset=10, whence=0),
    call("guest-file-read", handle="HANDLE", count=len(LARGE)),
    call("guest-file-read", handle="HANDLE"),
    call("guest-file-close", handle="HANDLE"),
    call("guest-file-close", handle="HANDLE"),
    call("guest-file-open", path="/no/such/file"),
    call("guest-fsfreeze-status"),
    call("guest-fstrim"),
    call("guest-get-fsinfo"),
    call("guest-get-disks"),
    call("guest-get-osinfo"),
    call("guest-get-vcpus"),
    call("guest-get-memory-block-info"),
    call("guest-get-timezone"),
    call("guest-get-users"),
    call("guest-network-get-interfaces"),
    call("guest-get-devices"),
    # Mistakes.
    call("guest-nonesuch", a=[]),
    call("guest-nonesuch\n\u00e9\"\\"),
    call("guest-file-read"),
    call("guest-file-read", handle="x"),
    call("guest-file-read", handle=0, count=2**70),
    call("guest-file-seek", handle=0, offset={}, whence="middle"),
    call("guest-exec-status", pid=2**31 - 1),
    call("guest-exec", path=["/bin/true"]),
    call("guest-ping", more=1),
    '{"execute": "guest-ping", "arguments": 3}',
    '{"execute": "guest-ping", "more": 1}',
    '{"execute": 3}',
    '{"execute": null}',
    '{"arguments": {}}',
    '{}',
    # What the agent answers itself, too.
    call("guest-get-time"),
    '{"execute": "guest-get-time", "arguments": {}, "id": [1, "a", {}]}',
    call("guest-get-time", more=1),
    call("guest-set-time", time=LONG_AGO * SEC),
    call("guest-set-time", time="0"),
    call("guest-set-time", time=-1 * SEC),
)

# What libvirt asks an agent by itself: virsh's words without the domain.
COMMANDS = (
    ("guestinfo",),
    ("domhostname", "--source", "agent"),
    ("domifaddr", "--source", "agent"),
    ("guestvcpus",),
    ("domfsinfo",),
    ("domfstrim",),
    ("domfsfreeze",),
    ("domfsthaw",),
    ("set-user-password", "root", "secret"),
)

# What differs from one run to the next: the place in the answer of each.
VOLATILE = {
    "guest-exec": ("return", "pid"),
    "guest-file-open": ("return",),
    "guest-get-time": ("return",),
}
# Its mistakes are told in the words of whoever answers.
OWN_WORDS = ("guest-get-time", "guest-set-time")


# --- transcripts ------------------------------------------------------------

def command_of(request):
    """The name that it executes."""
    return json.loads(request).get("execute") or "none"


class Transcript:
    """What virsh prints for each of CALLS and COMMANDS."""

    def __init__(self, domain):
        self.domain = domain
        self.handle = self.pid = "0"
        self.lines = [self.ask(request) for request in CALLS]
        self.printed = [domain.libvirt.virsh(words[0], domain.name, *words[1:])
                        for words in COMMANDS]

    def ask(self, request):
        now = request.replace('"HANDLE"', self.handle)
        now = now.replace('"PID"', self.pid)
        end = time.monotonic() + vm.COMMAND_SEC
        while True:
            status, out, err = self.domain.request(now)
            # A process that was just started may run for a while.
            if '"exited":false' not in out or time.monotonic() > end:
                return self.settle(request, status, out, err)

    def settle(self, request, status, out, err):
        """The same for each run, if the answer is."""
        if status:
            # The errors name the handle, too.
            return f"{status}: {err}".replace(f"'{self.handle}'", "'HANDLE'")
        command = command_of(request)
        answer = json.loads(out)
        if command == "guest-file-open":
            self.handle = str(answer["return"])
        elif command == "guest-exec":
            self.pid = str(answer["return"]["pid"])
        if command in VOLATILE:
            *path, last = VOLATILE[command]
            place = answer
            for key in path:
                place = place[key]
            place[last] = f"an {type(place[last]).__name__}"
        return json.dumps(answer)

    def answer(self, number, command):
        """Of the number-th of this command, from 0."""
        got = [line for request, line in zip(CALLS, self.lines)
               if command_of(request) == command]
        return json.loads(got[number])["return"]
