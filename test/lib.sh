#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What demo and benchmarks share, to be sourced: a working folder, processes that
# end with the script, and a whole fake system in a folder.
set -euo pipefail

# The daemon believes only files of root. Anybody may be root over files of
# his own.
become_root() {
	if ((EUID != 0)); then
		exec unshare --map-root-user -- "$0" "$@"
	fi
}

# open_work makes the folder $work, on a disk where there is one, and sees to
# it that nothing is left at the end.
open_work() {
	work=$(mktemp -d "${TMPDIR:-/var/tmp}/updater-$1.XXXXXX")
	pids=()
	trap close_work EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

close_work() {
	local status=$?
	trap - EXIT
	# The last started first: it may need the others.
	while ((${#pids[@]} > 0)); do
		stop "${pids[-1]}" 2>/dev/null || true
	done
	rm -rf "$work"
	exit "$status"
}

die() {
	echo "error: $*" >&2
	exit 1
}

# spawn runs a program beside the script: spawn NAME COMMAND... Its output is
# in $work/NAME.out and .log, its number in $spawned.
spawn() {
	local name=$1
	shift
	"$@" >"$work/$name.out" 2>"$work/$name.log" </dev/null &
	spawned=$!
	pids+=("$spawned")
}

# wait_for CONDITION... waits until a command succeeds, for as long as the
# program spawned last is there, but not for ever.
wait_for() {
	local tries
	for ((tries = 0; tries < 300; tries++)); do
		"$@" >/dev/null 2>&1 && return
		if ! kill -0 "$spawned" 2>/dev/null; then
			cat "$work"/*.log >&2
			die "ended while waiting for: $*"
		fi
		sleep 0.1
	done
	die "waited in vain for: $*"
}

# start_nginx starts an nginx with one worker in $work, which must have what
# standard input, the content of its http block, names.
start_nginx() {
	mkdir -p "$work/tmp"
	cat >"$work/nginx.conf" <<-END
		user $(id -un);
		daemon off;
		worker_processes 1;
		pid nginx.pid;
		events { worker_connections 1024; }
		http {
		  client_body_temp_path tmp;
		  proxy_temp_path tmp;
		  fastcgi_temp_path tmp;
		  uwsgi_temp_path tmp;
		  scgi_temp_path tmp;
		$(cat)
		}
	END
	spawn nginx nginx -p "$work" -c nginx.conf -e "$work/nginx.log"
}

# free_port prints a port of the loopback interface where nobody listens: nginx
# cannot take one by itself.
free_port() {
	local port=18543
	while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		((++port))
	done
	echo "$port"
}

# stop PID ends a program that was spawned and returns its exit status.
stop() {
	local pid rest=()
	for pid in "${pids[@]}"; do
		[[ $pid == "$1" ]] || rest+=("$pid")
	done
	pids=("${rest[@]}")
	# One that has ended already has a status too.
	kill "$1" 2>/dev/null || true
	wait "$1"
}

# build_programs puts what `make build` makes, and what only tests need, into
# $work/bin.
build_programs() {
	make --silent build
	CGO_ENABLED=0 go build -o "$work/bin/" ./test/cmd/...
	cp bin/updaterd bin/updaterctl "$work/bin/"
}

# make_system ROOT VERSION URL AUTHORITY SIZE: a machine in the folder ROOT
# that runs VERSION, asks the server at URL, trusts the root certificate in the
# file AUTHORITY and keeps its images, of SIZE, in a folder.
make_system() {
	local root=$1 version=$2 url=$3 authority=$4 size=$5
	mkdir -p "$root"/{etc/updater,usr/lib/updater,run,dev,sys/firmware/efi/efivars,var/lib/images,mnt/efiboot/EFI/Linux}
	mkdir -m 700 "$root/var/lib/updater"
	cat >"$root/etc/os-release" <<-END
		NAME="CLIP OS"
		ID=clipos
		VERSION_ID="$version"
	END
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
	cp test/keys/updater-test.pub "$root/usr/lib/updater/pubkey"
	cat >"$root/usr/lib/updater/config.toml" <<-END
		os_name = "clipos"
		[core]
		backend = "directory"
		destination = "/var/lib/images"
		size = "$size"
		[efiboot]
		destination = "/mnt/efiboot/EFI/Linux"
	END
	cp "$authority" "$root/etc/updater/rootca.pem"
	cat >"$root/etc/updater/remote.toml" <<-END
		update_url = "$url/update/v1"
		dist_url = "$url/dist"
	END
}

# install_release WEBROOT VERSION ROOT SIZE: what an update to VERSION would
# have left in ROOT.
install_release() {
	local dist=$1/dist/$2 version=$2 root=$3 size=$4
	cp "$dist/clipos-core" "$root/var/lib/images/core_$version"
	truncate --size "$size" "$root/var/lib/images/core_$version"
	cp "$dist/clipos-efiboot" "$root/mnt/efiboot/EFI/Linux/clipos-$version.efi"
}

# start_bus starts a message bus of our own at $bus, where everybody may do
# everything.
start_bus() {
	bus=unix:path=$work/bus
	cat >"$work/bus.conf" <<-END
		<busconfig>
		  <type>session</type>
		  <listen>$bus</listen>
		  <auth>EXTERNAL</auth>
		  <policy context="default">
		    <allow send_destination="*"/>
		    <allow receive_sender="*"/>
		    <allow own="*"/>
		  </policy>
		</busconfig>
	END
	spawn bus dbus-daemon --config-file="$work/bus.conf" --nofork --nosyslog
	wait_for test -S "$work/bus"
}

# start_daemon ROOT starts updaterd for the system in ROOT on our bus.
start_daemon() {
	spawn updaterd "$work/bin/updaterd" --root "$1" --bus "$bus"
	wait_for on_bus get-property org.clipos.Updater1 /org/clipos/Updater1 org.clipos.Updater1 State
}

on_bus() { busctl --address="$bus" "$@"; }
