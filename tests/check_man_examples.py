#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compile the examples of man/*.3.

usage: check_man_examples.py [INCLUDE [MAN]]

INCLUDE holds the folder paraclock; by default it is that of the tree. An
example is statements, functions before them, or both. It may use what
man_examples.h declares: the variables and functions of the reader's program.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused"]


def text_of(line):
    return line.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")


def blocks(page):
    """The examples of a page: the number of the first line, and the lines."""
    inside, found = False, None
    for number, line in enumerate(page.splitlines(), 1):
        if line.startswith(".SH"):
            inside = line == ".SH EXAMPLES"
        elif inside and line == ".nf":
            found = (number + 1, [])
        elif found and line == ".fi":
            yield found
            found = None
        elif found:
            found[1].append("" if line == ".PP" else text_of(line))


def split(lines):
    """Functions with what stands before them, and the statements after."""
    last = 0
    for number, line in enumerate(lines, 1):
        if line == "}" and re.search(r"^\w[\w *]*\([^;]*\)\n\{$",
                                     "\n".join(lines[last:number]), re.M):
            last = number
    return lines[:last], lines[last:]


def program(name, number, lines):
    before, statements = split(lines)
    return "\n".join([
        '#include "man_examples.h"', f'#line {number} "{name}"', *before,
        f"int example_{number}(void);", f"int example_{number}(void)", "{",
        f'#line {number + len(before)} "{name}"', *statements, "return 0;",
        "}", ""])


def compile_one(source, include, to):
    to.write_text(source)
    return subprocess.run(
        ["cc", "-std=c11", "-D_DEFAULT_SOURCE", *WARNINGS, f"-I{include}",
         f"-I{HERE}", "-fsyntax-only", to],
        capture_output=True, text=True, check=False)


def main():
    include = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                           else HERE.parent / "include")
    man = pathlib.Path(sys.argv[2] if len(sys.argv) > 2
                       else HERE.parent / "man")
    count = bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(man.glob("*.3")):
            if path.is_symlink():
                continue
            for number, lines in blocks(path.read_text()):
                result = compile_one(program(path.name, number, lines),
                                     include, pathlib.Path(folder) / "a.c")
                count += 1
                if result.returncode:
                    bad += 1
                    print(result.stderr)
    print(f"{count} examples, {bad} do not compile")
    return 1 if bad or count < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
