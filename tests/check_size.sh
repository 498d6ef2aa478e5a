#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: check_size.sh LIBRARY KIB
# The shared library stays small and needs few others.
set -eu

lib=${1:?usage: check_size.sh LIBRARY KIB}
limit=$((${2:?KIB} * 1024))

for tool in strip size readelf; do
	command -v $tool >/dev/null || {
		echo "skipped: no $tool (binutils)"
		exit 77
	}
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strip --strip-unneeded -o "$work/lib.so" "$lib"
text=$(size -A "$work/lib.so" | awk '$1 == ".text" { print $2 }')
if [ "$text" -gt $limit ]; then
	echo ".text: $text bytes, more than $limit"
	exit 1
fi

needed=$(readelf -d "$lib" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
extra=$(grep -vE '^(libc|libfdt|libcpuid|ld-linux-[a-z0-9-]+)\.so' \
	<<<"$needed" || true)
if [ -n "$extra" ]; then
	echo "needs more than libc, libfdt and libcpuid:"
	echo "$extra"
	exit 1
fi
echo ".text: $text bytes; needs ${needed//$'\n'/ }"
