# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Parts of tests/check_packages.sh. Sourced, not run: it has top, work and names.

skip() {
	echo "skipped: $*"
	exit 77
}
fail() {
	echo "$*"
	exit 1
}
step() {
	echo "--- $* ($SECONDS s)"
}

# control PACKAGE FIELD: what dpkg reads.
control() {
	sed -n "s/^$2: //p" "$work/$1.control/control"
}

# depends PACKAGE TEXT: the first of its dependencies' texts that matches.
depends() {
	[[ ", $(control "$1" Depends)," == *", $2"* ]] ||
		fail "$1 does not depend on $2: $(control "$1" Depends)"
}

# The names of an installation's files and those of its packages: the manual is
# compressed there, and Debian has the licence and the news under other names.
plain_names() {
	sed -e '/\/share\/man\//s/\.gz$//' \
		-e '/^usr\/share\/doc\/[^/]*\/\(LICENSE\|NEWS\)$/d' \
		-e '/^usr\/share\/doc\/[^/]*\/\(copyright\|changelog.*\)$/d' |
		sort
}

# in_root ROOT COMMAND ...: with the tree at /paraclock, only to be read. No
# process outlives the command.
in_root() {
	local root=$1
	shift
	# shellcheck disable=SC2016
	env -u SUDO_UID -u SUDO_GID LC_ALL=C TMPDIR=/tmp HOME=/root \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		unshare --mount --pid --fork --kill-child sh -ec '
		mkdir -p "$1/paraclock"
		mount --bind -o ro "$2" "$1/paraclock"
		mount -t proc proc "$1/proc"
		root=$1
		shift 2
		exec chroot "$root" "$@"' sh "$root" "$top" "$@"
}
