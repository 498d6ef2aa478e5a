# SPDX-License-Identifier: MIT
"""The enums, flags and functions of the public headers."""

import re
from pathlib import Path


def text_of(folder: Path) -> str:
    """All headers, without their comments."""
    text = "".join(path.read_text(encoding="utf-8")
                   for path in sorted(folder.glob("*.h")))
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def enums(folder: Path) -> dict[str, dict[str, int]]:
    """By the name of the enum, without paraclock_."""
    found = {}
    for name, body in re.findall(r"^enum paraclock_(\w+) \{(.*?)^\};",
                                 text_of(folder), re.S | re.M):
        values = re.findall(r"(PARACLOCK_\w+)\s*=\s*(\w+)", body)
        assert len(values) == len([v for v in body.split(",") if v.strip()])
        found[name] = {key: int(value, 0) for key, value in values}
    return found


def flags(folder: Path) -> dict[str, int]:
    """Constants of one bit or more that are not enums."""
    return {name: int(value, 16) for name, value in
            re.findall(r"^#define (PARACLOCK_\w+)\s+(0x[0-9a-f]+)U$",
                       text_of(folder), re.M)}


def functions(folder: Path) -> set[str]:
    """The names of the public functions."""
    return set(re.findall(
        r"PARACLOCK_API[^;(]*?\b(paraclock_\w+)\(", text_of(folder)))
