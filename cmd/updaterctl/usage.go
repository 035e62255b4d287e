// SPDX-License-Identifier: LGPL-2.1-or-later

package main

// usage is also where the JSON output is documented; it changes only by getting
// more. docs/man/updaterctl.1.md and the files in completion say the same.
const usage = `Usage: updaterctl [OPTION]... VERB [ARGUMENT]

Verbs:
  status                what the update service knows
  check                 ask the server now
  update [VERSION]      install a version, by default the newest
      --follow            stay and show progress until it has ended; Ctrl-C
                          leaves the update running
  plan [VERSION]        what update would do, and what speaks against it
  cancel [TRANSACTION]  end an update, by default the one that runs
  versions              list the installed versions
  history               list the updates that have ended, newest first
      --limit N           at most N of them
  rollback [VERSION]    start an installed version with the next reboot, by
                        default the fallback
  hold REASON           let no update be installed unless somebody asks for it
      --until TIME        until 2026-12-01T08:00:00Z, "2026-12-01 08:00" (local
                          time), or for 12h, 3d, 1w; by default until unhold
  unhold                end the hold
  mark-good             the running version works
  mark-bad [REASON]     the running version does not work
  forget VERSION        allow a version that did not come up when it was booted
  reload                have the service read its configuration again
  monitor               show what happens until Ctrl-C

Options, before or after the verb:
  --bus ADDRESS      the bus to use: system (the default) or unix:path=...
  --json             print JSON, see below
  --no-ask-password  be refused rather than asked for a password
  --help             this text
  --version          print the version of this program

Exit status: 0 when it worked, 1 when it did not, 2 when it was called wrongly.
update --follow: 0 when the update was installed, 1 when not, or not yet.

JSON: one object, or for monitor and update --follow one object a line. Sizes
are bytes, times RFC 3339 or null, unknown numbers 0, missing texts "". An error
is null or {"name", "message"}, the name as in the "error:" line. Blockers are
an array of {"code", "text"}.
  status     daemon_version os_name running_version state stage transaction
             progress (0 to 1) bytes_done bytes_total bytes_per_second
             remaining_seconds cancelable available_version pending_version
             fallback_version reboot_required last_error last_check
             last_success next_check stale held hold_reason blockers
             failed_versions
  check      available version running download_bytes failed_before
  update     transaction
  plan       version method download_bytes reuse_bytes write_bytes volume
             replaces_volume reason entry replaces_entries cache_bytes esp_bytes
             group_bytes blockers
  cancel     cancelled
  versions   an array of: version state volume entry size_bytes tries_left
             tries_done (-1: the entry is not counted)
  history    an array of: transaction version from started finished result error
             bytes
  rollback   version
  hold       held hold_reason until
  unhold     held
  mark-good, mark-bad: result
  forget     version
  reload     reloaded
  monitor, update --follow; "event" says which of these it is:
             accepted (transaction; update --follow only), status (status, as
             above), progress (transaction stage progress bytes_done
             bytes_total), completed (transaction version error),
             update-available (as check), reboot-required (version), rolled-back
             (from to), vanished and returned (the service left the bus, or is
             there again)
`
