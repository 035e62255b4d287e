# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# bash complete.bash FOLDER PROGRAM LINE
#
# Completes LINE, of PROGRAM, as bash does on a tab, with the function in FOLDER,
# and prints the candidates, one a line.
# shellcheck source=/dev/null
source "$1/$2.bash"
COMP_LINE=$3
COMP_POINT=${#COMP_LINE}
# Also at "=" and ":", as COMP_WORDBREAKS says.
split=${COMP_LINE//=/ = }
read -ra COMP_WORDS <<<"${split//:/ : }"
if [[ $COMP_LINE == *' ' ]]; then
	COMP_WORDS+=('')
fi
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
function=$(complete -p "$2" | sed 's/.*-F \([^ ]*\) .*/\1/')
"$function" "$2" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
