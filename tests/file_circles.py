#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: file_circles.py BUILD

Files whose functions call each other in a circle, by the names that their
objects in BUILD define and need. None is allowed outside of sim/world, where
hosts and VMs are one thing in several files."""
import collections
import glob
import subprocess
import sys

FREE = "world/"
OBJECTS = {
    "lib": ["CMakeFiles/paraclock_objects.dir",
            "CMakeFiles/paraclock_host_objects.dir"],
    "core": ["CMakeFiles/paraclock_core.dir",
             "CMakeFiles/paraclock_host_core.dir"],
    "sim": ["sim/CMakeFiles/paraclock_sim_objects.dir"],
    "tools": ["tools/CMakeFiles/paraclock_tool.dir"],
}


def symbols(path):
    """The global names that an object defines, and those that it needs."""
    defined, needed = set(), set()
    out = subprocess.run(["nm", "-g", path], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    for line in out.splitlines():
        kind, name = line.split()[-2:]
        (needed if kind == "U" else defined).add(name)
    return defined, needed


def arrows(build, folders):
    """File -> the files that it calls."""
    owner, needs = {}, {}
    for folder in folders:
        base = f"{build}/{folder}/"
        for path in glob.glob(base + "**/*.o", recursive=True):
            file = path[len(base):-2]
            defined, needs[file] = symbols(path)
            owner.update(dict.fromkeys(defined, file))
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
