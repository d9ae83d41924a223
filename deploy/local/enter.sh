#!/bin/bash
# enter.sh ROOT DATA USER COMMAND...: runs in a fresh mount namespace, which ends with the command, and so do its mounts.
# Every step executes in place: the caller's pid becomes the command's.
set -eu
root=$1 data=$2 user=$3
shift 3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$data" "$root/data"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind /etc/hosts "$root/etc/hosts"
cd /
exec chroot --userspec="$user" "$root" "$@"
