// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/text/feature/plural"
)

func speak(t *testing.T, locales ...string) words {
	t.Helper()
	w, err := newWords(locales)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// allPhrases reads phrases.go, where all phrases are.
func allPhrases(t *testing.T) (phrases []phrase) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "phrases.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			phrases = append(phrases, phrase(text))
		}
		return true
	})
	if len(phrases) < 50 {
		t.Fatalf("only %d phrases", len(phrases))
	}
	return phrases
}

var placeholder = regexp.MustCompile(`%[^%a-z]*[a-z]`)

// TestTranslations: each language has each phrase and no other, with the same
// placeholders in the same order, and both forms where there is a number.
func TestTranslations(t *testing.T) {
	phrases := allPhrases(t)
	for _, translation := range translations {
		name := translation.tag.String()
		for p := range translation.phrases {
			if !slices.Contains(phrases, p) {
				t.Errorf("%s: nobody says %q", name, p)
			}
		}
		for _, p := range phrases {
			f, ok := translation.phrases[p]
			if !ok && name != "en" {
				t.Errorf("%s: %q is missing", name, p)
				continue
			}
			placeholders := placeholder.FindAllString(string(p), -1)
			if f[plural.Other] == "" && name != "en" {
				t.Errorf("%s: %q has no form for all numbers", name, p)
			}
			counted := slices.Contains(placeholders, "%d") && p != progressBody
			if _, one := f[plural.One]; one != counted {
				t.Errorf("%s: %q has a form for one: %t", name, p, one)
			}
			for form, text := range f {
				got := placeholder.FindAllString(text, -1)
				// One need not be said as a number.
				if form == plural.One && len(got) == len(placeholders)-1 {
					got = slices.Insert(got, 0, "%d")
				}
				if !slices.Equal(got, placeholders) {
					t.Errorf("%s: %q has %q, the phrase %q", name, text, got, placeholders)
				}
			}
		}
	}
}

// TestFrenchSpaces: no line is broken before a colon, a unit or a percent sign.
func TestFrenchSpaces(t *testing.T) {
	broken := regexp.MustCompile(` [:;!?»]| %%|« |%d |%\.\df `)
	for p, f := range french {
		for _, text := range f {
			if found := broken.FindString(text); found != "" {
				t.Errorf("%q: %q in %q", p, found, text)
			}
		}
	}
}

func TestLanguage(t *testing.T) {
	for name, test := range map[string]struct {
		environment map[string]string
		want        string
	}{
		"nothing":                    {nil, "Later"},
		"C":                          {map[string]string{"LANG": "C.UTF-8"}, "Later"},
		"French":                     {map[string]string{"LANG": "fr_FR.UTF-8"}, "Plus tard"},
		"French of Canada":           {map[string]string{"LANG": "fr_CA"}, "Plus tard"},
		"with a modifier":            {map[string]string{"LANG": "fr_FR@euro"}, "Plus tard"},
		"a language there is not":    {map[string]string{"LANG": "de_DE.UTF-8"}, "Later"},
		"no language":                {map[string]string{"LANG": "///"}, "Later"},
		"LC_MESSAGES before LANG":    {map[string]string{"LANG": "en_US.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8"}, "Plus tard"},
		"LC_ALL before LC_MESSAGES":  {map[string]string{"LC_ALL": "en_US.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8"}, "Later"},
		"LANGUAGE before all":        {map[string]string{"LC_ALL": "en_US.UTF-8", "LANGUAGE": "fr"}, "Plus tard"},
		"the second of LANGUAGE":     {map[string]string{"LANG": "en_US.UTF-8", "LANGUAGE": "br:fr:en"}, "Plus tard"},
		"LANGUAGE not for C":         {map[string]string{"LANG": "C", "LANGUAGE": "fr"}, "Later"},
		"empty is as good as not":    {map[string]string{"LC_ALL": "", "LANG": "fr_FR.UTF-8"}, "Plus tard"},
		"LANGUAGE alone means C":     {map[string]string{"LANGUAGE": "fr"}, "Later"},
		"C.UTF-8 is a locale too":    {map[string]string{"LC_ALL": "C.UTF-8", "LANG": "fr_FR.UTF-8"}, "Later"},
		"English counts as one":      {map[string]string{"LANG": "en_GB.UTF-8", "LANGUAGE": "en_GB:fr"}, "Later"},
		"English of nowhere known":   {map[string]string{"LANG": "en_GB.UTF-8", "LANGUAGE": "en_IE:en:fr_FR"}, "Later"},
		"C counts as English":        {map[string]string{"LANG": "fr_FR.UTF-8", "LANGUAGE": "br:C:fr"}, "Later"},
		"French of Belgium":          {map[string]string{"LANG": "fr_BE.UTF-8", "LANGUAGE": "fr_BE:en"}, "Plus tard"},
		"French before English":      {map[string]string{"LANG": "fr_CH.UTF-8", "LANGUAGE": "fr_CH:en_US"}, "Plus tard"},
		"Rwanda is not France":       {map[string]string{"LANG": "rw_RW.UTF-8"}, "Later"},
		"nor is Senegal":             {map[string]string{"LANG": "wo_SN.UTF-8", "LANGUAGE": "wo_SN"}, "Later"},
		"a territory alone":          {map[string]string{"LANG": "_FR"}, "Later"},
		"a longer name":              {map[string]string{"LANG": "frp_FR.UTF-8"}, "Later"},
		"none of LANGUAGE, the rest": {map[string]string{"LANG": "fr_FR.UTF-8", "LANGUAGE": "br"}, "Plus tard"},
	} {
		t.Run(name, func(t *testing.T) {
			w := speak(t, locales(func(name string) string { return test.environment[name] })...)
			if got := w.say(buttonLater); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestSizesAndTimes(t *testing.T) {
	en, fr := speak(t, "en_GB"), speak(t, "fr_FR")
	for _, test := range []struct {
		got            func(words) string
		inEN, inFrench string
	}{
		{func(w words) string { return w.size(0) }, "0 bytes", "0\u00a0octet"},
		{func(w words) string { return w.size(1) }, "1 byte", "1\u00a0octet"},
		{func(w words) string { return w.size(999) }, "999 bytes", "999\u00a0octets"},
		{func(w words) string { return w.size(-1) }, "0 bytes", "0\u00a0octet"},
		{func(w words) string { return w.size(999_499) }, "999 kB", "999\u00a0ko"},
		{func(w words) string { return w.size(999_500) }, "1.0 MB", "1,0\u00a0Mo"},
		{func(w words) string { return w.size(412_300_000) }, "412.3 MB", "412,3\u00a0Mo"},
		{func(w words) string { return w.size(999_949_999) }, "999.9 MB", "999,9\u00a0Mo"},
		{func(w words) string { return w.size(999_950_000) }, "1.0 GB", "1,0\u00a0Go"},
		{func(w words) string { return w.size(4 << 30) }, "4.3 GB", "4,3\u00a0Go"},
		{func(w words) string { return w.left(0) }, "", ""},
		{func(w words) string { return w.left(59 * time.Second) }, "less than a minute left", "moins d’une minute restante"},
		{func(w words) string { return w.left(time.Minute) }, "about a minute left", "environ 1\u00a0minute restante"},
		{func(w words) string { return w.left(150 * time.Second) }, "about 3 minutes left", "environ 3\u00a0minutes restantes"},
		{func(w words) string { return w.left(90 * time.Minute) }, "about 2 hours left", "environ 2\u00a0heures restantes"},
		{func(w words) string { return w.say(staleBody, 1) }, english[staleBody][plural.One], "Depuis 1\u00a0jour, aucune réponse du serveur de mise à jour n’a pu être vérifiée. Vérifiez le réseau\u202f; s’il fonctionne, prévenez votre administrateur."},
		{func(w words) string { return w.say(progressBody, "x", int32(41)) }, "x: 41%", "x\u00a0: 41\u00a0%"},
	} {
		if got := test.got(en); got != test.inEN {
			t.Errorf("English: %q, want %q", got, test.inEN)
		}
		if got := test.got(fr); got != test.inFrench {
			t.Errorf("French: %q, want %q", got, test.inFrench)
		}
	}
}
