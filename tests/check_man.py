#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold the synopses of man/*.3 against the public headers.

usage: check_man.py [MAN [INCLUDE]]

Every function has a page. A page shows what a header declares, word by word:
prototypes with the names of their parameters, and structs with their members in
order. The header that a page includes declares everything that the page
shows, itself or through its includes. Every struct is shown by a page, and
every constant is named by one: whole, or by its end beside another one that
begins alike and is whole, as _UTC beside PARACLOCK_TIMESCALE_TAI. Where a page
lists the backends it lists all of them, each has a page, and paraclock(7) leads
to every page.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def words_of(text):
    return re.findall(r"\w+|[^\w\s]", text)


def statements(text):
    """The text between semicolons, outside of braces."""
    depth = start = 0
    for at, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if char == ";" and depth == 0:
            yield text[start:at]
            start = at + 1
    if text[start:].strip():
        yield text[start:]


def members(body):
    """The members of a struct, one by one."""
    for member in statements(body):
        words = words_of(member)
        if "(" in words or "," not in words:
            yield " ".join(words)
            continue
        first, *others = " ".join(words).split(" , ")
        kind = first.rsplit(" ", 1)[0].rstrip("* ")
        yield first
        for other in others:
            yield f"{kind} {other}"


def declarations(text):
    """Name to declaration: a string, or a list of a struct's members."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = text.replace("PARACLOCK_API", " ")
    found = {}
    for statement in statements(text):
        struct = re.fullmatch(r"\s*struct (\w+)\s*\{(.*)\}\s*", statement,
                              re.S)
        if struct:
            found["struct " + struct[1]] = list(members(struct[2]))
            continue
        name = re.search(r"(\w+)\s*\(", statement)
        if name and name[1].startswith("paraclock_"):
            found[name[1]] = " ".join(words_of(statement))
    return found


def without_bodies(text):
    """Inline functions become prototypes."""
    while True:
        found = re.search(r"^static inline ([^;{]*)\{", text, re.M)
        if not found:
            return text
        end = text.index("\n}\n", found.end()) + 3
        text = text[:found.start()] + found[1] + ";\n" + text[end:]


def without_directives(text):
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r'extern "C" \{|^\}$', "", text, flags=re.M)
    return re.sub(r"^\s*#.*$", "", text, flags=re.M)


def constants(text):
    """Values of enums, and macros with a value."""
    return [name for name in re.findall(
        r"^(?:\t|#define )(PARACLOCK_\w+)\b", text, re.M)
            if not name.endswith("_H") and name != "PARACLOCK_API"]


class Headers:
    def __init__(self, folder):
        self.own, self.includes, self.named = {}, {}, set()
        self.constants = []
        for path in sorted(folder.glob("*.h")):
            text = path.read_text()
            self.own[path.name] = declarations(without_directives(
                without_bodies(text)))
            self.constants += constants(re.sub(r"/\*.*?\*/", " ", text,
                                               flags=re.S))
            self.includes[path.name] = re.findall(
                r"#include <paraclock/([\w.]+)>", text)
            self.named |= set(re.findall(r"\b(paraclock_\w+)", re.sub(
                r"/\*.*?\*/", " ", text, flags=re.S)))

    def seen_by(self, name, seen=None):
        """Everything that is declared to a file that includes that header."""
        seen = set() if seen is None else seen
        if name in seen or name not in self.own:
            return {}
        seen.add(name)
        found = dict(self.own[name])
        for other in self.includes[name]:
            found.update(self.seen_by(other, seen))
        return found

    def all(self):
        return {name: what for own in self.own.values()
                for name, what in own.items()}


def macro_words(line):
    """The arguments of a macro: in quotes, or up to a space."""
    return [quoted or bare
            for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', line)]


def section(page, title):
    found = re.search(rf"^\.SH {title}\n(.*?)(?=^\.SH )", page, re.M | re.S)
    return found[1] if found else ""


def unmarked(text):
    """A synopsis as C."""
    lines = []
    for line in re.sub(r"\\\n", "", text).splitlines():
        if line.startswith((".BI ", ".BR ", ".IB ")):
            line = "".join(macro_words(line[4:]))
        elif line.startswith((".B ", ".I ")):
            line = " ".join(macro_words(line[3:]))
        elif line.startswith("."):
            line = ""
        lines.append(line.replace(r"\-", "-").replace(r"\&", ""))
    text = "\n".join(lines)
    return re.sub(r"^Link with$.*", "", text, flags=re.M | re.S)


def differences(want, got):
    """The differences between a page and the header."""
    if isinstance(want, str) or isinstance(got, str):
        if want != got:
            yield f"is '{got}', in the header '{want}'"
        return
    for i in range(max(len(want), len(got))):
        in_page = got[i] if i < len(got) else "nothing"
        in_header = want[i] if i < len(want) else "nothing"
        if in_page != in_header:
            yield f"member {i + 1}: '{in_page}', in the header '{in_header}'"
            return


def check_page(path, headers):
    """Yield each fault of a page that is no link; return what it shows."""
    page = path.read_text()
    synopsis = unmarked(section(page, "SYNOPSIS"))
    includes = re.findall(r"#include <paraclock/([\w.]+)>", synopsis)
    shown = declarations(without_directives(synopsis))
    visible = {}
    for name in includes:
        if name not in headers.own:
            yield f"includes <paraclock/{name}>, which does not exist"
        visible.update(headers.seen_by(name))
    if not shown:
        yield "its synopsis declares nothing"
    for name, got in shown.items():
        if name not in headers.all():
            yield f"{name}: no header declares it"
        elif name not in visible:
            yield f"{name}: {', '.join(includes)} does not declare it"
        else:
            for fault in differences(visible[name], got):
                yield f"{name}: {fault}"
    names = section(page, "NAME").split(r"\-")[0]
    for name in re.findall(r"paraclock_\w+", names):
        if name not in headers.named and name != path.stem:
            yield f"{name}: its name section names a page that does not exist"
    return shown


def names_of(page, known):
    """The constants that a page names."""
    words = set(re.findall(r"\w+", page.replace("\\-", "-")))
    whole = {name for name in known if name in words}
    found = set(whole)
    # "PARACLOCK_SIM_HAS_x" announces ends.
    beginnings = {word for word in words if word.endswith("_")}
    beginnings |= {"_".join(name.split("_")[:n]) + "_"
                   for name in whole for n in range(2, name.count("_") + 1)}
    for name in set(known) - whole:
        ends = {name[len(start):] for start in beginnings
                if name.startswith(start)}
        if words & (ends | {"_" + end for end in ends}):
            found.add(name)
    return found


def check_constants(man, headers):
    named = set()
    for path in man.glob("*.[1-8]"):
        named |= names_of(path.read_text(), headers.constants)
    for name in headers.constants:
        if name not in named:
            yield f"{name}: no page names it"
    if len(headers.constants) < 100:
        yield f"only {len(headers.constants)} constants"


def backends():
    """The names that users type."""
    for path in (ROOT / "backends").glob("*/*.c"):
        yield from re.findall(
            r"const struct paraclock_backend \w+ = \{[^}]*?\.name = \"([^\"]+)\"",
            path.read_text())


def check_backends(man):
    names = set(backends())
    for page in ("paraclock_open.3", "paraclock.1"):
        bold = set(re.findall(r"^\.BR? (\S+)", (man / page).read_text(), re.M))
        for name in names:
            if name.replace("-", "\\-") not in bold:
                yield f"{page}: does not name the backend {name}"
    for name in names:
        if not (man / f"paraclock-{name}.7").exists():
            yield f"paraclock-{name}.7: no such page"
    if len(names) < 5:
        yield f"only {len(names)} backends"


def check_references(man):
    """What a page refers to exists, and paraclock(7) leads to every page."""
    names = {}
    for path in man.glob("*.[1-8]"):
        names[path.name] = {f"{name}.{section}" for name, section in re.findall(
            r"\b(paraclock[\w-]*)\"? \((\d)\)",
            path.read_text().replace("\\-", "-"))}
        for name in names[path.name]:
            if not (man / name).exists():
                yield f"{path.name}: refers to {name}, which does not exist"
    led = {(man / name).resolve().name for name in names["paraclock.7"]}
    for path in man.glob("*.[1-8]"):
        if not path.is_symlink() and path.name not in led | {"paraclock.7"}:
            yield f"paraclock.7: does not lead to {path.name}"


def check_link(path):
    """Several names of one page are symbolic links to it: 'man -l' follows
    them from any folder, but no '.so'."""
    if path.is_symlink() and (path.readlink().parent != pathlib.Path(".") or
                              not path.is_file()):
        yield f"{path.name}: a link to {path.readlink()}, which is no page"
    elif re.search(r"^\.so\b", path.read_text(), re.M):
        yield f"{path.name}: a .so, which man -l cannot follow"


def check(man, include):
    """Yield each fault."""
    headers = Headers(include)
    shown = {}
    links = {}
    for path in sorted(man.iterdir()):
        yield from check_link(path)
    for path in sorted(man.glob("*.3")):
        if path.is_symlink():
            links[path] = str(path.readlink())
            continue
        page = check_page(path, headers)
        try:
            while True:
                yield f"{path.name}: {next(page)}"
        except StopIteration as end:
            shown[path.name] = end.value
    for path, to in links.items():
        if to not in shown:
            yield f"{path.name}: a link to {to}, which is no page"
        elif not {path.stem, "struct " + path.stem} & set(shown[to]):
            yield f"{path.name}: {to} does not show it"
    for name, what in headers.all().items():
        if isinstance(what, str) and what.startswith("typedef"):
            continue
        stem = name.removeprefix("struct ")
        page = links.get(man / f"{stem}.3", f"{stem}.3")
        if name not in shown.get(page, {}):
            yield f"{name}: no page {stem}.3 shows it"
    yield from check_constants(man, headers)
    yield from check_backends(man)
    yield from check_references(man)
    if len(shown) < 10 or len(headers.all()) < 50:
        yield f"only {len(shown)} pages and {len(headers.all())} declarations"


def main():
    man = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "man"
    include = (pathlib.Path(sys.argv[2]) if len(sys.argv) > 2
               else ROOT / "include/paraclock")
    faults = list(check(man, include))
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
