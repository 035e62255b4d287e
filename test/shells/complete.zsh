# SPDX-License-Identifier: LGPL-2.1-or-later
#
# zsh -f complete.zsh FOLDER LINE
#
# Types LINE and a tab into a zsh on a terminal of its own, whose completion
# functions are in FOLDER as well, and prints the candidates, one a line.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= PS2=
fpath=(${(q)1} \$fpath)
autoload -Uz compinit
compinit -u -D
compadd() {
	local -a candidates
	builtin compadd -O candidates \"\$@\"
	(( \$#candidates )) && print -r -- \"<<\${(j: :)candidates}>>\"
	builtin compadd \"\$@\"
}
finish() { print -r -- '<<en''d>>' }
zle -N finish
bindkey '^I' complete-word '^X' finish
print -r -- '<<begi''n>>'"
zpty -r shell discarded '*<<begin>>*'
zpty -w -n shell "$2"$'\t\x18'
zpty -r shell output '*<<end>>*'
zpty -d shell
print -r -- "$output" | grep -o '<<[^>]*>>' | tr -d '<>' | tr ' ' '\n' | grep -vx end
