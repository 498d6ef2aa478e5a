#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: check_static.sh PARACLOCK KIB
# The static program is one small file, and works where nothing else is: no
# libraries, /proc, /sys, /dev or terminal.
set -eu

tool=${1:?usage: check_static.sh PARACLOCK KIB}
limit=$((${2:?KIB} * 1024))

for program in readelf chroot unshare timeout; do
	command -v $program >/dev/null || {
		echo "skipped: no $program"
		exit 77
	}
done

fail() {
	echo "$*"
	exit 1
}

size=$(stat -c %s "$tool")
[ "$size" -le $limit ] || fail "$size bytes, more than $limit"
readelf -lW "$tool" | grep -q INTERP && fail "it needs a dynamic linker"
readelf -SW "$tool" | grep -q '\.symtab' && fail "it is not stripped"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp "$tool" "$root/paraclock"

# Root may call chroot(2) only if this container lets it.
inside=(chroot "$root")
"${inside[@]}" /paraclock --version >/dev/null 2>&1 ||
	inside=(unshare --map-root-user chroot "$root")
"${inside[@]}" /paraclock --version >/dev/null 2>&1 || {
	echo "skipped: this user may not call chroot(2)"
	exit 77
}

# try STATUSES TEXT ARGUMENT ...: exit with one of these statuses, and say TEXT.
try() {
	local wanted=$1 text=$2 out status=0
	shift 2
	out=$(timeout -s KILL 120 env -i PATH="$PATH" "${inside[@]}" \
		/paraclock "$@" </dev/null 2>&1) || status=$?
	grep -qw -- "$status" <<<"$wanted" ||
		fail "paraclock $*: exit status $status, not $wanted: $out"
	grep -q -- "$text" <<<"$out" ||
		fail "paraclock $*: no word of '$text': $out"
}

# What the clocks are depends on the machine. What is told does not.
try "0 1 3" "hidden" status
try "0 1 3" '^{"hypervisor":' status --json
try "0 1 3" "." read
try "0 1 3" "sysfs" read -b tsc
try 1 "hidden" read -b phc
try 1 "/dev/ptp0: no such device" read -b phc -d /dev/ptp0
try "0 1 3" "." cross
try "0 1 3" "." watch -n 2 -i 0.01
try "0 1 3" "paraclock keep: " keep --once --boot --dry-run --wait 1
try 1 "no paraclock keep runs" keep --sync
try 1 "/dev/virtio-ports/" agent
try 2 "no such command" simulate
try 0 "Usage: paraclock" --help

# An init may have opened nothing at all.
status=0
timeout -s KILL 120 "${inside[@]}" /paraclock keep --once --dry-run --wait 1 \
	<&- >&- 2>&- || status=$?
[ $status -lt 4 ] || fail "without stdin, stdout and stderr: $status"

echo "one file of $size bytes"
