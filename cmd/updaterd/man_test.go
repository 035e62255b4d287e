// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// The manual page explains the options that the usage text does, and --help.
func TestOptionsAreInTheManualPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/man/updaterd.8.md")
	if err != nil {
		t.Fatal(err)
	}
	options := func(pattern, text string) (names []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	want := append(options(`(?m)^ +(--[a-z-]+)`, usage), "--help")
	slices.Sort(want)
	if got := options(`(?m)^\*\*(--[a-z-]+)\*\*( \*[A-Z]+\*)?\n: `, string(page)); !slices.Equal(got, want) {
		t.Errorf("manual page %q, usage %q", got, want)
	}
}
