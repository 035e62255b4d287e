#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   base.sh DIR PACKAGE...
#
# Makes the part of a test machine that is Debian's: DIR/tree, a trimmed root
# folder with the packages, and DIR/kernel, a kernel package unpacked.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin

# What a machine that only updates itself never opens: documentation, perl,
# package management, character sets, hardware names. Less to read is faster
# to emulate.
trim() {
	rm -rf usr/share/perl* usr/lib/x86_64-linux-gnu/perl* usr/bin/perl* usr/lib/x86_64-linux-gnu/libperl* \
		usr/lib/x86_64-linux-gnu/gconv usr/share/zoneinfo usr/lib/udev/hwdb* usr/share/bash-completion \
		usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/i18n usr/share/zsh usr/share/bug \
		usr/share/common-licenses usr/share/terminfo usr/share/mime usr/lib/apt usr/bin/apt* usr/lib/dpkg usr/bin/dpkg* \
		usr/lib/x86_64-linux-gnu/libapt* usr/share/dpkg usr/share/debconf usr/share/gcc usr/share/gdb \
		usr/lib/systemd/catalog usr/lib/systemd/boot usr/lib/systemd/systemd-networkd* usr/lib/systemd/systemd-resolved \
		usr/lib/x86_64-linux-gnu/libunistring* usr/lib/x86_64-linux-gnu/libgnutls* usr/lib/x86_64-linux-gnu/libdb-5* \
		usr/lib/x86_64-linux-gnu/libstdc++* usr/lib/valgrind usr/lib/x86_64-linux-gnu/libmvec.so* \
		usr/bin/openssl usr/bin/gpgv usr/bin/localedef usr/sbin/tc usr/share/lintian usr/share/keyrings \
		var/lib/apt var/lib/dpkg var/cache var/log boot etc/cron* etc/lvm/backup etc/lvm/archive
	find etc -name '*-' -delete
	mkdir -p var/cache var/log
}

# still removes what Debian starts at each boot and this machine does not need.
still() {
	rm -rf etc/systemd/system/*.wants
	for unit in dev-hugepages.mount dev-mqueue.mount kmod-static-nodes.service proc-sys-fs-binfmt_misc.automount \
		sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
		systemd-binfmt.service systemd-firstboot.service systemd-journal-flush.service systemd-machine-id-commit.service \
		systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-random-seed.service systemd-boot-system-token.service systemd-sysusers.service \
		systemd-repart.service systemd-ask-password-console.path systemd-ask-password-wall.path \
		cryptsetup.target integritysetup.target veritysetup.target getty.target systemd-update-utmp.service \
		systemd-update-utmp-runlevel.service systemd-tmpfiles-clean.timer systemd-modules-load.service systemd-sysctl.service \
		systemd-tmpfiles-setup-dev.service systemd-user-sessions.service; do
		rm -f usr/lib/systemd/system/*.wants/"$unit"
	done
	# What nothing here needs although something asks for it.
	rm -f usr/lib/systemd/system/systemd-remount-fs.service usr/lib/systemd/system/modprobe@.service
	for kind in home legacy lvm2 passwd provision static-nodes-permissions systemd-network systemd-pstore x11; do
		rm -f usr/lib/tmpfiles.d/$kind.conf
	done
	# A new process each, and nothing of what they look for is there.
	for kind in cryptsetup debug getty gpt-auto hibernate-resume integritysetup rc-local run system-update sysv veritysetup; do
		rm -f usr/lib/systemd/system-generators/systemd-$kind-generator
	done
	# Hardware that the machine has not.
	for kind in autosuspend cdrom_id drm evdev fido-id infiniband input-id persistent-alsa persistent-input persistent-storage-tape \
		persistent-v4l sensor serial btrfs camera joystick mouse power-switch touchpad probe_mtd sound-card net-dhcp hwclock e2scrub; do
		rm -f usr/lib/udev/rules.d/*-$kind.rules
	done
}

# users: one whom a polkit rule will allow something, one who is anybody.
users() {
	echo 'operator:x:1000:1000::/:/bin/sh' >>etc/passwd
	echo 'anybody:x:1001:1001::/:/bin/sh' >>etc/passwd
	printf 'operator:x:1000:\nanybody:x:1001:\n' >>etc/group
	# Without a line there PAM lets nobody in, a user's own systemd included.
	printf 'operator:*:1::::::\nanybody:*:1::::::\n' >>etc/shadow
}

hook() {
	export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
	kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
	cd "$2"
	apt-get -qq download "$kernel"
	dpkg-deb --extract "$kernel"_*.deb kernel
	rm "$kernel"_*.deb
	version=$(ls kernel/lib/modules)
	depmod --basedir kernel "$version"
	cd "$1"
	trim
	still
	users
}

case $1 in
--hook)
	hook "$2" "$3"
	exit
	;;
esac

dir=$1
shift
# Names of packages are separated by commas.
packages=$(IFS=,; echo "$*")
# The user _apt, to whom root gives up its rights, may write nothing here.
exec mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
	--aptopt='APT::Install-Recommends "false"' --aptopt='APT::Sandbox::User "root"' \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--customize-hook="'$0' --hook \"\$1\" '$dir'" \
	bookworm "$dir/tree"
