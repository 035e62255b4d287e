// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// errDamaged is the error of a line that is no entry.
var errDamaged = errors.New("damaged line")

// MachineID is a machine-id(5). The zero value is no machine: systemd gives
// none to anybody.
type MachineID [16]byte

func (m MachineID) String() string { return hex.EncodeToString(m[:]) }

// entry is one request.
type entry struct {
	unix    int64 // seconds
	machine MachineID
	// version, channel and offered are as written in the log: anything.
	version, channel, offered string
	kind                      Kind
	failed                    bool
	bytes                     int64
}

// logLine is an entry as it is written.
type logLine struct {
	Time    string `json:"time"`
	Machine string `json:"machine"`
	Version string `json:"version"`
	Channel string `json:"channel"`
	Offered string `json:"offered"`
	Path    string `json:"path"`
	// Status is a text: nginx writes 000 for an answer that never was, which
	// is no number in JSON.
	Status string `json:"status"`
	Bytes  int64  `json:"bytes"`
}

// earliest is before any log: no machine of ours has been asking for so long.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// maxAnswerBytes is more than any file of a release has. Without it few lines
// would be more than can be counted.
const maxAnswerBytes = 1 << 40

// parseEntry reads a line; latest is the last time that can be true.
func parseEntry(line []byte, latest time.Time) (entry, error) {
	var l logLine
	if err := json.Unmarshal(line, &l); err != nil {
		return entry{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	at, err := time.Parse(time.RFC3339, l.Time)
	if err != nil || at.Before(earliest) || at.After(latest) {
		return entry{}, fmt.Errorf("%w: time %.40q", errDamaged, l.Time)
	}
	status, err := strconv.ParseUint(l.Status, 10, 16)
	if err != nil || len(l.Status) != 3 {
		return entry{}, fmt.Errorf("%w: status %.40q", errDamaged, l.Status)
	}
	if l.Bytes < 0 || l.Bytes > maxAnswerBytes {
		return entry{}, fmt.Errorf("%w: %d bytes", errDamaged, l.Bytes)
	}
	e := entry{
		unix: at.Unix(), version: l.Version, channel: l.Channel, offered: l.Offered,
		kind: kindOf(l.Path), failed: status >= 400 && (status != http.StatusNotFound || !isOptional(l.Path)), bytes: l.Bytes,
	}
	if e.machine, err = parseMachineID(l.Machine); err != nil {
		return entry{}, err
	}
	return e, nil
}

// parseMachineID reads 32 hexadecimal digits, or nothing.
func parseMachineID(s string) (m MachineID, err error) {
	if s == "" {
		return m, nil
	}
	if len(s) != 2*len(m) {
		return m, fmt.Errorf("%w: machine %.40q", errDamaged, s)
	}
	if _, err := hex.Decode(m[:], []byte(s)); err != nil {
		return m, fmt.Errorf("%w: machine %.40q", errDamaged, s)
	}
	return m, nil
}

// Kind is what was asked for; the value is its name in reports.
type Kind string

// The kinds, as the web root's names tell them.
const (
	KindCheck     Kind = "check"     // a version document
	KindPlain     Kind = "plain"     // a payload as it is
	KindZstd      Kind = "zst"       // a payload, compressed
	KindPatch     Kind = "patch"     // what makes a payload out of an older one
	KindSignature Kind = "signature" // of any of them
	KindOther     Kind = "other"
)

// Kinds are all there are, in the order of reports.
func Kinds() []Kind {
	return []Kind{KindCheck, KindPlain, KindZstd, KindPatch, KindSignature, KindOther}
}

// isOptional tells that a client asks for something only to see whether it is
// there: the plain payload is always.
func isOptional(path string) bool {
	path = strings.TrimSuffix(path, ".sig")
	return strings.HasSuffix(path, ".patch") || strings.HasSuffix(path, ".zst")
}

// kindOf reads the path of a request, which may have a query.
func kindOf(path string) Kind {
	path, _, _ = strings.Cut(path, "?")
	switch {
	case strings.HasPrefix(path, "/update/"):
		return KindCheck
	case !strings.HasPrefix(path, "/dist/"):
		return KindOther
	case strings.HasSuffix(path, ".sig"):
		return KindSignature
	case strings.HasSuffix(path, ".patch"):
		return KindPatch
	case strings.HasSuffix(path, ".zst"):
		return KindZstd
	case strings.HasSuffix(path, "-core"), strings.HasSuffix(path, "-efiboot"):
		return KindPlain
	}
	return KindOther
}
