#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: check_symbols.sh LIBRARY LIST
# The shared library exports exactly the names in tests/LIST.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
lib=${1:?usage: check_symbols.sh LIBRARY LIST}
list=${2:?usage: check_symbols.sh LIBRARY LIST}

command -v nm >/dev/null || {
	echo "skipped: no nm (binutils)"
	exit 77
}

# Names with their version nodes; the node itself is an absolute symbol.
exported=$(nm -D --defined-only "$lib" |
	awk '$2 != "A" { print $3 }' | LC_ALL=C sort)
if diff -u --label "tests/$list" "$here/$list" \
	--label "$lib" <(printf '%s\n' "$exported"); then
	echo "$(wc -l <"$here/$list") symbols, as listed"
else
	echo "A symbol that is gone or changed breaks programs; a new one goes" \
		"into the library's .map in lib/ and tests/$list"
	exit 1
fi
