#!/bin/busybox sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# What the initramfs does with an address: udhcpc calls this, with variables.
# shellcheck disable=SC2154
case $1 in
bound)
	ip address add "$ip/$mask" dev "$interface"
	[ -z "${router:-}" ] || ip route add default via "${router%% *}"
	;;
esac
