# Runs as the first process of new namespaces: builds the root and becomes systemd.
# $1 scratch directory, $2 units, $3 the shared directory
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
cp -a "$2/." etc/systemd/system/
# Without a machine's id systemd takes this for a first boot and enables everything.
[ -s etc/machine-id ] || echo 0123456789abcdef0123456789abcdef >etc/machine-id
# The kernel is not ours: nothing may load modules, set its variables or mount its file systems.
for unit in systemd-sysctl.service systemd-modules-load.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
	systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service \
	modprobe@.service systemd-remount-fs.service systemd-random-seed.service systemd-hwdb-update.service kmod-static-nodes.service \
	systemd-journald-audit.socket systemd-oomd.service systemd-oomd.socket systemd-timesyncd.service systemd-resolved.service \
	systemd-networkd.service systemd-networkd.socket systemd-pstore.service apparmor.service ufw.service \
	dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
	sys-fs-fuse-connections.mount; do
	[ -e "etc/systemd/system/$unit" ] || ln -sf /dev/null "etc/systemd/system/$unit"
done
# The kernel's log is no business of this journal's, and what the test shares lies below /tmp.
mkdir -p etc/systemd/journald.conf.d etc/tmpfiles.d
printf '[Journal]\nReadKMsg=no\nStorage=volatile\n' >etc/systemd/journald.conf.d/box.conf
ln -sf /dev/null etc/tmpfiles.d/tmp.conf
# Nor are this machine's own services: what is enabled on it stays out.
rm -rf etc/systemd/system/*.wants etc/fstab
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
mount --rbind /sys sys
umount -R sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 sys/fs/cgroup
mkdir -p .host "./$3"
mount --bind "$3" "./$3"
pivot_root . .host
umount -l /.host
exec env -i container=relevo-test PATH="$PATH" NOTIFY_SOCKET="$NOTIFY_SOCKET" \
	/lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=no
