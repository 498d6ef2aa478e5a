#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: check_units.sh FOLDER PARACLOCK
# systemd accepts the units in FOLDER, and how much they let a service do stays
# as small as it is; tmpfiles.d and sysusers.d make what the services expect.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:?usage: check_units.sh FOLDER PARACLOCK}
tool=${2:?usage: check_units.sh FOLDER PARACLOCK}

for program in systemd-analyze systemd-sysusers systemd-tmpfiles; do
	command -v $program >/dev/null || {
		echo "skipped: no $program"
		exit 77
	}
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
	echo "$*"
	exit 1
}

# systemd-analyze looks whether the program is there.
for unit in keep agent boot feed serve export; do
	sed "s|^\(ExecStart=\)[^ ]*|\1$tool|" \
		"$folder/paraclock-$unit.service" >"$work/paraclock-$unit.service"
	! grep '@[A-Z_]*@' "$work/paraclock-$unit.service" ||
		fail "paraclock-$unit.service: a variable of CMake is left"
done
# Each alone and with its drop-ins.
for dropin in none dev-mem kernel-log; do
	mkdir -p "$work/paraclock-keep.service.d"
	rm -f "$work/paraclock-keep.service.d"/*
	case $dropin in
	dev-mem) sed "s|^\(ExecStart=\)/[^ ]*|\1$tool|" "$folder/dev-mem.conf" \
		>"$work/paraclock-keep.service.d/dev-mem.conf" ;;
	kernel-log) cp "$here/systemd/kernel-log.conf" \
		"$work/paraclock-keep.service.d/" ;;
	esac
	SYSTEMD_UNIT_PATH=$work: systemd-analyze verify --man=no \
		"$work"/paraclock-{keep,agent,boot,feed,serve,export}.service >"$work/out" 2>&1 ||
		fail "$dropin: $(cat "$work/out")"
	# Other units of this machine may be wrong.
	! grep paraclock "$work/out" || fail "systemd complains ($dropin)"
done

# 10 is a service that may do anything.
for unit in keep agent boot feed serve export; do
	systemd-analyze security --offline=yes --threshold=35 --no-pager \
		"$work/paraclock-$unit.service" >"$work/out" 2>&1 ||
		fail "paraclock-$unit is more exposed than 3.5: $(cat "$work/out")"
	tail -n 1 "$work/out"
done

mkdir -p "$work/root/etc" "$work/root/run"
systemd-sysusers --root="$work/root" "$here/systemd/paraclock.sysusers" \
	>"$work/out" 2>&1 || fail "sysusers.d: $(cat "$work/out")"
grep -q '^clock:.*:paraclock$' "$work/root/etc/group" ||
	fail "paraclock is no member of clock: $(cat "$work/root/etc/group")"
[ "$(id -u)" = 0 ] || {
	echo "skipped: only root may make the folders of tmpfiles.d"
	exit 77
}
systemd-tmpfiles --create --root="$work/root" \
	"$here/systemd/paraclock.tmpfiles" >"$work/out" 2>&1 ||
	fail "tmpfiles.d: $(cat "$work/out")"
user=$(sed -n 's/^paraclock:[^:]*:\([0-9]*\):.*/\1/p' "$work/root/etc/passwd")
group=$(sed -n 's/^clock:[^:]*:\([0-9]*\):.*/\1/p' "$work/root/etc/group")
made=$(cd "$work/root/run" && stat -c '%n %a %u %g' paraclock paraclock/* \
	paraclock/keep/*)
[ "$made" = "paraclock 755 0 0
paraclock/feed 755 $user $group
paraclock/keep 755 $user $group
paraclock/serve 755 0 0
paraclock/keep/step.lock 600 $user $group" ] || fail "tmpfiles.d made: $made"
