// SPDX-License-Identifier: LGPL-2.1-or-later

// Package daemon owns time: when to check, one job at a time, what to do at
// start and at the end, and what to tell systemd meanwhile.
//
// # One loop
//
// Everything the daemon knows belongs to one goroutine, [Daemon.Run]. Methods
// called from elsewhere hand it a function to run and wait; the three kinds of
// job, a check, an update and a chore, each run in a goroutine of their own and
// report back to it. There is at most one job. Whatever changes is published from
// the loop, so that every observer sees the same order: first the state that
// an event has led to, then the event. The loop itself never waits for the
// server, for LVM or for systemd's answer.
//
// # Transactions
//
// An update is a transaction: it is recorded before it begins, ends in exactly
// one CompletedEvent, and is struck off after that. A transaction found in the
// record at start was ended by a crash, and is completed then, as interrupted.
// A cancellation is obeyed or refused: once [Daemon.Cancel] has returned nil
// the transaction ends as cancelled, and once the final swap has begun Cancel
// returns ErrNotCancelable.
//
// # By itself
//
// What a check by schedule has found is fetched and installed by schedule, as
// far as [policy.Rules] allow at that moment; what only a caller's check has
// found is not. The rules are asked before an update begins and once more
// before it changes anything, because fetching takes its time: what may not be
// installed then stays in the cache, and waits. A caller's update takes over
// the one that runs. What failed or was cancelled is tried again after a wait
// that the loop keeps by itself, with or without a record.
//
// # Chores
//
// What must not run beside a check or an update, a rollback for example, is a
// job too. While an update runs it is refused, anything else is waited for; it
// goes on when its caller gives up.
//
// # Time
//
// Whether a check is due, an answer fresh or the last success long ago is
// asked of the wall clock, again at least once a minute: the monotonic one
// stands still while the machine sleeps, and a timer alone would be late by
// as much. How long the daemon runs is asked of the monotonic one, because
// the wall clock of a machine without a battery jumps soon after start.
//
// # Watchdog
//
// systemd is fed by the loop while it is idle, and only as long as the job
// gives signs of life while one runs: a job that hangs gets the daemon
// restarted, which is safe at any moment.
package daemon
