// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import "strings"

// escape is text as man(7) prints it.
func escape(text string) string {
	text = strings.ReplaceAll(text, `\`, `\e`)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// tidy makes every hyphen the one of the keyboard, which readers search for and
// copy, where some versions of troff would print another, and drops empty lines
// before requests: those that begin something bring a space of their own, all
// but an example.
func tidy(page string) string {
	var lines []string
	empty := false
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			empty = true
			continue
		}
		request := strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'")
		switch {
		case empty && line == ".EX":
			lines = append(lines, ".PP")
		case empty && !request:
			lines = append(lines, "")
		}
		empty = false
		if !strings.HasPrefix(line, ".TH ") {
			line = strings.ReplaceAll(strings.ReplaceAll(line, `\-`, "-"), "-", `\-`)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\n"
}
