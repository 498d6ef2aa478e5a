#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: file_circles.py BUILD

Files whose functions call each other in a circle, by the names that their
objects in BUILD define and need. None is allowed outside of sim/world, where
hosts and VMs are one thing in several files."""
import collections
import json
import os
import shlex
import subprocess
import sys

FREE = "world/"
OBJECTS = {
    "lib": ("CMakeFiles/paraclock_objects.dir/",
            "CMakeFiles/paraclock_host_objects.dir/"),
    "core": ("CMakeFiles/paraclock_core.dir/",
             "CMakeFiles/paraclock_host_core.dir/"),
    "sim": ("sim/CMakeFiles/paraclock_sim_objects.dir/",),
    "tools": ("tools/CMakeFiles/paraclock_tool.dir/",
              "tools/CMakeFiles/paraclock_service.dir/"),
}


def objects(build):
    """Every object that BUILD makes now; an older build's are not named."""
    with open(f"{build}/compile_commands.json", encoding="utf-8") as database:
        for entry in json.load(database):
            words = shlex.split(entry["command"])
            yield os.path.relpath(
                os.path.join(entry["directory"], words[words.index("-o") + 1]),
                build)


def arrows(build, folders):
    """File -> the files that it calls."""
    files = {path: path[len(folder):-len(".o")]
             for path in objects(build) for folder in folders
             if path.startswith(folder)}
    if not files:
        return {}
    out = subprocess.run(["nm", "-gA", *files], check=True, text=True,
                         cwd=build, stdout=subprocess.PIPE).stdout
    owner, needs = {}, {file: set() for file in files.values()}
    for line in out.splitlines():
        path, symbol = line.split(":", 1)
        kind, name = symbol.split()[-2:]
        if kind == "U":
            needs[files[path]].add(name)
        else:
            owner[name] = files[path]
    return {file: {owner[n] for n in names if n in owner} - {file}
            for file, names in needs.items()}


def circles(graph):
    """The strongly connected components of more than one file."""
    reach = {}
    for start in graph:
        seen, todo = set(), collections.deque(graph[start])
        while todo:
            file = todo.popleft()
            if file not in seen:
                seen.add(file)
                todo.extend(graph[file])
        reach[start] = seen
    found = set()
    for file, seen in reach.items():
        if file in seen:
            found.add(frozenset(f for f in seen if file in reach[f]))
    return found


def main():
    bad = 0
    for name, folders in OBJECTS.items():
        graph = arrows(sys.argv[1], folders)
        if not graph and name in ("lib", "core"):
            sys.exit(f"{sys.argv[1]} has no objects of {name}")
        for circle in circles(graph):
            if all(file.startswith(FREE) for file in circle):
                continue
            print("these files call each other:", " ".join(sorted(circle)))
            bad = 1
        print(f"{name}: {len(graph)} files, "
              f"{sum(map(len, graph.values()))} arrows")
    return bad


if __name__ == "__main__":
    sys.exit(main())
