// SPDX-License-Identifier: LGPL-2.1-or-later

// Package manual reads what is written about a program, such as its manual
// page or its usage text, for tests that compare it with the program.
package manual

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Found are the first groups of all matches, sorted, each once.
func Found(pattern, text string) (words []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		words = append(words, m[1])
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// Section is what is between a heading and the next.
func Section(t *testing.T, text, heading, next string) string {
	t.Helper()
	_, after, ok := strings.Cut(text, heading)
	if !ok {
		t.Fatalf("no %q", heading)
	}
	before, _, _ := strings.Cut(after, next)
	return before
}
