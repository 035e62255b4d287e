# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Completion of updater-release for bash. It needs nothing of bash-completion.

# The releases in the web root that the options before lead to. Only what can
# be in a version: compgen -W expands its words as the shell would.
_updater_release_versions() {
	updater-release "$@" list 2>/dev/null | awk 'NR > 1 && $1 ~ /^[0-9a-z.-]+$/ { print $1 }'
}

# The channels of a file, and the one that is always there.
_updater_release_channels() {
	echo stable
	sed -n 's/^\[channel\.\([a-z][a-z0-9-]*\)\].*/\1/p' "$1" 2>/dev/null
}

_updater_release() {
	# Not COMP_WORDS: bash splits those at "=" and ":", which are in addresses.
	local line=${COMP_LINE:0:COMP_POINT} word current='' verb='' value='' argument='' channels=channels.toml
	local -a words=() site=()
	read -ra words <<<"$line"
	if [[ $line != *[[:space:]] ]]; then
		current=${words[-1]}
		unset 'words[-1]'
	fi
	for word in "${words[@]:1}"; do
		if [[ -n $value ]]; then
			case $value in
			--webroot | --product) site+=("$value" "$word") ;;
			--channels)
				site+=("$value" "$word")
				channels=$word
				;;
			esac
			value=''
			continue
		fi
		case $word in
		--json | --version | --help | --no-password | -W | --allow-older | --dry-run | --html) ;;
		-*=*) ;;
		-*) value=$word ;;
		*) if [[ -z $verb ]]; then verb=$word; else argument=$word; fi ;;
		esac
	done

	local candidates='' files=''
	if [[ -n $value ]]; then
		case $value in
		--boot-order) candidates='set-default refuse' ;;
		--channel) candidates=$(_updater_release_channels "$channels") ;;
		--percent) candidates='1 10 50 100' ;;
		--webroot) files=-d ;;
		--channels | --key | --password-file | --pubkey | --core | --efiboot | --ca-out | --certificate | --certificate-key | --access-log) files=-f ;;
		esac
	elif [[ $current == -* ]]; then
		candidates='--webroot --channels --product --json --help'
		case $verb in
		'') candidates+=' --version' ;;
		keygen) candidates+=' --key --pubkey --password-file --no-password -W' ;;
		add)
			candidates+=' --core --efiboot --patches --level --boot-order --channel --percent --allow-older'
			candidates+=' --key --pubkey --password-file --workers --memory --root-hash-parameter'
			;;
		verify) candidates+=' --pubkey --workers --memory --root-hash-parameter' ;;
		promote) candidates+=' --channel --percent --allow-older --pubkey --workers --memory --root-hash-parameter' ;;
		prune) candidates+=' --keep --dry-run' ;;
		serve) candidates+=' --listen --ca-out --certificate --certificate-key' ;;
		nginx) candidates+=' --listen --server-name --certificate --certificate-key --access-log' ;;
		fleet) candidates+=' --html --days' ;;
		esac
	elif [[ -z $verb ]]; then
		candidates='keygen add verify promote list prune serve nginx fleet'
	elif [[ $verb == fleet ]]; then
		files=-f
	elif [[ $verb == promote && -z $argument ]]; then
		candidates=$(_updater_release_versions "${site[@]}")
	fi
	if [[ -n $files ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen "$files" -- "$current")
	else
		mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")
	fi
}

complete -F _updater_release updater-release
