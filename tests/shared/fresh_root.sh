#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: fresh_root.sh bare|full|prefix FOLDER
# What tests/check_packages.sh does in a fresh root of Debian, where FOLDER has
# the packages, or the tree of the installation: in the smallest root, in one
# with systemd, udev and a compiler, and under a prefix.
set -eu -o pipefail

what=$1
folder=$2
export DEBIAN_FRONTEND=noninteractive
fail() {
	echo "$*"
	exit 1
}

# Any machine will do: without a host clock the status says why. 2 is a wrong
# use, and what a missing library gives is above 100.
status_works() {
	local code=0
	setpriv --reuid member --regid member --init-groups -- "$@" status \
		>/tmp/status 2>&1 || code=$?
	case $code in
	0 | 1 | 3) ;;
	*) fail "$* status: exit status $code: $(cat /tmp/status)" ;;
	esac
	grep -q kvmclock /tmp/status || fail "no backend: $(cat /tmp/status)"
	head -n 3 /tmp/status
}

packages() {
	local deb
	for deb in "$folder"/*.deb; do
		dpkg-deb -f "$deb" Package
	done
}

# All names here but those of the kernel and of dpkg's own records.
list() {
	find / \( -path /proc -o -path /sys -o -path /dev -o -path /paraclock \
		-o -path /tmp -o -path /var/lib/dpkg -o -path /var/log \
		-o -path /var/cache -o -path /var/lib/apt -o -path /home \) \
		-prune -o -print | sort
}

# What is to stay: the user and the group, with the copies that their tools
# keep, and the locks of these tools.
check_purged() {
	local left
	left=$(list | comm -13 /tmp/before - |
		grep -vE '^/etc/((g?shadow|group|passwd|sub[ug]id)-?|\.pwd\.lock)$' ||
		true)
	[ -z "$left" ] || fail "left after purge: $left"
	! dpkg-query -W -f '${Status} ${Package}\n' '*paraclock*' 2>/dev/null |
		grep -v '^unknown' || fail "dpkg still knows a package"
	getent group clock >/dev/null || fail "the group clock is gone"
}

check_bare() {
	! command -v systemctl || fail "this root has systemd"
	local install=(apt-get -q -y install --no-install-recommends)
	"${install[@]}" "$folder"/*.deb >/tmp/apt 2>&1 ||
		{ apt-get -q update && "${install[@]}" "$folder"/*.deb; } \
			>/tmp/apt 2>&1 || {
		cat /tmp/apt
		# The dependencies come from a mirror, which may be out of reach.
		! grep -qE '^E: (Failed to fetch|Unable to fetch)' /tmp/apt ||
			exit 77
		exit 1
	}
	useradd --groups clock member
	status_works paraclock
	python3 -c 'import paraclock; print(len(paraclock.list_sources()))'
	# shellcheck disable=SC2046
	dpkg --purge $(packages) >/tmp/purge 2>&1 || fail "$(cat /tmp/purge)"
	! find / -xdev \( -path /proc -o -path /paraclock \) -prune -o \
		-name '*paraclock*' -print | grep . || fail "left after purge"
}

check_user_and_folders() {
	getent group clock | grep -q 'paraclock' ||
		fail "paraclock is not in the group clock"
	[ "$(stat -c '%a %U %G' /run/paraclock/keep)" = "755 paraclock clock" ] ||
		fail "/run/paraclock/keep: $(stat /run/paraclock/keep)"
}

check_units() {
	local unit
	for unit in /usr/lib/systemd/system/paraclock-*.service; do
		systemd-analyze verify --man=no "$unit" >/tmp/verify 2>&1 ||
			fail "$(cat /tmp/verify)"
		! grep paraclock /tmp/verify || fail "systemd complains"
		systemd-analyze security --offline=true --no-pager "$unit" \
			>/tmp/security 2>&1 || fail "$(cat /tmp/security)"
		tail -n 1 /tmp/security
		unit=${unit##*/}
		[ "$(systemctl --root=/ is-enabled "$unit" 2>&1)" = disabled ] ||
			fail "$unit is enabled"
	done
	# From version 254 on.
	! udevadm verify --help >/dev/null 2>&1 ||
		udevadm verify /usr/lib/udev/rules.d/60-paraclock.rules
}

# shellcheck disable=SC2046
check_programs() {
	cd /tmp
	gcc -std=c11 $(pkg-config --cflags paraclock) \
		/paraclock/tests/consumer/consumer.c -o consumer \
		$(pkg-config --libs paraclock)
	./consumer
	gcc -std=c11 $(pkg-config --cflags paraclock) \
		/paraclock/tests/consumer/consumer.c -o consumer-static \
		$(pkg-config --libs --static paraclock |
			sed 's/-lparaclock/-l:libparaclock.a/')
	./consumer-static
	gcc -std=c11 $(pkg-config --cflags paraclock-sim) \
		/usr/share/doc/paraclock/examples/unit_test.c -o unit_test \
		$(pkg-config --libs paraclock-sim)
	./unit_test
	python3 -c 'import paraclock, paraclock.sim'
	paraclock simulate /usr/share/doc/paraclock/examples/leap.sim >/dev/null
}

# As if systemd ran here: what the packages' scripts ask of it.
fake_systemd() {
	mkdir -p /run/systemd/system
	cat >/usr/local/bin/systemctl <<-'TXT'
		#!/bin/sh
		echo "$*" >>/tmp/systemctl
	TXT
	chmod +x /usr/local/bin/systemctl
	: >/tmp/systemctl
}

# asked PATTERN; never PATTERN
asked() {
	grep -qE -e "$1" /tmp/systemctl ||
		fail "systemctl was not asked for $1: $(cat /tmp/systemctl)"
}
never() {
	! grep -E -e "$1" /tmp/systemctl || fail "systemctl was asked for $1"
}

check_full() {
	touch /tmp/before
	list >/tmp/before
	dpkg -i "$folder"/*.deb >/tmp/install 2>&1 || fail "$(cat /tmp/install)"
	check_user_and_folders
	check_units
	useradd --groups clock member
	status_works paraclock
	check_programs
	userdel member
	systemctl --root=/ enable paraclock-keep.service 2>/dev/null

	fake_systemd
	dpkg -i "$folder"/*.deb >/tmp/install 2>&1 || fail "$(cat /tmp/install)"
	asked 'daemon-reload'
	asked 'try-restart paraclock-keep.service'
	never '(^| )(start|enable|restart) .*paraclock'
	never 'try-restart .*paraclock-boot'
	: >/tmp/systemctl
	dpkg --remove paraclock >/tmp/purge 2>&1 || fail "$(cat /tmp/purge)"
	asked 'stop .*paraclock-keep.service.*paraclock-export.service'
	asked 'daemon-reload'
	# shellcheck disable=SC2046
	dpkg --purge $(packages) >/tmp/purge 2>&1 || fail "$(cat /tmp/purge)"
	# systemd's own trigger notes there that it has seen units.
	rm -rf /usr/local/bin/systemctl /run/systemd/system \
		/run/systemd/systemd-units-load
	check_purged
}

check_prefix() {
	local at
	useradd member
	for at in /opt/paraclock /srv/moved; do
		rm -rf /opt/paraclock
		mkdir -p "$at"
		cp -a "$folder/." "$at"
		status_works "$at/bin/paraclock"
	done
	! ldconfig -p | grep paraclock || fail "the loader's cache has it"
}

"check_$what"
