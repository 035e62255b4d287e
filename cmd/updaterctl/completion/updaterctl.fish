# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion of updaterctl for fish.

# The words before the cursor that are neither options nor their values: the
# verb, and its argument.
function __updaterctl_words
    set -l value ''
    for word in (commandline -opc)[2..-1]
        if test -n "$value"
            set value ''
        else if contains -- $word --bus --until --limit
            set value $word
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

function __updaterctl_needs_verb
    test (count (__updaterctl_words)) -eq 0
end

# Whether the verb is one of the arguments.
function __updaterctl_verb_is
    set -l words (__updaterctl_words)
    test (count $words) -gt 0; and contains -- $words[1] $argv
end

# Whether the verb is one of the arguments, and has none itself yet.
function __updaterctl_needs_argument
    test (count (__updaterctl_words)) -eq 1; and __updaterctl_verb_is $argv
end

# The installed versions, from the bus that the command line names.
function __updaterctl_versions
    set -l bus
    set -l found (string match -r -- '--bus[= ]+(\S+)' (commandline -c))
    and set bus --bus $found[2]
    updaterctl $bus versions 2>/dev/null | awk 'NR > 1 { print $1 }'
end

complete -c updaterctl -f
complete -c updaterctl -l bus -x -a system -d 'The bus to use'
complete -c updaterctl -l json -d 'Print JSON'
complete -c updaterctl -l no-ask-password -d 'Be refused rather than asked for a password'
complete -c updaterctl -l help -d 'Show the usage'
complete -c updaterctl -l version -d 'Print the version'
complete -c updaterctl -n '__updaterctl_verb_is update' -l follow -d 'Stay and show progress until it has ended'
complete -c updaterctl -n '__updaterctl_verb_is history' -l limit -x -d 'At most so many'
complete -c updaterctl -n '__updaterctl_verb_is hold' -l until -x -a '12h 1d 3d 1w' -d 'The end of the hold'

complete -c updaterctl -n __updaterctl_needs_verb -a status -d 'What the update service knows'
complete -c updaterctl -n __updaterctl_needs_verb -a check -d 'Ask the server now'
complete -c updaterctl -n __updaterctl_needs_verb -a update -d 'Install a version'
complete -c updaterctl -n __updaterctl_needs_verb -a plan -d 'What update would do, and what speaks against it'
complete -c updaterctl -n __updaterctl_needs_verb -a cancel -d 'End an update'
complete -c updaterctl -n __updaterctl_needs_verb -a versions -d 'List the installed versions'
complete -c updaterctl -n __updaterctl_needs_verb -a history -d 'List the updates that have ended'
complete -c updaterctl -n __updaterctl_needs_verb -a rollback -d 'Start an installed version with the next reboot'
complete -c updaterctl -n __updaterctl_needs_verb -a hold -d 'Let no update be installed unless somebody asks for it'
complete -c updaterctl -n __updaterctl_needs_verb -a unhold -d 'End the hold'
complete -c updaterctl -n __updaterctl_needs_verb -a mark-good -d 'The running version works'
complete -c updaterctl -n __updaterctl_needs_verb -a mark-bad -d 'The running version does not work'
complete -c updaterctl -n __updaterctl_needs_verb -a forget -d 'Allow a version that did not come up'
complete -c updaterctl -n __updaterctl_needs_verb -a reload -d 'Have the service read its configuration again'
complete -c updaterctl -n __updaterctl_needs_verb -a monitor -d 'Show what happens'

complete -c updaterctl -n '__updaterctl_needs_argument update plan rollback forget' -a '(__updaterctl_versions)'
