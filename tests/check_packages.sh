#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: check_packages.sh [RELEASE]
# The packages for this machine's release of Debian, or for RELEASE: they are
# built, lintian accepts them, each installed file is in just one, and in a
# fresh root they install, work, and are purged. Then the same for a tree under
# a prefix, and the contents of the .rpm set.
set -eu -o pipefail
cd "$(dirname "$0")/.."
top=$PWD
# shellcheck source=tests/shared/packages.sh
. tests/shared/packages.sh

# shellcheck disable=SC1091
here=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
release=${1:-$here}
into=build/package
options=()
[ "$release" = "$here" ] || {
	into=build/package-$release
	options=(--release "$release")
}

[ "$(id -u)" = 0 ] || skip "only root may make a root of Debian"
for tool in debootstrap dpkg-deb lintian rpmbuild rpm2cpio cpio unshare; do
	command -v $tool >/dev/null || skip "no $tool"
done
unshare --mount --pid --fork true 2>/dev/null ||
	skip "this machine forbids namespaces of mounts"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bare=$(scripts/debian-root "$release") || skip "no fresh root of $release"
full=$(scripts/debian-root "$release" test systemd udev gcc libc6-dev \
	pkg-config libfdt-dev libcpuid-dev libjansson4 libncurses6 python3 \
	python3-cffi-backend) || skip "no root of $release with systemd and gcc"

step "the packages for $release"
scripts/package "${options[@]}" >"$work/log" || {
	[ $? != 77 ] || skip "$(tail -n 1 "$work/log")"
	cat "$work/log"
	exit 1
}
version=$(sed -n 's/^project(paraclock VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
abi=${version%.*}
libraries=("libparaclock$abi" "libparaclock-host$abi" "libparaclock-sim$abi")
names=("${libraries[@]}" libparaclock-dev paraclock paraclock-doc
	python3-paraclock)
debs=()
for name in "${names[@]}"; do
	deb=$(compgen -G "$into/${name}_*.deb") || fail "no package $name"
	debs+=("$deb")
	mkdir "$work/$name"
	dpkg-deb -x "$deb" "$work/$name"
	dpkg-deb -e "$deb" "$work/$name.control"
	printf '%8d bytes  %s\n' "$(stat -c %s "$deb")" "${deb##*/}"
done

check_fields() {
	local name full
	full=$(dpkg-deb -f "$into"/paraclock_*.deb Version)
	[[ $full =~ ^$version-[0-9]+~deb[0-9]+$ ]] ||
		fail "the version of the packages is $full"
	for name in "${names[@]}"; do
		[ "$(control "$name" Version)" = "$full" ] ||
			fail "$name is of another version"
	done
	for name in "${libraries[@]}"; do
		[ "$(control "$name" Multi-Arch)" = same ] ||
			fail "$name is not Multi-Arch: same"
		grep -qx 'activate-noawait ldconfig' "$work/$name.control/triggers" ||
			fail "$name has no trigger for ldconfig"
		! compgen -G "$work/$name.control/post*" ||
			fail "$name has scripts of its own"
		grep -qx "${name%"$abi"} $abi $name (>= $version)" \
			"$work/$name.control/shlibs" || fail "the shlibs of $name"
	done
	# Private symbols are those of the same release.
	depends "libparaclock-host$abi" "libparaclock$abi (= $full)"
	depends "libparaclock-sim$abi" "libparaclock-host$abi (= $full)"
	for name in "${libraries[@]}"; do
		depends libparaclock-dev "$name (= $full)"
		depends paraclock "$name (= $full)"
		depends "$name" "libc6 "
	done
	depends "libparaclock$abi" "libfdt1"
	depends paraclock "libjansson4 "
	depends python3-paraclock "python3 (>= 3."
}

check_contents() {
	local file
	while read -r file; do
		[ -e "$work/paraclock/usr/$file" ] || fail "paraclock lacks $file"
	done <<-TXT
		bin/paraclock
		lib/udev/rules.d/60-paraclock.rules
		lib/sysusers.d/paraclock.conf
		lib/tmpfiles.d/paraclock.conf
		share/man/man1/paraclock.1.gz
		share/man/man7/paraclock.7.gz
		share/man/man8/paraclock-keep.8.gz
		share/bash-completion/completions/paraclock
		share/fish/vendor_completions.d/paraclock.fish
		share/zsh/vendor-completions/_paraclock
		share/doc/paraclock/copyright
		share/doc/paraclock/changelog.gz
	TXT
	for file in systemd/*.service.in; do
		file=usr/lib/systemd/system/$(basename "$file" .in)
		[ -e "$work/paraclock/$file" ] || fail "paraclock lacks $file"
		grep -q '^ExecStart=/usr/bin/paraclock ' \
			"$work/paraclock/$file" ||
			fail "$file does not start /usr/bin/paraclock"
	done
	[ -e "$work/libparaclock-dev/usr/share/man/man3/paraclock_read.3.gz" ] ||
		fail "libparaclock-dev lacks paraclock_read(3)"
	[ -e "$work/paraclock-doc/usr/share/doc/paraclock/examples/unit_test.c" ] ||
		fail "paraclock-doc lacks the examples"
	# Pages that are links stay with their page.
	file=$(find -L "$work"/*/usr/share/man -type l)
	[ -z "$file" ] || fail "links that lead nowhere: $file"
	for file in "$work"/paraclock/usr/bin/paraclock \
		"$work"/libparaclock*/usr/lib/*/*.so.*; do
		! readelf -d "$file" | grep -E 'R(UN)?PATH' ||
			fail "$file has an RPATH"
	done
}

# Everything that an installation has is in just one package.
check_complete() {
	local twice
	for name in "${names[@]}"; do
		(cd "$work/$name" && find . ! -type d -printf '%P\n')
	done | sort >"$work/packed"
	twice=$(uniq -d "$work/packed")
	[ -z "$twice" ] || fail "in two packages: $twice"
	(cd "$into/stage" && find . ! -type d -printf 'usr/%P\n') |
		plain_names >"$work/installed"
	grep -v '/python3/dist-packages/\|/lintian/overrides/' "$work/packed" |
		plain_names >"$work/plain"
	diff "$work/installed" "$work/plain" ||
		fail "an installation (<) and the packages (>) differ"
}

check_lintian() {
	local run=(lintian --allow-root --fail-on error,warning --color never)
	if [ "$release" = "$here" ]; then
		"${run[@]}" "${debs[@]}"
	else
		# Its rules are the release's.
		in_root "$(scripts/debian-root --cached "$release" build)" \
			"${run[@]}" "${debs[@]/#//paraclock/}"
	fi
}

step "fields, contents"
check_fields
check_contents
check_complete
step "lintian"
check_lintian || fail "lintian complains"

# in_copy ROOT STEP FOLDER: of the cached root.
in_copy() {
	local status=0
	cp -a --reflink=auto "$1" "$work/root"
	in_root "$work/root" /paraclock/tests/shared/fresh_root.sh "$2" \
		"/paraclock/$3" || status=$?
	rm -rf "$work/root"
	return $status
}
step "in the smallest root, as a user of the group clock"
in_copy "$bare" bare "$into" || {
	[ $? != 77 ] || skip "no mirror gives the packages that these depend on"
	fail "the packages in a fresh root"
}
step "in a root with systemd, udev and gcc"
in_copy "$full" full "$into" || fail "the packages in a root with systemd"

step "under a prefix, without ldconfig"
scripts/package --tree "${options[@]}"
in_copy "$full" prefix "$into/tree" || fail "the installation under a prefix"

step "the .rpm set"
scripts/package --rpm "${options[@]}" >/dev/null
rm -rf "$work/root"
for rpm in "$into"/*.rpm; do
	printf '%8d bytes  %s\n' "$(stat -c %s "$rpm")" "${rpm##*/}"
	mkdir -p "$work/rpm"
	rpm2cpio "$rpm" | (cd "$work/rpm" && cpio -idm --quiet)
done
(cd "$work/rpm" && find . ! -type d -printf '%P\n') |
	sed -e 's|^usr/lib64/|usr/LIB/|' -e '/^usr\/share\/licenses\//d' \
		-e 's|^usr/lib/python[^/]*/site-packages/|usr/lib/python3/dist-packages/|' |
	plain_names >"$work/rpm.names"
# Debian's zsh looks for the completions of packages in a folder of its own.
sed -e 's|^usr/lib/[^/]*-linux-gnu/|usr/LIB/|' -e '/\/lintian\/overrides\//d' \
	-e 's|/zsh/vendor-completions/|/zsh/site-functions/|' \
	"$work/packed" | plain_names >"$work/deb.names"
diff "$work/deb.names" "$work/rpm.names" ||
	fail "the .debs (<) and the .rpm set (>) differ"
step "all of it"
