#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: run.sh BUILD_DIRECTORY [TOOL]
# The library is installed into a folder, and the Python package into a venv of
# its own, without a network. Then pytest and mypy run. TOOL is paraclock(1).
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "${1:?usage: run.sh BUILD_DIRECTORY [TOOL]}")
tool=$(realpath "${2:-/nonexistent}")
[ -x "$tool" ] || tool=
# The system's: another one in PATH does not see the system's packages.
python=${PYTHON:-/usr/bin/python3}

skip() {
	echo "skipped: no $1"
	exit 77
}

[ -x "$python" ] || skip python3
command -v pkg-config >/dev/null || skip pkg-config
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	skip "Python 3.11 or later"
while read -r module package; do
	"$python" -c "import $module" 2>/dev/null || skip "$package"
done <<-LIST
	cffi python3-cffi
	setuptools python3-setuptools
	wheel python3-wheel
	ensurepip python3-venv
	pytest python3-pytest
	mypy mypy
LIST
[ -e "$("$python" -c 'import sysconfig
print(sysconfig.get_path("include"))')/Python.h" ] || skip python3-dev

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

say() {
	echo "--- $*"
}

# quiet COMMAND ...: show what it says only if it fails.
quiet() {
	"$@" >"$work/log" 2>&1 || {
		cat "$work/log"
		exit 1
	}
}

say "install the library"
quiet cmake --install "$build" --prefix "$prefix"
pc=$(find "$prefix" -name paraclock.pc)
[ -n "$pc" ] || {
	echo "paraclock.pc is not installed"
	exit 1
}
export PKG_CONFIG_PATH=${pc%/*} PYTHONDONTWRITEBYTECODE=1
unset LD_LIBRARY_PATH PYTHONPATH PKG_CONFIG

say "pip install"
# The sources stay as they are.
cp -r "$here" "$work/source"
cd "$work/source"
rm -rf build src/*.egg-info
quiet "$python" -m venv --system-site-packages "$work/venv"
CFLAGS="-Wall -Werror" quiet "$work/venv/bin/pip" install \
	--no-build-isolation --no-index .
# What is tested is what was installed.
rm -rf src build

say "pkg-config without the library"
if PKG_CONFIG_PATH=$work/none PKG_CONFIG_LIBDIR=$work/none \
	"$work/venv/bin/python" setup.py --version >"$work/log" 2>&1 ||
	! grep -q "set PKG_CONFIG_PATH" "$work/log"; then
	cat "$work/log"
	exit 1
fi

say "the version is the library's"
said=$("$work/venv/bin/pip" show paraclock | sed -n 's/^Version: //p')
version=$("$work/venv/bin/python" -c 'import paraclock
print(paraclock.__version__)')
[ "$said" = "$version" ] || {
	echo "the package says $said, the library $version"
	exit 1
}

say "mypy --strict"
"$work/venv/bin/python" -m mypy --strict --no-error-summary \
	--cache-dir "$work/mypy" -p paraclock
"$work/venv/bin/python" -m mypy --strict --no-error-summary \
	--cache-dir "$work/mypy" tests bench.py
"$work/venv/bin/python" "$here/make_stubs.py" --check

say "pytest"
# What is freed is overwritten, so that reading it shows.
PYTHONMALLOC=debug PARACLOCK_HEADERS=$prefix/include/paraclock PARACLOCK_TOOL=$tool \
	"$work/venv/bin/python" -X faulthandler -m pytest -q tests

say "what a read costs"
"$work/venv/bin/python" bench.py 2>/dev/null ||
	echo "this machine has no valid host clock"
