// SPDX-License-Identifier: LGPL-2.1-or-later

package fetchproxy

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/clipos/updater/policy"
)

// The only requests there are. Names begin with a letter or digit and none has
// two dots in a row; nothing is escaped, and there is no query.
var (
	pathForm      = regexp.MustCompile(`^/(update|dist)((?:/[a-zA-Z0-9](?:\.?[a-zA-Z0-9_-]){0,127}){2})$`)
	rangeForm     = regexp.MustCompile(`^bytes=[0-9]{1,19}-$`)
	validatorForm = regexp.MustCompile(`^[ -~]{1,256}$`)
	machineIDForm = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)
)

// request is one that is passed on.
type request struct {
	root, path string
	header     http.Header
}

// parse takes a request apart; the status is why it is refused, 0 when it is not.
func parse(r *http.Request) (q request, status int) {
	// As it was sent: what net/http makes of it may look better.
	path := pathForm.FindStringSubmatch(r.RequestURI)
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return q, http.StatusMethodNotAllowed
	case path == nil:
		return q, http.StatusForbidden
	case r.ContentLength != 0:
		return q, http.StatusBadRequest
	}
	q = request{path[1], path[2], make(http.Header)}
	ok := q.take(r.Header, "Clipos-Machineid", true, machineIDForm.MatchString) &&
		q.take(r.Header, "Clipos-Version", true, isVersion) &&
		q.take(r.Header, "Range", false, rangeForm.MatchString) &&
		q.take(r.Header, "If-Range", false, validatorForm.MatchString)
	if !ok {
		return q, http.StatusBadRequest
	}
	return q, 0
}

// take copies a header that is there once and has the right form.
func (q *request) take(from http.Header, name string, needed bool, isRight func(string) bool) bool {
	values := from.Values(name)
	if len(values) == 0 {
		return !needed
	}
	q.header[name] = values
	return len(values) == 1 && isRight(values[0])
}

// isVersion tells whether s is a running version as the daemon sends it.
func isVersion(s string) bool {
	_, err := policy.ParseRunningVersion(s)
	return err == nil && !strings.Contains(s, "+")
}
