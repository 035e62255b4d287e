// SPDX-License-Identifier: LGPL-2.1-or-later

package main

// usage is also where the JSON output is documented; it changes only by getting
// more. docs/man/updater-release.1.md and the files in completion say the same.
const usage = `Usage: updater-release [OPTION]... VERB [ARGUMENT]

Verbs:

Options, before or after the verb:
  --webroot DIR      the folder that is published (default webroot)
  --channels FILE    who is offered what (default channels.toml)
  --product NAME     the product, os_name of its config.toml; by default the one
                     that the channels file names
  --json             print JSON, see below
  --version          print the version of this program
  --help             this text

Exit status: 0 when it worked, 1 when it did not or something was found, 2 when
it was called wrongly.
`
