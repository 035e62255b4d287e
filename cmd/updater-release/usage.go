// SPDX-License-Identifier: LGPL-2.1-or-later

package main

// usage is also where the JSON output is documented; it changes only by getting
// more. docs/man/updater-release.1.md and the files in completion say the same.
const usage = `Usage: updater-release [OPTION]... VERB [OPTION]... [ARGUMENT]

Verbs:
  keygen                make a minisign key pair
      --pubkey FILE       the public key (default updater.pub)
      --no-password, -W   leave the secret key unencrypted
  add VERSION           sign two payloads and publish them as a release, with the
                        compressed image and patches; nobody is offered it yet
      --core FILE         the core image
      --efiboot FILE      the EFI binary that boots it
      --patches N         from how many releases before (default 3), and from as
                          many more at most that channels are offered now
      --level N           of zstd, 1 to 19 (default 19)
      --boot-order WHAT   when systemd-boot would not start it by default:
                          set-default (the default) warns, refuse does not add it
      --channel NAME      offer it at once, as promote does
  verify                judge the whole web root as clients would; prints a line
                        for each finding
  promote VERSION       offer a release to the machines of a channel
      --channel NAME      which channel (default stable)
      --percent N         to so many of its machines (default 100), the rest stays
                          with what all of them see
      --allow-older       go back, or to fewer machines
  list                  the releases, and who is offered them
  prune                 remove releases: not what is offered, nor the bases of
                        patches to it or to a release that is kept
      --keep N            how many of the newest stay in any case
      --dry-run           only say what would be removed
  serve                 serve the web root and its channels on https, for
                        development
      --listen ADDRESS    (default 127.0.0.1:8000; port 0 takes a free one)
      --ca-out FILE       make a certificate, and write the root to trust there
      --certificate FILE  the server's certificate and its issuers
      --certificate-key FILE
  nginx                 print the configuration of an nginx that serves the web
                        root and its channels
      --listen ADDRESS    (default 443 and [::]:443; may be repeated)
      --server-name NAME  (may be repeated)
      --certificate FILE  on the server
      --certificate-key FILE
      --access-log FILE   (default /var/log/nginx/updater.log)
  fleet LOG...          what the machines run, from the server's access logs
      --html              print a page
      --days N            how long a machine may be away (default 14)

Options of keygen and add:
  --key FILE            the secret key (default updater.key)
  --password-file FILE  its password is in the first line, rather than asked for;
                        also /dev/fd/3

Options of add, verify and promote:
  --pubkey FILE         the public key that clients have (default updater.pub);
                        add does without the default one, unless with --channel
  --workers N           how much is done at the same time (default: the number of
                        processors)
  --memory SIZE         take about so much memory at most, as 2G; one worker
                        takes 300M
  --root-hash-parameter NAME
                        trust.root_hash_parameter of the product's config.toml

Options, before or after the verb:
  --webroot DIR         the folder that is published (default webroot)
  --channels FILE       who is offered what (default channels.toml)
  --product NAME        os_name of the product's config.toml; by default the one
                        that the channels file names
  --json                print JSON, see below
  --version             print the version of this program
  --help                this text

Exit status: 0 when it worked, 1 when it did not or something was found, 2 when
it was called wrongly.

JSON: one object, for list an array. Sizes are bytes, missing texts "". add
--channel prints two objects, a line each.
  keygen     key_id key pubkey
  add        version files (an array of name and size_bytes); then as promote
  verify     findings (an array of file and text)
  promote    channel version percent previous machines
  list       version core_bytes compressed_bytes patches_from offered_to
             version_document
  prune      removed removed_patches (an array of from and to) dry_run
  serve      url
  fleet      from to window_days active_machines missing_machines versions
             rollouts adoption missing served requests broken_logs channels
`
