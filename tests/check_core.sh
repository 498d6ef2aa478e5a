#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: check_core.sh ARCHIVE ...
# The core for ring 0 needs four functions of its surroundings, no more, and
# no register that an interrupt handler would have to save.
set -eu

[ $# -gt 0 ] || {
	echo "usage: check_core.sh ARCHIVE ..."
	exit 2
}

for tool in ld nm objdump; do
	command -v $tool >/dev/null || {
		echo "skipped: no $tool (binutils)"
		exit 77
	}
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ld -r --whole-archive "$@" -o "$work/core.o"

needed=$(nm -u "$work/core.o" | awk '{ print $NF }' | LC_ALL=C sort)
extra=$(grep -vxE 'memcpy|memset|memmove|memcmp' <<<"$needed" || true)
if [ -n "$extra" ]; then
	echo "the core needs more than ring 0 has:"
	echo "$extra"
	exit 1
fi

objdump -d --no-show-raw-insn "$work/core.o" >"$work/core.s"
if grep -nE '%([xyz]?mm[0-9]|st\b)' "$work/core.s"; then
	echo "the core uses vector or floating-point registers"
	exit 1
fi
# Nothing is run before main() in ring 0, so nothing may rely on it.
if objdump -h "$work/core.o" | grep -E '\.(ctors|init_array|tbss|tdata)'; then
	echo "the core has constructors or thread-local storage"
	exit 1
fi
echo "undefined: ${needed//$'\n'/ }"
