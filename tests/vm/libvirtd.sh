#!/bin/sh
# SPDX-License-Identifier: MIT
# libvirtd.sh FOLDER ROOT: the first process of namespaces of its own, in which
# the libvirt of ROOT is installed. Whatever is written into the system goes to
# FOLDER, and the machine's own libvirt is out of reach.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
folder=$1 root=$2
# libvirt migrates no guest from a host to the same host.
uuid=$(cat /proc/sys/kernel/random/uuid)
hostname "host-${uuid%%-*}"
mount -t proc proc /proc
mount -t overlay -o "lowerdir=$root/usr:/usr" overlay /usr
mkdir -p "$folder/etc/libvirt" "$folder/drivers" "$folder/run" "$folder/var/run"
cd "$folder/etc"
# /lib is /usr/lib, but some packages still have their libraries in /lib.
echo "$root/lib/x86_64-linux-gnu" >ld.so.conf
ldconfig -X -f ld.so.conf -C ld.so.cache
cat >passwd <<'TXT'
root:x:0:0::/root:/bin/sh
libvirt-qemu:x:1:1::/:/bin/false
TXT
cat >group <<'TXT'
root:x:0:
kvm:x:1:
libvirt-qemu:x:2:
TXT
cat >libvirt/qemu.conf <<TXT
user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
cgroup_controllers = []
namespaces = []
memory_backing_dir = "$folder/memory"
TXT
cat >libvirt/libvirtd.conf <<TXT
host_uuid = "$uuid"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "2:stderr"
TXT
echo 'log_outputs = "2:stderr"' >libvirt/virtlogd.conf
# The other drivers would look for firewalls, storage and devices.
drivers=/usr/lib/x86_64-linux-gnu/libvirt/connection-driver
ln -s $drivers/libvirt_driver_qemu.so "$folder/drivers"
mount --bind "$folder/var" /var
mount --bind "$folder/run" /var/run
mount --bind "$folder/run" /run
mount --bind "$folder/etc" /etc
cd /
virtlogd &
LIBVIRT_DRIVER_DIR=$folder/drivers libvirtd &
# A shell also reaps each QEMU, whose end libvirt waits for.
wait $!
