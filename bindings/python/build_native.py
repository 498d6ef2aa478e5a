# SPDX-License-Identifier: MIT
"""The extension modules, for cffi: paraclock._native and paraclock._sim.

setup.py lists those for which pkg-config finds the library.
"""

import os
import shlex
import subprocess
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
NATIVE = HERE / "native"

# A library in one of these needs no rpath, and a package must not have one.
SYSTEM_DIRS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")

MISSING = """\
{reason}
Building paraclock for Python needs the installed C library, {module}: install
the package libparaclock-dev; or, for a library that was installed below PREFIX,
set PKG_CONFIG_PATH to the folder that has {module}.pc, as in
    PKG_CONFIG_PATH=PREFIX/lib/pkgconfig pip install --no-build-isolation .
PKG_CONFIG_PATH is {path}.
"""


def command() -> list[str]:
    """pkg-config, perhaps with options."""
    return shlex.split(os.environ.get("PKG_CONFIG", "pkg-config"))


def pkg_config(module: str, *options: str) -> str:
    """What pkg-config says of a module; ends the build if it is missing."""
    program = command()
    try:
        done = subprocess.run([*program, *options, module],
                              capture_output=True, text=True, check=False)
        reason = done.stderr.strip()
    except OSError as error:
        done = None
        reason = f"{program[0]}: {error.strerror}"
    if done is None or done.returncode:
        path = os.environ.get("PKG_CONFIG_PATH")
        raise SystemExit(MISSING.format(
            reason=reason, module=module,
            path="not set" if path is None else repr(path)))
    return done.stdout.strip()


def have(module: str) -> bool:
    """Does pkg-config, which is here, find a module?"""
    return subprocess.run([*command(), "--exists", module],
                          check=False).returncode == 0


def is_system_dir(path: str) -> bool:
    """Does the dynamic loader look there by itself?"""
    folder = os.path.normpath(path)
    return (folder in SYSTEM_DIRS or
            os.path.dirname(folder) in ("/lib", "/usr/lib"))


def arguments(module: str) -> dict[str, list[str]]:
    """The compiler's and the linker's arguments for a module.

    A library outside of the loader's folders is found by an rpath, unless
    PARACLOCK_NO_RPATH is set, as it is where a package is made.
    """
    link = shlex.split(pkg_config(module, "--libs"))
    if not os.environ.get("PARACLOCK_NO_RPATH"):
        folder = pkg_config(module, "--variable=libdir")
        if folder and not is_system_dir(folder):
            # The libraries that these need in turn are not found by this
            # rpath; so name them all.
            link = ["-Wl,--no-as-needed", *link,
                    f"-Wl,-rpath,{os.path.normpath(folder)}"]
    return {
        "extra_compile_args": [*shlex.split(pkg_config(module, "--cflags")),
                               f"-I{NATIVE}", "-std=gnu11"],
        "extra_link_args": link,
    }


def depends(*names: str) -> list[str]:
    return [str(NATIVE / name) for name in names]


def read(name: str) -> str:
    return (NATIVE / name).read_text(encoding="utf-8")


def make_core() -> FFI:
    """paraclock._native, on libparaclock."""
    ffi = FFI()
    ffi.cdef(read("core.cdef"))
    ffi.set_source("paraclock._native", read("core.c"),
                   depends=depends("core.c", "core.cdef", "owner.h", "results.h"),
                   **arguments("paraclock"))
    return ffi


def make_sim() -> FFI:
    """paraclock._sim, on libparaclock-sim."""
    ffi = FFI()
    ffi.include(make_core())
    ffi.cdef(read("sim.cdef"))
    ffi.set_source("paraclock._sim", read("sim.c"),
                   depends=depends("sim.c", "sim.cdef", "owner.h", "results.h"),
                   **arguments("paraclock-sim"))
    return ffi
