# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Completion of updaterctl for bash. It needs nothing of bash-completion.

# The installed versions, from the bus that the command line names. Only what
# can be in a version: compgen -W expands its words as the shell would.
_updaterctl_versions() {
	local -a bus=()
	if [[ $1 =~ --?bus[=[:space:]]+([^[:space:]]+) ]]; then
		bus=(--bus "${BASH_REMATCH[1]}")
	fi
	updaterctl "${bus[@]}" versions 2>/dev/null | awk 'NR > 1 && $1 ~ /^[0-9a-z.-]+$/ { print $1 }'
}

_updaterctl() {
	# Not COMP_WORDS: bash splits those at "=" and ":", which are in addresses.
	local line=${COMP_LINE:0:COMP_POINT} word current='' verb='' value='' argument=''
	local -a words=()
	read -ra words <<<"$line"
	if [[ $line != *[[:space:]] ]]; then
		current=${words[-1]}
		unset 'words[-1]'
	fi
	for word in "${words[@]:1}"; do
		if [[ -n $value ]]; then
			value=''
			continue
		fi
		case $word in
		-bus | --bus | -until | --until | -limit | --limit) value=$word ;;
		-*) ;;
		*) if [[ -z $verb ]]; then verb=$word; else argument=$word; fi ;;
		esac
	done

	local candidates=''
	if [[ -n $value ]]; then
		case $value in
		*bus) candidates='system' ;;
		*until) candidates='12h 1d 3d 1w' ;;
		esac
	elif [[ $current == -* ]]; then
		candidates='--bus --json --no-ask-password --help --version'
		case $verb in
		update) candidates+=' --follow' ;;
		hold) candidates+=' --until' ;;
		history) candidates+=' --limit' ;;
		esac
	elif [[ -z $verb ]]; then
		candidates='status check update plan cancel versions history rollback hold unhold'
		candidates+=' mark-good mark-bad forget reload monitor'
	elif [[ -z $argument ]]; then
		case $verb in
		update | plan | rollback | forget) candidates=$(_updaterctl_versions "$line") ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")
}

complete -F _updaterctl updaterctl
