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

files=$(find lib backends sim tools bench examples -name '*.[ch]' | sort)
includes=$(grep -HE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' $files |
	sed -E 's/^([^:]*):[^"]*"([^"]*)".*/\1 \2/')

# Each file has a line; each room that a line names stands on one below it; and
# each include is allowed by the first line whose pattern the file matches.
# shellcheck disable=SC2016 # awk's, not the shell's
awk '
function fail(text) { print text; bad = 1 }
function room_of(file) { sub(/\/[^\/]*$/, "", file); return file }
function line_of(file,    i) {
	for (i = 1; i <= lines; i++)
		if (file ~ pattern[i])
			return i
	return 0
}
part == "table" {
	lines++
	rooms[lines] = " "
	for (i = 2; i <= NF; i++)
		if ($i != "-")
			rooms[lines] = rooms[lines] $i " "
	name[lines] = $1
	pattern[lines] = $1
	gsub(/\./, "[.]", pattern[lines])
	gsub(/\*/, "[^/]*", pattern[lines])
	pattern[lines] = "^" pattern[lines] "$"
	room = $1
	sub(/\/[^\/]*$/, "", room)
	last[room] = lines
}
part == "files" { file[$1] = 1 }
part == "includes" { from[++count] = $1; to[count] = $2 }
END {
	for (i = 1; i <= lines; i++) {
		n = split(rooms[i], wanted, " ")
		for (k = 1; k <= n; k++)
			if (!(wanted[k] in last))
				fail("the table has no line for " wanted[k])
			else if (last[wanted[k]] <= i)
				fail(name[i] ": " wanted[k] " has to stand below")
	}
	for (f in file)
		if (!line_of(f))
			fail(f ": the table has no line for it")
	for (i = 1; i <= count; i++) {
		here = room_of(from[i])
		n = split(here "/,lib/,backends/,,tools/", folder, ",")
		target = to[i]
		for (k = 1; k <= n; k++)
			if ((folder[k] to[i]) in file) {
				target = folder[k] to[i]
				break
			}
		if (room_of(target) != here &&
		    !index(rooms[line_of(from[i])], " " room_of(target) " "))
			fail(from[i] " may not include " target)
	}
	print count " includes of " length(file) " files"
	exit bad
}' part=table <(echo "$table") part=files <(echo "$files") \
	part=includes <(echo "$includes") || bad=1

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
	python3 -B tests/file_circles.py "$1" || bad=1
fi
exit $bad
