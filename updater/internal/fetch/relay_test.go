// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"bufio"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// FuzzTold reads the answer of a fetcher that somebody has taken over, as
// net/http does: whatever it says is one known failure or none, in words that
// fit in a line of a log.
func FuzzTold(f *testing.F) {
	for _, headers := range []string{
		"",
		"Updater-Fetch-Failure: TLSFailed\r\nUpdater-Fetch-Reason: expired\r\n",
		"Updater-Fetch-Failure: Nonsense\r\nUpdater-Fetch-Reason: \u009b2J\r\n",
		"Updater-Fetch-Failure: TooSlow\r\nUpdater-Fetch-Reason: " + strings.Repeat("x", 4*maxTextBytes) + "\r\n",
		"Updater-Fetch-Failure: TooSlow\r\nUpdater-Fetch-Failure: ServerError\r\n",
		"Updater-Fetch-Length: 42\r\n",
		"Updater-Fetch-Length: -1\r\n",
		"Updater-Fetch-Length: 99999999999999999999\r\n",
		"Updater-Fetch-Length: 1\r\nUpdater-Fetch-Length: 1\r\n",
	} {
		f.Add(headers)
	}
	f.Fuzz(func(t *testing.T, headers string) {
		answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\n"+headers+"\r\n")), nil)
		if err != nil {
			return
		}
		defer answer.Body.Close()
		failure := told(answer.Header)
		if _, said := answer.Header[headerFailure]; said != (failure != nil) {
			t.Fatalf("%v of %q", failure, answer.Header)
		}
		wantKnown(t, failure)
		bytes, err := toldLength(answer.Header)
		wantKnown(t, err)
		said := answer.Header.Values(headerLength)
		switch {
		case err != nil && bytes != -1, len(said) == 0 && bytes != -1, bytes < -1:
			t.Fatalf("%d, %v of %q", bytes, err, said)
		case bytes >= 0 && (len(said) != 1 || strings.TrimLeft(said[0], "0") != strings.TrimPrefix(strconv.FormatInt(bytes, 10), "0")):
			t.Fatalf("%q is read as %d", said, bytes)
		}
	})
}

// wantKnown demands that an error is nil, or has one of the classes and a text
// of one line that is not long.
func wantKnown(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	classes := 0
	var f *toldError
	if errors.As(err, &f) {
		for _, known := range failureNames {
			if errors.Is(f.class, known.class) {
				classes++
			}
		}
	}
	// Two texts from outside, whose bytes may have to be escaped.
	if classes != 1 || strings.ContainsFunc(err.Error(), unicode.IsControl) || len(err.Error()) > 10*maxTextBytes {
		t.Fatalf("%d classes: %q", classes, err)
	}
}
