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
	otherName             // there are too many
	firstName
)

// The words for them in reports.
const (
	unknownWord = "unknown"
	otherWord   = "other"
)

// names numbers texts that were told, so that a machine needs two bytes for
// one. What is not valid is no name.
type names struct {
	numbers map[string]name
	texts   []string
	// canonical gives the text that several spellings stand for, "" when it is
	// not valid.
	canonical func(string) string
	limit     int
}

func newNames(limit int, canonical func(string) string) *names {
	return &names{
		numbers:   map[string]name{"": noName},
		texts:     []string{noName: unknownWord, otherName: otherWord},
		canonical: canonical,
		limit:     min(limit, 1<<16-int(firstName)),
	}
}

func (n *names) number(text string) name {
	if number, ok := n.numbers[text]; ok {
		return number
	}
	proper := n.canonical(text)
	number, ok := n.numbers[proper]
	switch {
	case ok:
	case len(n.texts)-int(firstName) >= n.limit:
		return otherName
	default:
		number = name(len(n.texts)) //nolint:gosec // limit keeps it below 1<<16
		n.texts = append(n.texts, proper)
		n.numbers[proper] = number
	}
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
