# SPDX-License-Identifier: MIT
"""The process outside that writes the guest's vmclock page; publisher.c."""
import socket
import subprocess
import time

import vm

ANSWER_SEC = 300


class Publisher:
    def __init__(self, program, memory, writer):
        self.program = program
        self.arguments = [memory, hex(vm.RESERVED), writer]
        self.process = self.line = None
        self.marker = 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        ours, its = socket.socketpair()
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", self.program,
             *self.arguments], stdin=its, stdout=its)
        its.close()
        self.line = vm.Line(ours)

    def kill(self):
        if self.process:
            self.line.sock.close()
            self.process.kill()
            self.process.wait(ANSWER_SEC)
        self.process = None

    def begin(self, command):
        self.asked = command
        self.line.send(command + "\n")

    def finish(self):
        """The error's name, and the values that it prints."""
        words = self.line.receive(time.monotonic() + ANSWER_SEC,
                                  self.asked).split()
        return words[0], {key: int(value) for key, value in
                          (word.split("=") for word in words[1:])}

    def ask(self, command):
        self.begin(command)
        return self.finish()

    def must(self, *commands):
        for command in commands:
            error, values = self.ask(command)
            if error != "OK":
                raise vm.Failed(f"the publisher: {command}: {error}")
        return values

    def new_marker(self):
        self.marker += 1
        self.must(f"marker {self.marker}")

    def set_up(self):
        """As a host does once it knows the guest's counter."""
        return self.must("calibrate", f"marker {self.marker}", "publish")
