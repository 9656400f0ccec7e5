#!/usr/bin/env bash
# Make a Debian 13 that QEMU can boot without a boot loader: FOLDER/{vmlinuz,initrd.img,root.ext4}.
#
#   build_image.sh amd64|arm64 FOLDER KEY.pub [PACKAGE...]
#
# KEY.pub may log in as root by ssh. PACKAGE: Debian packages besides the usual. Needs root, apt and a Debian host; the
# mirror is the host's own. Another architecture is unpacked under qemu-user, which takes twenty minutes instead of two.
set -euo pipefail
arch=$1 folder=$2 key=$3
shift 3
tree=$folder/tree
mkdir -p "$folder"
log=$folder/build.log
: > "$log"

fail() { tail -n 20 "$log" >&2; echo "build_image.sh: $1 failed; all of it: $log" >&2; exit 1; }
logged() { "$@" >> "$log" 2>&1; }

# What the host needs for it.
host=$(dpkg --print-architecture)
needed=(debootstrap e2fsprogs qemu-utils openssh-client zstd)
case $arch in
  amd64) needed+=(qemu-system-x86) ;;
  arm64) needed+=(qemu-system-arm) ;;
  *) echo "build_image.sh: $arch is neither amd64 nor arm64" >&2; exit 2 ;;
esac
[ "$arch" = "$host" ] || needed+=(qemu-user-static)
if ! dpkg -s "${needed[@]}" > /dev/null 2>&1; then
  logged apt-get update
  DEBIAN_FRONTEND=noninteractive logged apt-get install -y --no-install-recommends "${needed[@]}" || fail "apt-get"
fi
if [ "$arch" = arm64 ] && [ "$host" != arm64 ]; then
  # The kernel hands ARM programs to qemu-user; flag F opens it now, since inside the tree it would not be found.
  binfmt=/proc/sys/fs/binfmt_misc
  [ -e $binfmt/register ] || mount -t binfmt_misc none $binfmt
  # ELF, 64 bits, little-endian; any ABI; executable at a fixed place (2) or at any (3); AArch64.
  magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
  mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  rule=":qemu-aarch64:M::$magic:$mask:/usr/bin/qemu-aarch64-static:F"
  [ -e $binfmt/qemu-aarch64 ] || printf '%s' "$rule" > $binfmt/register
fi

sources=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2> /dev/null || true)
mirror=$(grep -oP '^(URIs: *|deb +(\[[^]]*\] +)?)\Khttps?://\S+' -m 1 <<< "$sources") || fail "looking for the host's mirror"
rm -rf --one-file-system "$tree"
usual=systemd,systemd-sysv,dbus,udev,kmod,libpam-systemd,openssh-server,initramfs-tools,zstd,iproute2,procps
usual+=,python3,python3-venv,v4l-utils,dmsetup,e2fsprogs
logged debootstrap --variant=minbase --arch="$arch" --include="$usual" trixie "$tree" "$mirror" || fail "debootstrap"

# The initial RAM disk has to find the root disk, no more.
mkdir -p "$tree/etc/initramfs-tools/conf.d"
echo 'MODULES=list' > "$tree/etc/initramfs-tools/conf.d/small"
printf '%s\n' virtio_pci virtio_blk ext4 >> "$tree/etc/initramfs-tools/modules"

inside() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive chroot "$tree" "$@"
}
trap 'umount "$tree/proc" 2> /dev/null || true' EXIT
mount -t proc none "$tree/proc"
printf '#!/bin/sh\nexit 101\n' > "$tree/usr/sbin/policy-rc.d"  # nothing is started here
chmod +x "$tree/usr/sbin/policy-rc.d"
echo "deb $mirror trixie main" > "$tree/etc/apt/sources.list"
logged inside apt-get update || fail "apt-get update"
logged inside apt-get install -y --no-install-recommends "linux-image-$arch" "$@" || fail "apt-get install"
rm "$tree/usr/sbin/policy-rc.d"
umount "$tree/proc"

cd "$tree"
echo testbed > etc/hostname
echo '127.0.0.1 localhost testbed' > etc/hosts
mkdir -p mnt/share
cat > etc/fstab << 'END'
/dev/vda / ext4 defaults,noatime 0 1
share /mnt/share 9p trans=virtio,version=9p2000.L,msize=262144,nofail 0 0
END
printf '%s\n' 9p 9pnet_virtio virtio_net > etc/modules-load.d/testbed.conf
mkdir -p etc/systemd/network etc/systemd/system.conf.d
printf '[Match]\nType=ether\n[Network]\nAddress=10.0.2.15/24\n' > etc/systemd/network/testbed.network
# An emulated processor is slow: nothing shall fail for having started late.
printf '[Manager]\nDefaultTimeoutStartSec=300s\nDefaultDeviceTimeoutSec=300s\n' > etc/systemd/system.conf.d/slow.conf
inside systemctl -q enable systemd-networkd ssh
inside systemctl -q mask systemd-networkd-wait-online systemd-timesyncd apt-daily.timer apt-daily-upgrade.timer \
  dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
install -D -m 600 "$key" root/.ssh/authorized_keys
chmod 700 root/.ssh
printf 'UseDNS no\nUsePAM no\nMaxSessions 50\n' > etc/ssh/sshd_config.d/testbed.conf
: > etc/machine-id
: > etc/resolv.conf
: > etc/apt/sources.list  # the guest has no network, and the image need not say whose mirror it was
rm -rf var/lib/apt/lists/* var/cache/apt/* var/log/{apt,dpkg.log,bootstrap.log} debootstrap
cd - > /dev/null

cp "$tree"/boot/vmlinuz-* "$folder/vmlinuz"
cp "$tree"/boot/initrd.img-* "$folder/initrd.img"
# The host's e2fsck may be older than the guest's.
logged mke2fs -q -t ext4 -O '^metadata_csum_seed,^orphan_file' -d "$tree" "$folder/root.new" 6G || fail "mke2fs"
ls "$tree/lib/modules" > "$folder/kernel"
find "$tree/lib/modules" -name '*.ko*' -printf '%f\n' | sort > "$folder/modules"
rm -rf --one-file-system "$tree"
sed -i -E 's#https?://[^/ ]+#MIRROR#g' "$log"
mv "$folder/root.new" "$folder/root.ext4"
