// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	tests := []struct {
		file string
		want Name
	}{
		{"clipos-5.0.0.efi", Name{Version: "5.0.0"}},
		{"clipos-5.0.0-alpha.3.efi", Name{Version: "5.0.0-alpha.3"}},
		{"clipos-5.0.0-0-a.efi", Name{Version: "5.0.0-0-a"}},
		{"clipos-5.0.0+3.efi", Name{Version: "5.0.0", Counted: true, TriesLeft: 3}},
		{"clipos-5.0.0+2-1.efi", Name{Version: "5.0.0", Counted: true, TriesLeft: 2, TriesDone: 1}},
		{"clipos-5.0.0-rc.1+0-3.efi", Name{Version: "5.0.0-rc.1", Counted: true, TriesDone: 3}},
		{"clipos-5.0.0+2147483647-2147483647.efi", Name{Version: "5.0.0", Counted: true, TriesLeft: 1<<31 - 1, TriesDone: 1<<31 - 1}},
		{"clipos-5.0.0.efi.new", Name{Version: "5.0.0", Temporary: true}},
		{"clipos-5.0.0+3.efi.new", Name{Version: "5.0.0", Counted: true, TriesLeft: 3, Temporary: true}},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			test.want.Product = product
			got, ok := ParseName(product, test.file)
			if !ok || got != test.want {
				t.Errorf("%+v, %v; want %+v", got, ok, test.want)
			}
			if got.String() != test.file {
				t.Errorf("String: %s", got)
			}
		})
	}
}

// Spellings of counters that systemd-boot reads though it never writes them.
func TestParseNameOtherSpelling(t *testing.T) {
	for file, canonical := range map[string]string{
		"clipos-5.0.0+3-0.efi":   "clipos-5.0.0+3.efi",
		"clipos-5.0.0+03-01.efi": "clipos-5.0.0+3-1.efi",
	} {
		if n, ok := ParseName(product, file); !ok || n.String() != canonical {
			t.Errorf("%s: %s, %v; want %s", file, n, ok, canonical)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	for _, file := range []string{
		"", "clipos", "clipos-", "clipos.efi", "clipos-.efi", "-5.0.0.efi", "clipos5.0.0.efi",
		"clipos-5.0.0", "clipos-5.0.0.efi.new.new", "clipos-5.0.0.new", "clipos-5.0.0.efi.bak", "clipos-5.0.0.efi ",
		"clipos-5.efi", "clipos-5.0.efi", "clipos-5.0.0.0.efi", "clipos-v5.0.0.efi", "clipos-5.0.x.efi", "clipos-5.0.0-.efi",
		// Other products' entries, and case variants, which are one file on FAT.
		"clipos-server-5.0.0.efi", "clipos2-5.0.0.efi", "xclipos-5.0.0.efi", "clipos-5-1.0.0.efi",
		"CLIPOS-5.0.0.efi", "clipos-5.0.0.EFI", "clipos-5.0.0-RC.1.efi", "clipos-5.0.0.efi.NEW",
		// '+' belongs to the boot counter, and it has to be one.
		"clipos-5.0.0+.efi", "clipos-5.0.0+x.efi", "clipos-5.0.0+-1.efi", "clipos-5.0.0+1-.efi", "clipos-5.0.0+1-x.efi",
		"clipos-5.0.0+1-2-3.efi", "clipos-5.0.0+1+2.efi", "clipos-5.0.0++1.efi", "clipos-5.0.0+instrumented.efi",
		"clipos-5.0.0+2147483648.efi", "clipos-5.0.0+1-2147483648.efi", "clipos-5.0.0+1_0.efi", "clipos-5.0.0+ 1.efi",
		// Not a file name.
		"clipos-5.0.0/../x.efi", "./clipos-5.0.0.efi", "clipos-../5.0.0.efi", "clipos-5.0.0\x00.efi", "clipos-5.0.0\n.efi",
		"clipos-5.0.0-*.efi", "clipos-5.0.0-é.efi",
	} {
		if n, ok := ParseName(product, file); ok || n != (Name{}) {
			t.Errorf("%q: %+v", file, n)
		}
	}
	if _, ok := ParseName("", "-5.0.0.efi"); ok {
		t.Error("a product without a name")
	}
}

func FuzzParseName(f *testing.F) {
	for _, file := range []string{
		"clipos-5.0.0.efi", "clipos-5.0.0-alpha.3+2-1.efi.new", "clipos-5.0.0+0-3.efi", "clipos-server-5.0.0.efi", "debian-12.efi",
	} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file string) {
		n, ok := ParseName(product, file)
		if !ok {
			return
		}
		if again, ok := ParseName(product, n.String()); !ok || again != n {
			t.Errorf("%q: %+v, and %q: %+v", file, n, n.String(), again)
		}
		if strings.ContainsAny(file, "/\\\x00\n *?[") || file != strings.ToLower(file) {
			t.Errorf("%q is ours", file)
		}
		// What systemd-boot takes for a counter must be ours too.
		left, done, counted := tries(strings.TrimSuffix(file, TemporarySuffix))
		if counted != n.Counted || left != n.TriesLeft || done != n.TriesDone {
			t.Errorf("%q: %+v, but systemd-boot counts %v %d %d", file, n, counted, left, done)
		}
	})
}
