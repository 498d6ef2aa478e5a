#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold the completions of bash, zsh and fish against the tool's --help.

usage: check_completions.py TOOL

Each shell offers the commands that the tool has, the options of each command,
and the same values; and nothing else. The shells themselves are asked. Exit
status 77: one of them is not installed; what could be compared agrees.
"""
import json
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "completions"
FILES = {"bash": "paraclock", "zsh": "_paraclock", "fish": "paraclock.fish"}
# Options and arguments with a fixed list of values, and a command that has it.
VALUES = {"--backend": "read", "--timescale": "read", "--from": "serve",
          "--on-disruption": "keep", "--otherwise": "keep",
          "--format": "export", "": "decode"}
faults = []


def run(*command, **more):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          timeout=600, check=False, **more).stdout


def options_in_help(text):
    found = set()
    for short, name in re.findall(r"^(?:  (-\w), |      )(--[a-z-]+)", text,
                                  re.M):
        found |= {name, short} - {""}
    return found


def from_tool(tool):
    """Command to its options; "" has those that stand before a command."""
    text = run(tool, "--help")
    block = text.split("Commands:\n")[1].split("\n\n")[0]
    names = re.findall(r"^  (\w+) ", block, re.M)
    found = {name: options_in_help(run(tool, name, "--help"))
             for name in names}
    found[""] = options_in_help(text)
    return found


def bash(names):
    script = [f". {FOLDER / FILES['bash']}", r"""
        ask() { COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
            _paraclock 2>/dev/null; printf '%s\n' "${COMPREPLY[@]}"; }"""]
    for name in names:
        words = f"{name} -" if name else "-"
        script += [f"echo '== {name}'", f"ask paraclock {words}"]
    script += ["echo '== commands'", "ask paraclock ''"]
    for option, name in VALUES.items():
        script += [f"echo '== values {option}'",
                   f"ask paraclock {name} {option} ''"]
    return run("bash", "-c", "\n".join(script))


def zsh(names):
    # The functions of zsh's completion print what they are given.
    script = ["""
        _arguments() { print -rl -- "$@"; }
        _describe() { print -rl -- "${(@P)@[-1]%%:*}"; }
        words=(paraclock help ''); CURRENT=3"""]
    script += [f"source {FOLDER / FILES['zsh']} >/dev/null"]
    for name in names:
        words, at = (f"{name} -", 3) if name else ("-", 2)
        script += [f"print '== {name}'", f"words=(paraclock {words})",
                   f"CURRENT={at}", "_paraclock"]
    script += ["print '== commands'", "_paraclock_commands"]
    return run("zsh", "-f", "-c", "\n".join(script))


def fish(names):
    script = [f"source {FOLDER / FILES['fish']}"]
    for name in names:
        script += [f"echo '== {name}'",
                   f"complete -C 'paraclock {name} -'"]
    script += ["echo '== commands'", "complete -C 'paraclock '"]
    for option, name in VALUES.items():
        words = f"{name} {option}=" if option else f"{name} "
        script += [f"echo '== values {option}'",
                   f"complete -C 'paraclock {words}'"]
    return run("fish", "-N", "-c", "\n".join(script),
               stderr=subprocess.DEVNULL)


def answers(text):
    """What was printed after each '== title'."""
    found = {}
    for part in re.split(r"^== ?", text, flags=re.M)[1:]:
        title, _, lines = part.partition("\n")
        found[title] = lines.splitlines()
    return found


def word(shell, line):
    """The option, command or value that a shell's line offers."""
    if shell == "zsh" and not re.fullmatch(r"[a-z][a-z-]*", line):
        spec = re.match(r"(?:\([^)]*\))?(--?[a-z-]+|-\w)[+=]*\[", line)
        return spec[1] if spec else ""
    return line.split("\t")[0].rstrip("=")


def zsh_values(found):
    """They stand in the specifications."""
    for option, name in VALUES.items():
        for line in found[name]:
            if option and word("zsh", line) != option:
                continue
            listed = re.search(r":\(([^()]*)\)$|_values -s , \w+ (.*)$", line)
            if listed and (option or line.startswith(":kind")):
                found[f"values {option}"] = (listed[1] or listed[2]).split()


def compare(what, want, got):
    if want - got:
        faults.append(f"{what}: lacks {' '.join(sorted(want - got))}")
    if got - want:
        faults.append(f"{what}: has {' '.join(sorted(got - want))}, which the "
                      "tool has not")


def check_shell(shell, ask, wanted, values):
    found = answers(ask(wanted))
    if shell == "zsh":
        zsh_values(found)
    for name, options in wanted.items():
        got = {word(shell, line) for line in found.get(name, [])}
        compare(f"{shell}: paraclock {name}", options,
                {option for option in got if option.startswith("-")})
    compare(f"{shell}: commands", set(wanted) - {""} | {"help"},
            {word(shell, line) for line in found["commands"]
             if not line.startswith("-")})
    for option, name in VALUES.items():
        got = {word(shell, line).rpartition("=")[2]
               for line in found.get(f"values {option}", [])
               if not line.startswith("-") or "=" in line}
        compare(f"{shell}: {name} {option} VALUE",
                values.setdefault(option, got), got)


def check_text(shell, wanted):
    """All of the options, whichever the command: needs no shell."""
    text = (FOLDER / FILES[shell]).read_text()
    text = re.sub(r"^\s*(#|set -l).*$|\[[^\]\n]*\]", "", text, flags=re.M)
    pattern = r"-l ([a-z-]+)" if shell == "fish" else r"--([a-z][a-z-]+)"
    compare(f"completions/{FILES[shell]}",
            {option for options in wanted.values() for option in options
             if option.startswith("--")},
            {"--" + name for name in re.findall(pattern, text)})


def check_real_zsh():
    """Type a command into zsh, and a tab."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", PS1="ready> ")
        os.execvp("zsh", ["zsh", "-f", "-i"])
    seen, deadline = "", time.monotonic() + 300
    setup = (f"fpath=({FOLDER} $fpath); autoload -U compinit; "
             "compinit -u -D; echo set''up\n")
    os.write(fd, setup.encode())
    typed = False
    while "--fixed-size" not in seen and time.monotonic() < deadline:
        if not select.select([fd], [], [], 1)[0]:
            continue
        seen += os.read(fd, 4096).decode(errors="replace")
        if "setup" in seen and not typed:
            typed = True
            os.write(fd, b"paraclock read --fix\t")
    os.close(fd)
    os.waitpid(pid, 0)
    if "--fixed-size" not in seen:
        faults.append(f"zsh completes nothing: {seen!r}")


def main():
    tool = sys.argv[1]
    wanted, values, missing = from_tool(tool), {}, []
    values["--backend"] = {backend["name"] for backend in json.loads(
        run(tool, "status", "--json"))["backends"]}
    for shell, ask in (("bash", bash), ("zsh", zsh), ("fish", fish)):
        check_text(shell, wanted)
        if shutil.which(shell):
            check_shell(shell, ask, wanted, values)
        else:
            missing.append(shell)
    if "zsh" not in missing:
        check_real_zsh()
    if faults:
        sys.exit("\n".join(faults))
    if missing:
        print(f"skipped: {' and '.join(missing)} not installed")
        sys.exit(77)
    print(f"{len(wanted) - 1} commands agree in three shells")


# The shells keep files there.
with tempfile.TemporaryDirectory() as folder:
    os.environ["HOME"] = folder
    main()
