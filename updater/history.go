// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"fmt"
	"time"
)

// Result is how a transaction ended. The value is the public name.
type Result string

// The results of a transaction.
const (
	// ResultInstalled: the version waits for a reboot.
	ResultInstalled Result = "installed"
	// ResultFetched: fetched and verified, and by policy not installed.
	ResultFetched Result = "fetched"
	ResultFailed  Result = "failed"
	// ResultCancelled: somebody cancelled it.
	ResultCancelled Result = "cancelled"
	// ResultInterrupted: the service or the machine did not survive it.
	ResultInterrupted Result = "interrupted"
)

// historyEntries is how many transactions are remembered.
const historyEntries = 100

// History are transactions that have ended, newest first.
type History []HistoryEntry

// With returns the history with one more transaction and, if it is long, one
// less.
func (h History) With(e HistoryEntry) History {
	e.Message = fmt.Sprintf("%.*s", messageRunes, e.Message)
	return append(History{e}, h[:min(len(h), historyEntries-1)]...)
}

// messageRunes is how much of an error's text is worth keeping.
const messageRunes = 500

// HistoryEntry is a transaction that has ended.
type HistoryEntry struct {
	Transaction string `json:"transaction"`
	// Version was to be installed, From ran meanwhile.
	Version  string    `json:"version"`
	From     string    `json:"from"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	Result   Result    `json:"result"`
	// ErrorName is the public name of the error, as clients know it, and
	// Message its text; both are empty without one.
	ErrorName string `json:"error,omitempty"`
	Message   string `json:"message,omitempty"`
	// Bytes is how much was fetched from the server.
	Bytes int64 `json:"bytes"`
}
