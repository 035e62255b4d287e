// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

// forms are the translations of a phrase by the plural form of its number,
// which is the phrase's %d. A phrase without one has only other.
type forms map[plural.Form]string

const other = plural.Other

// words says phrases in the language of the user.
type words struct{ printer *message.Printer }

// translations are the languages there are. The first is spoken to those who
// speak none of them.
var translations = []struct {
	tag     language.Tag
	phrases map[phrase]forms
}{
	{language.English, english},
	{language.French, french},
}

// newWords chooses the language by a list of locales, the preferred first.
func newWords(locales []string) (words, error) {
	var wanted, known []language.Tag
	for _, l := range locales {
		if tag, ok := parseLocale(l); ok {
			wanted = append(wanted, tag)
		}
	}
	for _, t := range translations {
		known = append(known, t.tag)
	}
	_, chosen, _ := language.NewMatcher(known).Match(wanted...)
	builder := catalog.NewBuilder()
	for p, f := range translations[chosen].phrases {
		if err := builder.Set(known[chosen], string(p), f.message(p)); err != nil {
			return words{}, fmt.Errorf("translation of %q: %w", p, err)
		}
	}
	return words{message.NewPrinter(known[chosen], message.Catalog(builder))}, nil
}

// parseLocale understands a locale's name, language[_territory][.codeset]
// [@modifier] as in locale(7). "C" and "POSIX" name no language.
func parseLocale(locale string) (language.Tag, bool) {
	name, _, _ := strings.Cut(locale, "@")
	name, _, _ = strings.Cut(name, ".")
	if name == "C" || name == "POSIX" {
		return language.English, true
	}
	tag, err := language.Parse(strings.ReplaceAll(name, "_", "-"))
	return tag, err == nil && tag != language.Und
}

// message is a phrase's translation as the catalogue wants it.
func (f forms) message(p phrase) catalog.Message {
	fallback, ok := f[other]
	if !ok {
		fallback = string(p)
	}
	one, ok := f[plural.One]
	if !ok {
		return catalog.String(fallback)
	}
	return plural.Selectf(1, "%d", plural.One, one, other, fallback)
}

// say is a phrase with its arguments.
func (w words) say(p phrase, args ...any) string {
	return w.printer.Sprintf(message.Key(string(p), string(p)), args...)
}

// size is n bytes for people, in powers of ten as disks are sold.
func (w words) size(n int64) string {
	switch value := float64(n); {
	case n < 1000:
		return w.say(sizeBytes, max(n, 0))
	case value < 999_500: // rounds to less than 1000
		return w.say(sizeKilobytes, value/1e3)
	case value < 999.95e6:
		return w.say(sizeMegabytes, value/1e6)
	}
	return w.say(sizeGigabytes, float64(n)/1e9)
}

// left is how long something takes, roughly; "" when nobody knows.
func (w words) left(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Minute:
		return w.say(leftSeconds)
	case d < 90*time.Minute:
		return w.say(leftMinutes, int(d.Round(time.Minute).Minutes()))
	}
	return w.say(leftHours, int(d.Round(time.Hour).Hours()))
}
