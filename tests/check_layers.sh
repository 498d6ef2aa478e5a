#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: check_layers.sh [BUILD]
# Who may include whom is the table in docs/architecture.md, between ```rooms
# and ```: a line names files by a pattern, and the rooms whose headers they
# may include besides their own. A room stands above those that it includes, so
# the table has no circles. With BUILD, the objects there show that no two files
# call each other, by whatever way, outside of sim/world.
set -eu
cd "$(dirname "$0")/.."

table=$(sed -n '/^```rooms$/,/^```$/{/^```/d;p}' docs/architecture.md)
[ -n "$table" ] || { echo "docs/architecture.md has no table of rooms"; exit 1; }

bad=0
fail() {
	echo "$1"
	bad=1
}

# Every room that is named stands on a line below.
declare -A line_of
n=0
while read -r pattern _; do
	n=$((n + 1))
	room=${pattern%%/\**}
	line_of[$room]=$n # the last line of a room counts
done <<<"$table"
n=0
while read -r pattern rooms; do
	n=$((n + 1))
	for room in $rooms; do
		[ "$room" = - ] && continue
		[ -n "${line_of[$room]:-}" ] ||
			fail "the table has no line for $room"
		[ "${line_of[$room]:-0}" -gt $n ] ||
			fail "$pattern: $room has to stand on a line below"
	done
done <<<"$table"

# allowed FILE: the rooms that the first pattern for it lists.
allowed() {
	local pattern rooms
	while read -r pattern rooms; do
		# shellcheck disable=SC2053 # it is a pattern
		if [[ $1 == $pattern ]]; then
			echo "$rooms"
			return
		fi
	done <<<"$table"
	echo none
}

# Files of the tree that do not come from a checkout are looked at as well.
files=$(find lib backends sim tools bench examples -name '*.[ch]' | sort)
count=0
for file in $files; do
	here=$(dirname "$file")
	rooms=$(allowed "$file")
	[ "$rooms" != none ] || fail "$file: the table has no line for it"
	while read -r header; do
		for dir in "$here" lib backends . tools; do
			if [ -f "$dir/$header" ]; then
				header=$(realpath --relative-to=. "$dir/$header")
				break
			fi
		done
		there=$(dirname "$header")
		count=$((count + 1))
		[ "$there" = "$here" ] || [[ " $rooms " == *" $there "* ]] ||
			fail "$file may not include $header"
	done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]+"([^"]+)".*/\1/p' "$file")
done

# Neither a hypervisor nor a backend is named in lib/, but where Linux is.
names='kvm|hyper-?v($|[^i])|xen|vmware|qemu|firecracker|openbsd|bhyve|virtualbox'
names="$names|parallels|azure|pvclock|vmclock"
while read -r found; do
	fail "names a hypervisor or a backend: $found"
done < <(grep -rniE "$names" lib --include='*.[ch]' --exclude-dir=linux)
for folder in backends/*/; do
	name=$(basename "$folder")
	while read -r found; do
		fail "a backend includes another: $found"
	done < <(grep -nE "#[[:space:]]*include \"(\.\./)?$name/" \
		$(find backends -name '*.[ch]' -not -path "$folder*"))
done

if [ $# -gt 0 ]; then
	python3 tests/file_circles.py "$1" || bad=1
fi
[ $bad = 0 ] && echo "$count includes of $(wc -w <<<"$files") files, all allowed"
exit $bad
