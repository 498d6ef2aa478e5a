#!/bin/sh
# SPDX-License-Identifier: MIT
# For an initramfs, or the init of a microVM: a machine without an RTC begins in
# 1970. This sets its clock by the host's before anything checks a certificate.
#
# It needs paraclock (the static one brings no libraries) and the modules in the
# initramfs, /dev mounted, and /proc and /sys for modprobe. With Debian's
# initramfs-tools, install this file as
# /etc/initramfs-tools/scripts/init-premount/clock, let a hook copy the rest
# (copy_exec /usr/bin/paraclock /bin; manual_add_modules ptp_kvm ptp_vmclock),
# and run update-initramfs -u.
set -eu

# initramfs-tools asks each script what has to run before it: nothing.
[ "${1-}" != prereqs ] || exit 0

# One of these is the host's clock. A driver that finds none does no harm, and
# one that is built into the kernel is no module.
for module in ptp_kvm ptp_vmclock hv_utils ptp_vmw virtio_rtc; do
	modprobe -q "$module" || true
done

# Backwards as well (--boot), because an RTC may say 2035. A machine whose clock
# stays wrong still has to boot.
paraclock keep --once --boot --wait 2 ||
	echo "clock: CLOCK_REALTIME is not right; the boot goes on" >&2
