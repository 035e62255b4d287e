// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]string{
		"add 1.0.0": "webroot channels.toml  false 1.0.0",
		"--webroot w --json add --product p 1.0.0":  "w channels.toml p true 1.0.0",
		"add --webroot=w 1.0.0 --channels c --json": "w c  true 1.0.0",
		"list":                    "webroot channels.toml  false ",
		"verify --memory 2G":      "webroot channels.toml  false ",
		"promote -percent 5 1":    "webroot channels.toml  false 1",
		"fleet --days 3 a b":      "webroot channels.toml  false ",
		"":                        "no verb",
		"nonsense":                `unknown verb "nonsense"`,
		"add":                     "add: VERSION is missing",
		"add 1 2":                 `add: unexpected argument "2"`,
		"list 1":                  `list: unexpected argument "1"`,
		"--nonsense":              "flag provided but not defined: -nonsense",
		"list --keep 3":           "list: flag provided but not defined: -keep",
		"--keep 3 prune":          "flag provided but not defined: -keep",
		"add --memory 0 1":        `add: invalid value "0" for flag -memory: not a number of bytes with unit K, M or G, as 2G`,
		"add --boot-order x 1":    `add: invalid value "x" for flag -boot-order: neither set-default nor refuse, as in config.toml`,
		"promote --percent x 1":   `promote: invalid value "x" for flag -percent: not a number from 0 to 100`,
		"promote --percent 200 1": `promote: invalid value "200" for flag -percent: not a number from 0 to 100`,
		"promote --percent -1 1":  `promote: invalid value "-1" for flag -percent: not a number from 0 to 100`,
		"add --percent 101 1":     `add: invalid value "101" for flag -percent: not a number from 0 to 100`,
		"add --patches -1 1":      `add: invalid value "-1" for flag -patches: not a number from 0 to 1000`,
		"add --patches 0 1":       "webroot channels.toml  false 1",
	} {
		c, err := parse(strings.Fields(line))
		got := fmt.Sprint(c.webroot, " ", c.channels, " ", c.product, " ", c.json, " ", c.argument)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if _, err := parse([]string{"add", ""}); err == nil || err.Error() != "add: the version is empty" {
		t.Error(err)
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "5K": 5 << 10, "200M": 200 << 20, "2G": 2 << 30,
		"": 0, "0": 0, "G": 0, "2GB": 0, "2GG": 0, "-1": 0, "1.5G": 0, "2g": 0, "99999999999": 0,
	} {
		if got, err := parseBytes(text); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

// There is always a worker, and no more than the memory is enough for.
func TestBounded(t *testing.T) {
	for _, c := range []struct {
		memory        int64
		workers, want int
	}{{0, 8, 8}, {1 << 30, 8, 3}, {599 << 20, 8, 1}, {1 << 20, 8, 1}, {0, 0, 1}, {8 << 30, 2, 2}} {
		o := workOptions{memory: c.memory, workers: c.workers}
		if got := o.bounded(); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestReport(t *testing.T) {
	var out bytes.Buffer
	report(&out, fmt.Errorf("above: %w", hinted{errors.New("a\x1b[31m\nb"), "do this"}))
	if got, want := out.String(), "error: above: a\uFFFD[31m; b\nhint: do this\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"add", "--help"}, {"list", "-h"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, nil, &stdout, &stderr); status != exitOK || stdout.String() != usage || stderr.Len() > 0 {
			t.Errorf("%q: %d %q", args, status, stderr.String())
		}
	}
}
