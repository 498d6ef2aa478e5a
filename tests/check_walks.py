#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: check_walks.py BUILD

The walks in docs/architecture.md are what the compiler sees. A walk is a block
of lines that begins with ```walk TITLE; a line names a function, indented below
its caller, and the file that defines it. A third column says that the call goes
through a pointer: .MEMBER, which the function's file sets, or ".MEMBER, set in
FILE"; "argument", where that file passes the function to another.

Each file of a walk is compiled by gcc into a call graph, without inlining and
with the flags of BUILD. Then each function must be defined in the file that is
named, and called by the function that it is indented below. The walk of a read
may come back to a folder that it has left at most three times."""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TEXT = os.path.join(ROOT, "docs", "architecture.md")
WALKS = {"a read", "a disruption", "a cross timestamp", "a migration",
         "a correction"}
RETURNS_MAX = {"a read": 3}
STEP = re.compile(r"( *)(\w+) +([\w/.-]+)(?: +(\S.*))?$")


def walks():
    """Title -> [(depth, function, file, how)], in the order of the text."""
    found, title = {}, None
    with open(TEXT, encoding="utf-8") as text:
        for line in text:
            line = line.rstrip("\n")
            if line.startswith("```walk "):
                title = line[len("```walk "):]
                found[title] = []
            elif line.startswith("```"):
                title = None
            elif title:
                step = STEP.match(line)
                if not step:
                    sys.exit(f"{TEXT}: {title}: not a step: {line}")
                spaces, name, file, how = step.groups()
                found[title].append((len(spaces) // 2, name, file, how))
    return found


def commands(build):
    """File, relative to the root -> its compile command."""
    with open(f"{build}/compile_commands.json", encoding="utf-8") as database:
        entries = json.load(database)
    return {os.path.relpath(entry["file"], ROOT): shlex.split(entry["command"])
            for entry in reversed(entries)}


class Graph:
    """The compiler's call graph of some files."""

    def __init__(self, build, gcc):
        self.commands, self.gcc = commands(build), gcc
        self.calls, self.defined = set(), set()

    def add(self, file, folder):
        command = self.commands[file]
        # Flags alone: -I, -isystem with its argument, -D and -std.
        flags = []
        for i, word in enumerate(command):
            if word.startswith(("-I", "-D", "-std")):
                flags.append(word)
            elif word == "-isystem":
                flags += command[i:i + 2]
        subprocess.run(
            [self.gcc, "-O0", "-w", "-Dalways_inline=", "-fcallgraph-info",
             *flags, "-c", file, "-o", f"{folder}/graph.o"],
            check=True, cwd=ROOT)
        with open(f"{folder}/graph.ci", encoding="utf-8") as graph:
            text = graph.read()
        for title, label in re.findall(
                # One that is only declared is an ellipse.
                r'node: \{ title: "([^"]*)" label: "([^"]*)" \}', text):
            place = label.split("\\n")
            if len(place) > 1:
                self.defined.add((self.name(title), self.place(place[1])))
        for caller, callee in re.findall(
                r'edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"', text):
            self.calls.add((self.name(caller), self.name(callee)))

    @staticmethod
    def name(title):
        return title.rsplit(":", 1)[-1]

    @staticmethod
    def place(label):
        path = label.split(":")[0]
        return os.path.relpath(os.path.join(ROOT, path), ROOT)


def is_set(file, how, name):
    """Does the source make the pointer that a call goes through?"""
    member, _, other = how.partition(", set in ")
    with open(os.path.join(ROOT, other or file), encoding="utf-8") as source:
        text = source.read()
    if member == "argument":
        return re.search(rf"[(,]\s*{name}\s*[,)]", text) is not None
    # As an initializer, or through a pointer to the struct.
    return re.search(rf"(\.|->){re.escape(member[1:])}\s*=\s*&?{name}\b",
                     text) is not None


def check(steps, graph):
    """The faults of a walk, a line each."""
    above = []
    for depth, name, file, how in steps:
        del above[depth:]
        if (name, file) not in graph.defined:
            yield f"{name} is not defined in {file}"
        if depth > len(above):
            yield f"{name} is indented below nothing"
        if above:
            caller = above[-1]
            if not how and (caller, name) not in graph.calls:
                yield f"{caller} does not call {name}"
            if how:
                if (caller, "__indirect_call") not in graph.calls:
                    yield f"{caller} calls nothing by a pointer"
                if not is_set(file, how, name):
                    yield f"{name} is not {how}"
        above.append(name)


def returns(steps):
    """How often a walk comes back to a folder that it has left."""
    count, left, here = 0, set(), None
    for _, _, file, _ in steps:
        folder = os.path.dirname(file)
        if folder != here:
            left.add(here)
            here = folder
            count += folder in left
    return count


def main():
    gcc = shutil.which("gcc")
    if not gcc:
        print("skipped: no gcc, whose call graph this reads")
        return 77
    found, bad = walks(), 0
    graph = Graph(sys.argv[1], gcc)
    files = {file for steps in found.values() for _, _, file, _ in steps}
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted(files):
            if file.endswith(".c"):
                graph.add(file, folder)
    for title in sorted(WALKS - set(found)):
        print(f"{TEXT}: the walk of {title} is missing")
        bad += 1
    for title, steps in found.items():
        wrong = list(check(steps, graph))
        turns = returns(steps)
        if turns > RETURNS_MAX.get(title, turns):
            wrong.append(f"it comes back to a folder {turns} times")
        print(f"{title}: {len(steps)} functions, "
              f"{len({os.path.dirname(s[2]) for s in steps})} folders, "
              f"{turns} returns")
        for line in wrong:
            print(f"  {line}")
        bad += len(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
