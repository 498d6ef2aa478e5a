#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold every place that states the version against CMakeLists.txt's.

usage: check_version.py BUILD [TOOL]
       check_version.py --write

The version is project(VERSION) in CMakeLists.txt. What is built gets it from
there; BUILD and TOOL are checked for it. Manual pages, documents and examples
repeat it: --write puts the current one into them, for a release.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
VERSION = re.search(r"^project\(paraclock VERSION ([\d.]+)",
                    (ROOT / "CMakeLists.txt").read_text(), re.M)[1]
SERIES = VERSION.rpartition(".")[0]
# Files, what stands around the version there, and how much of it there is.
REPEATED = (
    ("man/*.[1-8]", r'(?m)^(\.TH .*"paraclock )([\d.]+)(?=")', VERSION),
    ("NEWS", r"(\ASPDX.*\n\n)([\d.]+)", VERSION),
    ("README.md", r"(find_package\(paraclock )([\d.]+)", SERIES),
    ("docs/**/*.md", r"(find_package\(paraclock )([\d.]+)", SERIES),
    ("examples/CMakeLists.txt", r"(find_package\(paraclock )([\d.]+)", SERIES),
    ("tests/consumer/CMakeLists.txt", r"(find_package\(paraclock )([\d.]+)",
     SERIES),
)


def places():
    """Path, expression and version of each file that repeats it."""
    for pattern, expression, version in REPEATED:
        paths = [path for path in sorted(ROOT.glob(pattern))
                 if not path.is_symlink()]
        if not paths:
            sys.exit(f"{pattern}: no such file")
        for path in paths:
            yield path, expression, version


def repeated():
    for path, expression, version in places():
        found = re.findall(expression, path.read_text())
        if not found and path.parent.name == "man":
            yield f"{path.relative_to(ROOT)}: no version in its .TH"
        if not found and path.name == "NEWS":
            yield "NEWS: its first heading is no version"
        for _, got in found:
            if got != version:
                yield f"{path.relative_to(ROOT)}: {got}"


def built(build, tool):
    for path in [*build.glob("*.pc"), *build.glob("sim/*.pc")]:
        got = re.search(r"^Version: (.*)$", path.read_text(), re.M)[1]
        if got != VERSION:
            yield f"{path}: {got}"
    config = (build / "paraclockConfigVersion.cmake").read_text()
    if f'set(PACKAGE_VERSION "{VERSION}")' not in config:
        yield "paraclockConfigVersion.cmake: another version"
    if not (build / f"libparaclock.so.{VERSION}").exists():
        yield f"no libparaclock.so.{VERSION}"
    if tool:
        got = subprocess.run([tool, "--version"], text=True, check=True,
                             stdout=subprocess.PIPE).stdout.strip()
        if got != f"paraclock {VERSION}":
            yield f"paraclock --version: {got}"


def python():
    """The package has pkg-config's version, and no second one."""
    folder = ROOT / "bindings" / "python"
    setup = (folder / "setup.py").read_text()
    if not re.search(r'pkg_config\("paraclock", "--modversion"\)', setup):
        yield "bindings/python/setup.py does not ask pkg-config"
    if re.search(r'^version\s*=', (folder / "pyproject.toml").read_text(),
                 re.M):
        yield "bindings/python/pyproject.toml has a version"


def write():
    for path, expression, version in places():
        old = path.read_text()
        new = re.sub(expression, rf"\g<1>{version}", old)
        if new != old:
            path.write_text(new)
            print(path.relative_to(ROOT))


def main():
    if sys.argv[1:] == ["--write"]:
        write()
        return
    tool = sys.argv[2] if len(sys.argv) > 2 else None
    faults = [*repeated(), *built(pathlib.Path(sys.argv[1]), tool), *python()]
    if faults:
        sys.exit("\n".join([f"CMakeLists.txt has {VERSION}; for a release see --write:", *faults]))
    print(f"{VERSION} everywhere")


main()
