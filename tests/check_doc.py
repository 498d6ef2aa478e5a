#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The reference in HTML: no warning, everything in it, no broken link.

usage: check_doc.py BUILD_DIRECTORY

Doxygen fails on a declaration without a comment, except for a value of an enum;
those are looked for here.
"""
import html.parser
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import check_man

ROOT = pathlib.Path(__file__).resolve().parents[1]
INCLUDE = ROOT / "include/paraclock"


class Links(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.to, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.to.append(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def run_doxygen(build, to):
    settings = (build / "doc/Doxyfile").read_text() + f'''
OUTPUT_DIRECTORY = "{to}"
'''
    return subprocess.run(["doxygen", "-"], input=settings, text=True,
                          cwd=build, capture_output=True, check=False)


def broken_links(pages):
    """Yield each link that leads nowhere in the folder."""
    for name, page in pages.items():
        for link in page.to:
            if re.match(r"\w+:", link):
                continue
            file, _, anchor = link.partition("#")
            file = file or name
            if not (pages.folder / file).exists():
                yield f"{name}: a link to {link}, which does not exist"
            elif anchor and file in pages and \
                    anchor not in pages[file].anchors:
                yield f"{name}: a link to {link}, which has no such anchor"


class Pages(dict):
    def __init__(self, folder):
        self.folder = folder
        super().__init__((path.name, Links(path.read_text()))
                         for path in folder.glob("*.html"))


def functions():
    """Every function that a public header declares."""
    for name, what in check_man.Headers(INCLUDE).all().items():
        if isinstance(what, str) and not what.startswith("typedef"):
            yield name


def bare_values():
    """Yield each enum value and macro that no comment stands before."""
    for path in sorted(INCLUDE.glob("*.h")):
        before = ""
        for number, line in enumerate(path.read_text().splitlines(), 1):
            value = re.match(r"(?:\t|#define )(PARACLOCK_\w+)\b", line)
            if value and not value[1].endswith("_H") and \
                    not before.endswith("*/"):
                yield f"{path.name}:{number}: {value[1]} has no comment"
            before = line


def silent_functions():
    """Yield what the comment of a function does not say."""
    for path in sorted(INCLUDE.glob("*.h")):
        parts = re.split(r"/\*\*(.*?)\*/", path.read_text(), flags=re.S)
        for comment, code in zip(parts[1::2], parts[2::2]):
            name = re.match(r"\s*(?:PARACLOCK_API|static inline)\b[^;{]*?"
                            r"\b(paraclock_\w+)\s*\(", code)
            comment = re.sub(r"\n \* ?", " ", comment).lower()
            for word in ("threads:", "async-signal-safe", "@since"):
                if name and word not in comment:
                    yield f"{name[1]}: its comment does not say {word}"


def faults(html_folder):
    pages = Pages(html_folder)
    yield from broken_links(pages)
    groups = "".join(path.read_text()
                     for path in html_folder.glob("group__*.html"))
    names = sorted(set(functions()))
    for name in names:
        if f">{name}()</h2>" not in re.sub(r"<span.*?</span>", "", groups):
            yield f"{name}: no group has it"
    main = (html_folder / "index.html").read_text()
    for group in re.findall(r"@addtogroup (\w+)", "".join(
            path.read_text() for path in INCLUDE.glob("*.h"))):
        page = "group__" + group.replace("_", "__") + ".html"
        if page not in main and group not in ("sim_vm", "sim_act"):
            yield f"the main page does not lead to the group {group}"
    for path in (ROOT / "examples").rglob("*.c"):
        if path.name not in (html_folder / "examples.html").read_text():
            yield f"examples/{path.name} is not among the examples"
    yield from bare_values()
    yield from silent_functions()
    if len(pages) < 50 or len(names) < 100:
        yield f"only {len(pages)} pages and {len(names)} functions"


def main():
    if not shutil.which("doxygen"):
        print("skipped: doxygen is not installed")
        return 77
    build = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as to:
        result = run_doxygen(build, to)
        if result.returncode:
            print(result.stderr or result.stdout)
            return 1
        found = list(faults(pathlib.Path(to) / "html"))
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
