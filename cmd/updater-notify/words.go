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
	chosen := translations[choose(locales)]
	builder := catalog.NewBuilder()
	for p, f := range chosen.phrases {
		if err := builder.Set(chosen.tag, string(p), f.message(p)); err != nil {
			return words{}, fmt.Errorf("translation of %q: %w", p, err)
		}
	}
	return words{message.NewPrinter(chosen.tag, message.Catalog(builder))}, nil
}

// choose returns the index of the translation into the first language that has
// one, as gettext does. What speakers of a language are likely to understand
// besides is no matter: whoever wants that has it in the list.
func choose(locales []string) int {
	for _, l := range locales {
		for i, t := range translations {
			if t.tag.String() == languageOf(l) {
				return i
			}
		}
	}
	return 0
}

// languageOf is the language in a locale's name, language[_territory][.codeset]
// [@modifier] as in locale(7). "C" and "POSIX" are what programs say by
// themselves.
func languageOf(locale string) string {
	name := locale
	if i := strings.IndexAny(locale, "_.@"); i >= 0 {
		name = locale[:i]
	}
	if name == "C" || name == "POSIX" {
		return language.English.String()
	}
	return name
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
