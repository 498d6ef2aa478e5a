#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: check_headers.sh
# Each public header compiles alone, as C11 and as C++17, with each compiler
# here. None is longer than 500 lines, and none includes itself through others.
set -eu

include=$(cd "$(dirname "$0")/../include" && pwd)
warnings="-Wall -Wextra -Wpedantic -Werror"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tried=0
failed=0

# tsort reports a loop.
for header in "$include"/paraclock/*.h; do
	name=$(basename "$header")
	echo "$name $name"
	sed -n "s|^#include <paraclock/\\(.*\\)>|$name \\1|p" "$header"
	[ "$(wc -l <"$header")" -le 500 ] || {
		echo "$name is longer than 500 lines" >&2
		touch "$work/failed"
	}
done >"$work/includes"
tsort "$work/includes" >"$work/order" 2>&1 || {
	echo "the public headers include each other in a circle:"
	grep tsort "$work/order"
	failed=1
}
[ ! -e "$work/failed" ] || failed=1

# compile COMPILER STANDARD SUFFIX
compile() {
	command -v "$1" >/dev/null || {
		echo "$1 is not here; not tried"
		return 0
	}
	for header in "$include"/paraclock/*.h; do
		name=paraclock/$(basename "$header")
		# Twice: the guard is part of it.
		printf '#include <%s>\n#include <%s>\n' "$name" "$name" \
			>"$work/alone.$3"
		# shellcheck disable=SC2086
		"$1" "-std=$2" $warnings -I"$include" -fsyntax-only \
			"$work/alone.$3" || {
			echo "$name does not compile alone: $1 -std=$2"
			failed=1
		}
		tried=$((tried + 1))
	done
}

compile gcc c11 c
compile clang c11 c
compile g++ c++17 cc
compile clang++ c++17 cc
[ $tried -gt 0 ] || {
	echo "skipped: no compiler (gcc, clang, g++ or clang++)"
	exit 77
}
[ $failed = 0 ] && echo "$tried compilations"
exit $failed
