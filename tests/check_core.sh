#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: check_core.sh CORE-ARCHIVE ... [-- ARCHIVE ...]
# The core for ring 0 needs only four functions of its surroundings, and no
# register that an interrupt handler would have to save. No archive, of either
# kind, defines a name that a program could use itself: public names begin with
# paraclock_, internal ones with pclk_; the simulator's with paraclock_sim_ and
# pclk_sim_.
set -eu

[ $# -gt 0 ] || {
	echo "usage: check_core.sh CORE-ARCHIVE ... [-- ARCHIVE ...]"
	exit 2
}

for tool in ld nm objdump; do
	command -v $tool >/dev/null || {
		echo "skipped: no $tool (binutils)"
		exit 77
	}
done

core=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	core+=("$1")
	shift
done
[ $# = 0 ] || shift

bad=0
for archive in "${core[@]}" "$@"; do
	ours='^(paraclock|pclk)_'
	[[ $archive != *-sim.a ]] || ours='^(paraclock|pclk)_sim(_|$)'
	names=$(nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' |
		grep -vE "$ours" || true)
	if [ -n "$names" ]; then
		echo "$archive defines what a program may want to define:"
		echo "$names"
		bad=1
	fi
done
[ $bad = 0 ] || exit 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ld -r --whole-archive "${core[@]}" -o "$work/core.o"

needed=$(nm -u "$work/core.o" | awk '{ print $NF }' | LC_ALL=C sort)
extra=$(grep -vxE 'memcpy|memset|memmove|memcmp' <<<"$needed" || true)
if [ -n "$extra" ]; then
	echo "the core needs more than ring 0 has:"
	echo "$extra"
	exit 1
fi

# PTP devices and /dev/kvm belong to Linux.
if nm "$work/core.o" | grep -E ' pclk_(ptp_|phc_|kvm_vm_|backend_(phc|kvm_host))'
then
	echo "the core has what only Linux can use"
	exit 1
fi

objdump -d --no-show-raw-insn "$work/core.o" >"$work/core.s"
if grep -nE '%([xyz]?mm[0-9]|st\b)' "$work/core.s"; then
	echo "the core uses vector or floating-point registers"
	exit 1
fi
# Nothing runs before main() in ring 0, so nothing may rely on it.
if objdump -h "$work/core.o" | grep -E '\.(ctors|init_array|tbss|tdata)'; then
	echo "the core has constructors or thread-local storage"
	exit 1
fi
echo "undefined: ${needed//$'\n'/ }"
