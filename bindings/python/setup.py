# SPDX-License-Identifier: MIT
"""Build paraclock for Python; pyproject.toml has the rest."""

import sys
from pathlib import Path

from setuptools import Extension, setup

# A build backend does not put the folder of setup.py there.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from build_native import arguments, have, pkg_config  # noqa: E402

# The library's, which has it from CMakeLists.txt.
version = pkg_config("paraclock", "--modversion")
modules = ["build_native.py:make_core"]
if have("paraclock-sim"):
    modules.append("build_native.py:make_sim")
else:
    print("note: pkg-config finds no paraclock-sim: paraclock.sim and the "
          "fixture simulated_vm are left out", file=sys.stderr)

hot = Extension("paraclock._hot", ["native/hot.c"], **arguments("paraclock"))

setup(version=version, cffi_modules=modules, ext_modules=[hot])
