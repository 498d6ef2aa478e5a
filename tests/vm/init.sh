#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# The guest's first process. It runs the lines that come over the second serial
# line: a number and a command; after its output, "@@@ number status".
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
hostname guest
chmod 1777 /tmp
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1 2>&1
echo '@@@ ready'
while read -r number command; do
	# In a process of its own, which cannot eat the lines that follow.
	sh -c "$command" </dev/null
	printf '\n@@@ %s %s\n' "$number" "$?"
done
poweroff -f
