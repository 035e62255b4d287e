// SPDX-License-Identifier: LGPL-2.1-or-later

package channels

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipos/updater/policy"
)

const (
	machineA = "0123456789abcdef0123456789abcdef"
	machineB = "44b0a5364caf1f2b203f4b49363d553f"
)

const sample = `# Who sees what.
product = "clipos"

[channel.stable]   # everybody else
version = "5.1.0"
percent = 10   # slowly
previous = "5.0.0"

[channel.beta]
machines = [
  "0123456789ABCDEF0123456789abcdef", # the one on my desk
]
version = "5.2.0-beta.1"

[channel.lab]
machines = ["44b0a5364caf1f2b203f4b49363d553f"]
`

func mustVersion(t testing.TB, s string) policy.Version {
	t.Helper()
	v, err := policy.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustParse(t testing.TB, text string) *File {
	t.Helper()
	f, err := Parse("channels.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParse(t *testing.T) {
	f := mustParse(t, sample)
	var got []string
	for _, c := range f.Channels() {
		got = append(got, strings.Join([]string{c.Name, c.Version.String(), c.Previous.String(), c.Settled().String(), strings.Join(c.Machines, "+")}, " "))
	}
	want := []string{
		"stable 5.1.0 5.0.0 5.0.0 ",
		"beta 5.2.0-beta.1  5.2.0-beta.1 " + machineA,
		"lab 5.1.0 5.0.0 5.0.0 " + machineB,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q, want %q", got, want)
	}
	if lab, _ := f.Channel("lab"); !lab.Inherited || lab.Percent != 10 {
		t.Errorf("%+v", lab)
	}
	var versions []string
	for _, v := range f.Versions() {
		versions = append(versions, v.String())
	}
	if got := strings.Join(versions, " "); got != "5.2.0-beta.1 5.1.0 5.0.0" {
		t.Errorf("versions %q", got)
	}
}

func TestOf(t *testing.T) {
	f := mustParse(t, sample)
	for machine, want := range map[string]string{
		machineA: "beta", strings.ToUpper(machineA): "beta", machineB: "lab",
		"fedcba9876543210fedcba9876543210": "stable", "": "stable", "nonsense": "stable",
	} {
		if got := f.Of(machine); got.Name != want {
			t.Errorf("%q is in %s, want %s", machine, got.Name, want)
		}
	}
}

// What nginx 1.22 answered with split_clients "${updater_machine}5.1.0".
func TestOffersAsNginx(t *testing.T) {
	for machine, percent := range map[string]struct{ no, yes int }{
		machineB:                           {0, 1},
		"72268c08925c79888dfcbbe97d75699b": {1, 10},
		"7e32c3f5b07659cdc3fafb33473c798e": {1, 10},
		"3f3005a9f8321ae37001c1746a08fb53": {1, 10},
		"39c3c1505d0855232002f6ae5cdec287": {10, 50},
		"cbe431b809ebccde30b16db97e8bd1e2": {10, 50},
		// No machine's id.
		"":             {99, 100},
		"abcd":         {99, 100},
		"0" + machineB: {99, 100},
	} {
		r := Rollout{Version: mustVersion(t, "5.1.0"), Previous: mustVersion(t, "5.0.0")}
		for percent, want := range map[int]policy.Version{percent.no: r.Previous, percent.yes: r.Version, 100: r.Version, 0: r.Previous} {
			r.Percent = percent
			if got := r.Offers(machine); got.Compare(want) != 0 {
				t.Errorf("%q at %d %%: %s, want %s", machine, percent, got, want)
			}
		}
	}
}

// Nobody who sees a version loses it as it spreads.
func TestOffersGrows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	r := Rollout{Version: mustVersion(t, "5.1.0"), Previous: mustVersion(t, "5.0.0")}
	sees := make([]int, 101)
	const machines = 2000
	for range machines {
		id := make([]byte, 32)
		for i := range id {
			id[i] = "0123456789abcdef"[random.IntN(16)]
		}
		had := false
		for r.Percent = 0; r.Percent <= 100; r.Percent++ {
			has := r.Offers(string(id)).Compare(r.Version) == 0
			if had && !has {
				t.Fatalf("%s loses it at %d %%", id, r.Percent)
			}
			if had = has; has {
				sees[r.Percent]++
			}
		}
	}
	for percent, n := range sees {
		if off := n - machines*percent/100; off < -100 || off > 100 {
			t.Errorf("%d of %d machines at %d %%", n, machines, percent)
		}
	}
}

func TestInvalid(t *testing.T) {
	for name, c := range map[string]struct{ text, complaint string }{
		"empty":                   {"", "product"},
		"not TOML":                {"product", "line 1"},
		"unknown key":             {"product = \"clipos\"\nversion = \"5.0.0\"\n", `line 2: unknown key "version"`},
		"unknown key of channel":  {"product = \"clipos\"\n[channel.stable]\nver = \"5.0.0\"\n", `line 3: unknown key "channel.stable.ver"`},
		"capital key":             {"product = \"clipos\"\n[channel.stable]\nVersion = \"5.0.0\"\n", `line 3: unknown key "channel.stable.Version"`},
		"duplicate key":           {"product = \"clipos\"\nproduct = \"clipos\"\n", "line 2"},
		"duplicate channel":       {"product = \"clipos\"\n[channel.a]\n[channel.a]\n", "line 3"},
		"product":                 {"product = \"Clip OS\"\n", "product"},
		"channel name":            {"product = \"clipos\"\n[channel.\"a b\"]\n", `channel "a b"`},
		"version":                 {"product = \"clipos\"\n[channel.a]\nversion = \"5.0\"\n", "channel a: version: invalid version"},
		"build metadata":          {"product = \"clipos\"\n[channel.a]\nversion = \"5.0.0+1\"\n", "build metadata"},
		"percent alone":           {"product = \"clipos\"\n[channel.a]\npercent = 1\n", "without version"},
		"percent without rest":    {"product = \"clipos\"\n[channel.a]\nversion = \"5.0.0\"\npercent = 1\n", "no previous"},
		"rest without percent":    {"product = \"clipos\"\n[channel.a]\nversion = \"5.0.0\"\nprevious = \"4.0.0\"\n", "nobody"},
		"percent 101":             {"product = \"clipos\"\n[channel.a]\nversion = \"5.0.0\"\npercent = 101\n", "between 0 and 100"},
		"percent -1":              {"product = \"clipos\"\n[channel.a]\nversion = \"5.0.0\"\npercent = -1\n", "between 0 and 100"},
		"previous is version":     {"product = \"clipos\"\n[channel.a]\nversion = \"5.0.0\"\npercent = 1\nprevious = \"5.0.0\"\n", "both 5.0.0"},
		"machine":                 {"product = \"clipos\"\n[channel.a]\nmachines = [\"0\"]\n", "32 hexadecimal"},
		"machines of stable":      {"product = \"clipos\"\n[channel.stable]\nmachines = [\"" + machineA + "\"]\n", "lists none"},
		"machine twice":           {"product = \"clipos\"\n[channel.a]\nmachines = [\"" + machineA + "\", \"" + strings.ToUpper(machineA) + "\"]\n", "in channel a too"},
		"machine in two channels": {"product = \"clipos\"\n[channel.a]\nmachines = [\"" + machineA + "\"]\n[channel.b]\nmachines = [\"" + machineA + "\"]\n", "too"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("channels.toml", []byte(c.text))
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.complaint) {
				t.Errorf("%v, want %q", err, c.complaint)
			}
		})
	}
}

func TestPromote(t *testing.T) {
	for name, c := range map[string]struct {
		channel, version string
		percent          int
		want             string
	}{
		"further": {"stable", "5.1.0", 50, strings.Replace(sample,
			"version = \"5.1.0\"\npercent = 10   # slowly\n", "version = \"5.1.0\"\npercent = 50\n", 1)},
		"to all": {"stable", "5.1.0", 100, strings.Replace(sample,
			"version = \"5.1.0\"\npercent = 10   # slowly\nprevious = \"5.0.0\"\n", "version = \"5.1.0\"\n", 1)},
		"the next before all have this": {"stable", "5.1.1", 5, strings.Replace(sample,
			"version = \"5.1.0\"\npercent = 10   # slowly\n", "version = \"5.1.1\"\npercent = 5\n", 1)},
		"a settled channel": {"beta", "5.2.0-beta.2", 20, strings.Replace(strings.Replace(sample,
			"[channel.beta]\n", "[channel.beta]\nversion = \"5.2.0-beta.2\"\npercent = 20\nprevious = \"5.2.0-beta.1\"\n", 1),
			"version = \"5.2.0-beta.1\"\n\n", "\n", 1)},
		"the first of a channel": {"lab", "6.0.0-alpha.1", 100, strings.Replace(sample,
			"[channel.lab]\n", "[channel.lab]\nversion = \"6.0.0-alpha.1\"\n", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := mustParse(t, sample).Promote(c.channel, mustVersion(t, c.version), c.percent)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(f.Text()); got != c.want {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestPromoteRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text, channel, version string
		percent                int
		want                   error
	}{
		"unknown channel":        {sample, "gamma", "5.1.0", 100, ErrUnknownChannel},
		"percent":                {sample, "stable", "5.1.0", 101, ErrPercent},
		"negative percent":       {sample, "stable", "5.1.0", -1, ErrPercent},
		"part of the settled":    {sample, "stable", "5.0.0", 10, nil},
		"first for some":         {"product = \"clipos\"\n", "stable", "5.0.0", 10, nil},
		"inline table":           {"product = \"clipos\"\nchannel = {beta = {version = \"5.0.0\"}}\n", "beta", "5.1.0", 100, ErrInvalid},
		"several lines of value": {"product = \"clipos\"\n[channel.beta]\nversion = \"\"\"\n5.0.0\"\"\"\n", "beta", "5.1.0", 100, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mustParse(t, c.text).Promote(c.channel, mustVersion(t, c.version), c.percent)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestLoadOrNew(t *testing.T) {
	name := filepath.Join(t.TempDir(), "channels.toml")
	if _, err := LoadOrNew(name, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	f, err := LoadOrNew(name, "clipos")
	if err != nil || f.Product != "clipos" {
		t.Fatal(err)
	}
	if f, err = f.Promote(Stable, mustVersion(t, "5.0.0"), 100); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, f.Text(), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := string(f.Text()), "product = \"clipos\"\n\n[channel.stable]\nversion = \"5.0.0\"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := LoadOrNew(name, "other"); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if f, err := LoadOrNew(name, ""); err != nil || f.Channels()[0].Version.String() != "5.0.0" {
		t.Error(err)
	}
	if err := os.Truncate(name, maxFileBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(name); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := Load(filepath.Dir(name)); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// A promotion does what it should and nothing else, or is refused.
func FuzzPromote(f *testing.F) {
	f.Add([]byte(sample), "beta", 30)
	f.Add([]byte("product = \"clipos\"\r\n[channel.beta] # x\r\nversion='1.0.0'"), "beta", 100)
	f.Add([]byte("product = \"clipos\"\nchannel.beta.version = \"1.0.0\"\n"), "beta", 3)
	f.Fuzz(func(t *testing.T, text []byte, channel string, percent int) {
		before, err := Parse("x", text)
		if err != nil {
			return
		}
		was := bytes.Clone(text)
		after, err := before.Promote(channel, mustVersion(t, "99.0.0"), percent)
		if !bytes.Equal(text, was) {
			t.Fatal("the text was changed in place")
		}
		if err != nil {
			return
		}
		if c, found := after.Channel(channel); !found || c.Version.String() != "99.0.0" || c.Percent != percent || c.Inherited {
			t.Errorf("%+v", c)
		}
		if len(after.Channels()) != len(before.Channels()) {
			t.Errorf("%d channels of %d", len(after.Channels()), len(before.Channels()))
		}
	})
}
