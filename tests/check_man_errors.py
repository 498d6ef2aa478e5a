#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold the errors in man/*.3 against those in the public headers.

usage: check_man_errors.py

A page names each error that the comments of its functions name, and no other.
A header lists errors that functions share once, after "@par Errors of TITLE";
who writes "errors of TITLE" has these. A page has those of another one by
"errors of" and that page's name. "Any other error of the env" counts as an
error as well.
"""
import pathlib
import re
import sys

import check_man

INCLUDE = check_man.ROOT / "include/paraclock"
ENV = re.compile(r"errors? (that|of) (the|an) env\b|env\b[^.]* of the caller's "
                 r"own( may| that)? return|error of the env's")


def one_line(text):
    return " ".join(text.split())


class Text:
    """What a piece of prose says of errors."""

    def __init__(self, text):
        self.prose = one_line(text)
        self.errors = set(re.findall(r"(?<!\w)-(E[A-Z][A-Z0-9]+)\b",
                                     self.prose))
        if ENV.search(self.prose):
            self.errors.add("an error of the env")


# --- headers -----------------------------------------------------------------


class Headers:
    def __init__(self):
        self.shared, self.functions = {}, {}
        for path in sorted(INCLUDE.glob("*.h")):
            self.add(path.read_text())

    def add(self, header):
        parts = re.split(r"/\*\*(.*?)\*/", header, flags=re.S)
        for comment, code in zip(parts[1::2], parts[2::2]):
            comment = re.sub(r"^ \* ?", "", comment, flags=re.M)
            if "@file" in comment:
                self.shared.update(re.findall(
                    r"@par Errors of ([^\n]*)\n(.*?)(?=@par|\Z)", comment,
                    re.S))
            names = re.match(r"\s*(?:PARACLOCK_API|static inline)\b[^;{]*?"
                             r"\b(paraclock_\w+)\s*\(", code)
            if names:
                self.functions[names[1]] = "\n".join(re.findall(
                    r"(@ret(?:val|urn)\b.*?)(?=\n@|\n\n|\Z)", comment, re.S))

    def errors(self, text, seen=()):
        said = Text(text)
        for title, shared in self.shared.items():
            if title in seen:
                continue
            called = re.search(rf"errors? of {re.escape(title)}\b", said.prose)
            # "... which are listed at the top: -EINVAL or -EPERM."
            some = re.search(rf"errors of {re.escape(title)}, which [^.:]*"
                             r"at (the|its) top: -E", said.prose)
            if called and not some:
                said.errors |= self.errors(shared, (*seen, title))
        return said.errors


# --- pages -------------------------------------------------------------------


def plain(text):
    """The text of a page, without its macros."""
    text = re.sub(r"^\.(TP|PP|TQ|nf|fi|RS|RE|IP|SH|SS).*$", "", text,
                  flags=re.M)
    lines = []
    for line in text.replace("\\-", "-").replace("\\&", "").splitlines():
        macro = re.match(r"\.([BIR]{1,2}) (.*)", line)
        if macro:
            line = ("" if len(macro[1]) > 1 else " ").join(
                check_man.macro_words(macro[2]))
        lines.append(re.sub(r"\\f.", "", line))
    return "\n".join(lines)


class Pages:
    def __init__(self, man):
        self.text, self.links = {}, {}
        for path in man.glob("*.3"):
            if path.is_symlink():
                self.links[path.stem] = path.readlink().stem
            else:
                self.text[path.stem] = plain(
                    check_man.section(path.read_text(), "ERRORS") +
                    check_man.section(path.read_text(), "RETURN VALUE"))

    def page_of(self, name):
        return self.links.get(name, name)

    def errors(self, name, seen=()):
        said = Text(self.text[name])
        for reference in re.findall(r"errors? of\b([^.]*)", said.prose):
            for other in re.findall(r"(paraclock_\w+) ?\(3\)", reference):
                other = self.page_of(other)
                if other in self.text and other not in (*seen, name):
                    said.errors |= self.errors(other, (*seen, name))
        return said.errors


def check():
    headers, pages = Headers(), Pages(check_man.ROOT / "man")
    count = 0
    for name in sorted(pages.text):
        by = {function: headers.errors(text)
              for function, text in headers.functions.items()
              if pages.page_of(function) == name}
        in_header = set().union(*by.values())
        in_page = pages.errors(name)
        count += len(in_header)
        for error in sorted(in_header - in_page):
            who = ", ".join(f for f in by if error in by[f])
            yield f"{name}.3 lacks {error}, which a header names for {who}"
        for error in sorted(in_page - in_header):
            yield f"{name}.3 names {error}, which no header does"
    if count < 100:
        yield f"only {count} errors"


def main():
    faults = list(check())
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
