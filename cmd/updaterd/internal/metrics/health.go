// SPDX-License-Identifier: LGPL-2.1-or-later

package metrics

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/updater"
)

// maxReasonRunes is how much of an error's text is worth an alert.
const maxReasonRunes = 256

// serveHealth answers from what was published last, at once.
func (m *Metrics) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if reason := ailment(m.present.current.Load()); reason != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, reason)
		return
	}
	fmt.Fprintln(w, "ok")
}

// ailment says in a line what is wrong with the updates of this machine, "" for
// nothing.
func ailment(o *updater.Overview) string {
	switch {
	case o == nil:
		return "starting"
	case o.State == updater.StateFailed:
		return fmt.Sprintf("failed: %s: %s", dbusapi.ErrorName(o.LastError), oneLine(o.LastError))
	case o.Stale && o.LastSuccess.IsZero():
		return "stale: no check has succeeded yet"
	case o.Stale:
		return "stale: no check has succeeded since " + o.LastSuccess.UTC().Format(time.RFC3339)
	}
	return ""
}

// oneLine is the text of an error, some of which may come from the server,
// without what would end the line.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	s := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, err.Error())
	return fmt.Sprintf("%.*s", maxReasonRunes, s)
}
