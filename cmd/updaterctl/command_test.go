// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	type want struct{ bus, version, words string }
	for name, c := range map[string]struct {
		args []string
		want want
	}{
		"verb":                  {[]string{"status"}, want{bus: "system"}},
		"options before":        {[]string{"--json", "--bus", "unix:path=/x", "status"}, want{bus: "unix:path=/x", words: "json"}},
		"options after":         {[]string{"status", "--json", "--bus=unix:path=/x"}, want{bus: "unix:path=/x", words: "json"}},
		"around":                {[]string{"--json", "update", "5.0.0", "--follow"}, want{"system", "5.0.0", "json follow"}},
		"between":               {[]string{"update", "--follow", "5.0.0"}, want{"system", "5.0.0", "follow"}},
		"newest":                {[]string{"update"}, want{bus: "system"}},
		"help alone":            {[]string{"--help"}, want{bus: "system", words: "help"}},
		"version alone":         {[]string{"--version"}, want{bus: "system", words: "version"}},
		"version of a verb":     {[]string{"status", "--version"}, want{bus: "system", words: "version"}},
		"help and anything":     {[]string{"update", "--help", "--nonsense"}, want{bus: "system", words: "help"}},
		"an end of the options": {[]string{"update", "--", "5.0.0"}, want{"system", "5.0.0", ""}},
		"a reason":              {[]string{"hold", "--until", "3d", "a fair"}, want{"system", "a fair", ""}},
		"a limit":               {[]string{"--limit=3", "history"}, want{bus: "system"}},
		"no reason":             {[]string{"mark-bad"}, want{bus: "system"}},
		"a transaction":         {[]string{"cancel", "t1"}, want{"system", "t1", ""}},
		"one dash does it, too": {[]string{"-json", "check"}, want{bus: "system", words: "json"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse(c.args)
			words := []string{}
			for word, set := range map[string]bool{"json": got.json, "follow": got.follow, "help": got.help, "version": got.version} {
				if set {
					words = append(words, word)
				}
			}
			if len(words) == 2 && words[0] == "follow" {
				words[0], words[1] = words[1], words[0]
			}
			if err != nil || (want{got.bus, got.argument, strings.Join(words, " ")}) != c.want {
				t.Errorf("%+v %q %v", got, words, err)
			}
		})
	}
}

func TestCalledWrongly(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		say  string
	}{
		"nothing":           {nil, "no verb"},
		"verb":              {[]string{"explode"}, `unknown verb "explode"`},
		"option":            {[]string{"status", "--explode"}, "-explode"},
		"argument":          {[]string{"status", "5.0.0"}, `status: unexpected argument "5.0.0"`},
		"two versions":      {[]string{"update", "5.0.0", "5.0.1"}, `update: unexpected argument "5.0.1"`},
		"empty version":     {[]string{"update", ""}, "update: the version is empty"},
		"empty reason":      {[]string{"mark-bad", ""}, "mark-bad: the reason is empty"},
		"no reason":         {[]string{"hold"}, "hold: REASON is missing"},
		"no version":        {[]string{"forget", "--json"}, "forget: VERSION is missing"},
		"unquoted reason":   {[]string{"hold", "a", "fair"}, `hold: unexpected argument "fair"`},
		"until elsewhere":   {[]string{"unhold", "--until", "3d"}, "unhold: --until goes with hold"},
		"limit elsewhere":   {[]string{"--limit", "3", "versions"}, "versions: --limit goes with history"},
		"no number":         {[]string{"history", "--limit", "few"}, "not a number above 0"},
		"limit 0":           {[]string{"history", "--limit", "0"}, "not a number above 0"},
		"until the past":    {[]string{"hold", "--until", "2001-01-01", "x"}, "is in the past"},
		"until some time":   {[]string{"hold", "--until", "soon", "x"}, "not a time like"},
		"follow elsewhere":  {[]string{"check", "--follow"}, "--follow goes with update"},
		"bus without value": {[]string{"status", "--bus"}, "-bus"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			status := run(t.Context(), c.args, nil, &stdout, &stderr)
			got := stderr.String()
			if status != exitUsage || stdout.Len() != 0 || !strings.HasPrefix(got, "error: ") ||
				!strings.Contains(got, c.say) || !strings.HasSuffix(got, "\nhint: updaterctl --help\n") {
				t.Errorf("%d %q %q", status, stdout.String(), got)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"--help"}, nil, &stdout, &stderr); status != exitOK || stderr.Len() != 0 {
		t.Errorf("%d %q", status, stderr.String())
	}
	for _, v := range verbs() {
		if !strings.Contains(stdout.String(), "\n  "+strings.TrimSpace(v.name+" "+v.argument)+"  ") {
			t.Errorf("%s is not explained", v.name)
		}
	}
	for _, line := range lines(stdout.String()) {
		if len(line) > 80 {
			t.Errorf("too long: %q", line)
		}
	}
}
