// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"regexp"

	"github.com/clipos/updater/policy"
)

// name is the number of a version or a channel.
type name uint16

const (
	noName    name = iota // none was told, or what was told is none
	otherName             // there are too many, or were when it was told
	firstName
)

// The words for them in reports.
const (
	unknownWord = "unknown"
	otherWord   = "other"
)

// names numbers texts that were told, so that a machine needs two bytes for
// one. What is not valid is no name.
//
// Machines tell anything, so how many of theirs are numbered is limited. What
// the server itself tells is not: else inventions would take the numbers of what
// is really offered.
type names struct {
	numbers map[string]name
	texts   []string
	// canonical gives the text that several spellings stand for, "" when it is
	// not valid.
	canonical func(string) string
	limit     int
	// told counts those that machines told first.
	told int
}

// maxNames is how many numbers there are.
const maxNames = 1<<16 - int(firstName)

func newNames(limit int, canonical func(string) string) *names {
	return &names{
		numbers:   map[string]name{"": noName},
		texts:     []string{noName: unknownWord, otherName: otherWord},
		canonical: canonical,
		limit:     min(limit, maxNames/2),
	}
}

// number is that of a text which a machine told.
func (n *names) number(text string) name {
	proper, number := n.find(text)
	if number != otherName || n.told >= n.limit {
		return number
	}
	n.told++
	return n.add(proper)
}

// own is the number of a text which the server told.
func (n *names) own(text string) name {
	proper, number := n.find(text)
	if number != otherName {
		return number
	}
	return n.add(proper)
}

// find returns otherName for what has no number yet.
func (n *names) find(text string) (proper string, number name) {
	if number, ok := n.numbers[text]; ok {
		return text, number
	}
	proper = n.canonical(text)
	if number, ok := n.numbers[proper]; ok {
		return proper, number
	}
	return proper, otherName
}

func (n *names) add(proper string) name {
	if len(n.texts) >= int(firstName)+maxNames {
		return otherName
	}
	number := name(len(n.texts)) //nolint:gosec // maxNames keeps it below 1<<16
	n.texts = append(n.texts, proper)
	n.numbers[proper] = number
	return number
}

// canonicalVersion drops build metadata, which says how an image was built.
func canonicalVersion(text string) string {
	v, err := policy.ParseRunningVersion(text)
	if err != nil {
		return ""
	}
	return v.String()
}

var channelForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

func canonicalChannel(text string) string {
	if !channelForm.MatchString(text) {
		return ""
	}
	return text
}
