# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion of updater-release for fish.

# The words before the cursor that are neither options nor their values: the
# verb, and its arguments.
function __updater_release_words
    set -l value ''
    for word in (commandline -opc)[2..-1]
        if test -n "$value"
            set value ''
        else if contains -- $word --json --version --help --no-password -W --allow-older --dry-run --html
        else if string match -q -- '-*=*' $word
        else if string match -q -- '-*' $word
            set value $word
        else
            echo $word
        end
    end
end

function __updater_release_needs_verb
    test (count (__updater_release_words)) -eq 0
end

# Whether the verb is one of the arguments.
function __updater_release_verb_is
    set -l words (__updater_release_words)
    test (count $words) -gt 0; and contains -- $words[1] $argv
end

# Whether the verb is one of the arguments, and has none itself yet.
function __updater_release_needs_argument
    test (count (__updater_release_words)) -eq 1; and __updater_release_verb_is $argv
end

# The options before the cursor that lead to the web root.
function __updater_release_site
    for option in --webroot --channels --product
        set -l found (string match -r -- "$option""[= ]+(\S+)" (commandline -c))
        and printf '%s\n' $option $found[2]
    end
end

function __updater_release_versions
    updater-release (__updater_release_site) list 2>/dev/null | awk 'NR > 1 { print $1 }'
end

# The channels of the file, and the one that is always there.
function __updater_release_channels
    echo stable
    set -l file channels.toml
    set -l found (string match -r -- '--channels[= ]+(\S+)' (commandline -c))
    and set file $found[2]
    sed -n 's/^\[channel\.\([a-z][a-z0-9-]*\)\].*/\1/p' $file 2>/dev/null
end

complete -c updater-release -f
complete -c updater-release -l webroot -x -a '(__fish_complete_directories)' -d 'The folder that is published'
complete -c updater-release -l channels -r -F -d 'Who is offered what'
complete -c updater-release -l product -x -d 'os_name of the product'
complete -c updater-release -l json -d 'Print JSON'
complete -c updater-release -l help -d 'Show the usage'
complete -c updater-release -n __updater_release_needs_verb -l version -d 'Print the version'

complete -c updater-release -n '__updater_release_verb_is keygen add' -l key -r -F -d 'The secret key'
complete -c updater-release -n '__updater_release_verb_is keygen add' -l password-file -r -F -d 'Its password is in the first line'
complete -c updater-release -n '__updater_release_verb_is keygen add verify promote' -l pubkey -r -F -d 'The public key'
complete -c updater-release -n '__updater_release_verb_is keygen' -s W -l no-password -d 'Leave the secret key unencrypted'
complete -c updater-release -n '__updater_release_verb_is add verify promote' -l workers -x -d 'How much at the same time'
complete -c updater-release -n '__updater_release_verb_is add verify promote' -l memory -x -a '1G 2G 4G' -d 'How much memory at most'
complete -c updater-release -n '__updater_release_verb_is add verify promote' -l root-hash-parameter -x -d 'trust.root_hash_parameter of config.toml'
complete -c updater-release -n '__updater_release_verb_is add promote' -l channel -x -a '(__updater_release_channels)' -d 'Which channel'
complete -c updater-release -n '__updater_release_verb_is add promote' -l percent -x -a '1 10 50 100' -d 'To how many of its machines'
complete -c updater-release -n '__updater_release_verb_is add promote' -l allow-older -d 'Go back'
complete -c updater-release -n '__updater_release_verb_is add' -l core -r -F -d 'The core image'
complete -c updater-release -n '__updater_release_verb_is add' -l efiboot -r -F -d 'The EFI binary'
complete -c updater-release -n '__updater_release_verb_is add' -l patches -x -d 'From how many releases before'
complete -c updater-release -n '__updater_release_verb_is add' -l level -x -d 'Of zstd, 1 to 19'
complete -c updater-release -n '__updater_release_verb_is add' -l boot-order -x -a 'set-default refuse' -d 'When systemd-boot would not start it'
complete -c updater-release -n '__updater_release_verb_is prune' -l keep -x -d 'How many of the newest stay'
complete -c updater-release -n '__updater_release_verb_is prune' -l dry-run -d 'Only say what would be removed'
complete -c updater-release -n '__updater_release_verb_is serve nginx' -l listen -x -d 'Where to listen'
complete -c updater-release -n '__updater_release_verb_is serve' -l ca-out -r -F -d 'Write the root certificate here'
complete -c updater-release -n '__updater_release_verb_is serve nginx' -l certificate -r -F -d 'Of the server'
complete -c updater-release -n '__updater_release_verb_is serve nginx' -l certificate-key -r -F -d 'Of the certificate'
complete -c updater-release -n '__updater_release_verb_is nginx' -l server-name -x -d 'Of the server'
complete -c updater-release -n '__updater_release_verb_is nginx' -l access-log -r -F -d 'What fleet reads'
complete -c updater-release -n '__updater_release_verb_is fleet' -l html -d 'Print a page'
complete -c updater-release -n '__updater_release_verb_is fleet' -l days -x -d 'How long a machine may be away'

complete -c updater-release -n __updater_release_needs_verb -a keygen -d 'Make a minisign key pair'
complete -c updater-release -n __updater_release_needs_verb -a add -d 'Sign two payloads and publish them as a release'
complete -c updater-release -n __updater_release_needs_verb -a verify -d 'Judge the whole web root as clients would'
complete -c updater-release -n __updater_release_needs_verb -a promote -d 'Offer a release to the machines of a channel'
complete -c updater-release -n __updater_release_needs_verb -a list -d 'The releases, and who is offered them'
complete -c updater-release -n __updater_release_needs_verb -a prune -d 'Remove releases that nobody needs'
complete -c updater-release -n __updater_release_needs_verb -a serve -d 'Serve the web root for development'
complete -c updater-release -n __updater_release_needs_verb -a nginx -d 'Print the configuration of an nginx'
complete -c updater-release -n __updater_release_needs_verb -a fleet -d 'What the machines run, from access logs'

complete -c updater-release -n '__updater_release_needs_argument promote' -a '(__updater_release_versions)'
complete -c updater-release -n '__updater_release_verb_is fleet' -F
