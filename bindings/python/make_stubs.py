#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the stubs of the extension modules, from what cffi is told.

usage: make_stubs.py [--check]      (--check: compare only, exit 1 if they differ)
"""

import sys
from pathlib import Path

from cffi import FFI, model

HERE = Path(__file__).resolve().parent
PACKAGE = HERE / "src" / "paraclock"

HEADER = '''\
# SPDX-License-Identifier: MIT
# Written by make_stubs.py, which a test repeats. Do not edit.

from typing import Any{more}

{ffi}
class _Lib:
'''

FFI_CLASS = '''
class _FFI:
    NULL: Any

    def new(self, cdecl: Any, init: Any = ...) -> Any: ...
    def new_handle(self, x: object) -> Any: ...
    def from_buffer(self, cdecl: Any, x: Any) -> Any: ...
    def from_handle(self, x: Any) -> Any: ...
    def gc(self, cdata: Any, destructor: Callable[[Any], object]) -> Any: ...
    def addressof(self, cdata: Any) -> Any: ...
    def cast(self, cdecl: Any, x: Any) -> Any: ...
    def memmove(self, dest: Any, src: Any, n: int) -> None: ...
    def sizeof(self, cdecl: Any) -> int: ...
    def typeof(self, cdecl: Any) -> Any: ...
    def string(self, cdata: Any, maxlen: int = ...) -> bytes: ...
    def buffer(self, cdata: Any, size: int = ...) -> Any: ...
    def def_extern(self, name: str = ..., error: Any = ...,
                   onerror: Any = ...) -> Callable[[_F], _F]: ...

'''


def python_type(ctype: object) -> str:
    if isinstance(ctype, model.VoidType):
        return "None"
    if isinstance(ctype, model.BasePrimitiveType):
        return "int"
    return "Any"


def stub(name: str, params: tuple[object, ...], result: object) -> str:
    args = "".join(f", a{i}: {python_type(param)}"
                   for i, param in enumerate(params))
    text = f"    def {name}(self{args}, /) -> {python_type(result)}: ...\n"
    if len(text) > 81:
        lines = [f"    def {name}("]
        lines += [f"        self{args}, /"]
        lines += [f"    ) -> {python_type(result)}: ..."]
        text = "\n".join(lines) + "\n"
    return text


def functions(cdef: str, included: str = "") -> str:
    ffi = FFI()
    ffi.cdef(included)
    before = set(ffi._parser._declarations)
    ffi.cdef(cdef)
    declared = ffi._parser._declarations
    out = ""
    for key in sorted(set(declared) - before):
        kind, _, name = key.partition(" ")
        if kind == "function":
            ctype = declared[key][0]
            out += stub(name, ctype.args, ctype.result)
    return out


def stubs() -> dict[Path, str]:
    core = (HERE / "native" / "core.cdef").read_text(encoding="utf-8")
    sim = (HERE / "native" / "sim.cdef").read_text(encoding="utf-8")
    more = ", Callable, TypeVar"
    ffi = '_F = TypeVar("_F", bound=Callable[..., object])\n\n' + FFI_CLASS
    tail = "\n\nffi: _FFI\nlib: _Lib\n"
    return {
        PACKAGE / "_native.pyi":
            HEADER.format(more=more, ffi=ffi) + functions(core) + tail,
        PACKAGE / "_sim.pyi":
            HEADER.format(more="", ffi="from paraclock._native import _FFI\n\n")
            + functions(sim, core) + tail,
    }


def main() -> int:
    bad = 0
    for path, text in stubs().items():
        if sys.argv[1:] != ["--check"]:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            print(f"{path.name} is not what make_stubs.py writes")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
