// SPDX-License-Identifier: LGPL-2.1-or-later

package nginx

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/clipos/updater/cmd/updater-release/internal/channels"
)

func parsed(t *testing.T, text string) *channels.File {
	t.Helper()
	f, err := channels.Parse("channels.toml", []byte("product = \"clipos\"\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func server() Server {
	return Server{
		Listen: []string{"443", "[::]:443"}, Names: []string{"updates.example.org"},
		WebRoot: "/srv/updates", Certificate: "/etc/ssl/c.pem", Key: "/etc/ssl/k.pem", AccessLog: "/var/log/nginx/updater.log",
	}
}

// TestRefused: nothing that is put in can be more than the word it is meant to
// be.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Server)
	}{
		{"address with a directive", func(s *Server) { s.Listen[1] = "443; include /etc/passwd" }},
		{"address with a variable", func(s *Server) { s.Listen[0] = "$port" }},
		{"no address", func(s *Server) { s.Listen[0] = "" }},
		{"host with a brace", func(s *Server) { s.Names = []string{"a", "b}"} }},
		{"host that is a pattern", func(s *Server) { s.Names[0] = "~.*" }},
		{"empty host", func(s *Server) { s.Names[0] = "" }},
		{"relative web root", func(s *Server) { s.WebRoot = "webroot" }},
		{"no certificate", func(s *Server) { s.Certificate = "" }},
		{"key by a variable", func(s *Server) { s.Key = "/etc/$ssl_server_name" }},
		{"log with a line break", func(s *Server) { s.AccessLog = "/var/log\n/x" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := server()
			c.change(&s)
			var b strings.Builder
			if err := Write(&b, parsed(t, ""), s); !errors.Is(err, ErrInvalid) || b.Len() > 0 {
				t.Errorf("%v, wrote %q", err, b.String())
			}
		})
	}
}

func TestQuoted(t *testing.T) {
	s := server()
	s.WebRoot = `/srv/a "b" \c; {d}`
	var b strings.Builder
	if err := Write(&b, parsed(t, ""), s); err != nil {
		t.Fatal(err)
	}
	if want := `    root "/srv/a \"b\" \\c; {d}";` + "\n"; !strings.Contains(b.String(), want) {
		t.Errorf("no %s in\n%s", want, &b)
	}
}

// TestOffered: what nginx is told about each channel.
func TestOffered(t *testing.T) {
	for _, c := range []struct {
		name, channels string
		want           []string
		not            string
	}{
		{"nothing at all", "", []string{"    default \"none\";\n    stable \"none\";\n"}, "split_clients"},
		{"one version", "[channel.stable]\nversion = \"5.1.0\"\n", []string{"    default \"5.1.0\";\n    stable \"5.1.0\";\n"}, "split_clients"},
		{"some of stable", "[channel.stable]\nversion = \"5.1.0\"\npercent = 10\nprevious = \"5.0.0\"\n[channel.test]\n", []string{
			"split_clients \"${updater_machine}5.1.0\" $updater_in_stable {\n    10% \"5.1.0\";\n    * \"5.0.0\";\n}\n",
			"    default \"5.0.0\";\n    stable $updater_in_stable;\n    test $updater_in_stable;\n",
		}, "$updater_in_test"},
		{"none yet", "[channel.stable]\nversion = \"5.1.0\"\npercent = 0\nprevious = \"5.0.0\"\n", []string{"    stable \"5.0.0\";\n"}, "split_clients"},
		{"only a test channel", "[channel.a-b]\nversion = \"5.1.0\"\npercent = 99\nprevious = \"5.0.0\"\n", []string{
			"\" $updater_in_a_b {\n", "    stable \"none\";\n    a-b $updater_in_a_b;\n",
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if err := Write(&b, parsed(t, c.channels), server()); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("no %s", want)
				}
			}
			if c.not != "" && strings.Contains(b.String(), c.not) {
				t.Errorf("has %s", c.not)
			}
			if t.Failed() {
				t.Log(b.String())
			}
		})
	}
}

func TestMachines(t *testing.T) {
	var list []string
	for i := range 3000 {
		list = append(list, fmt.Sprintf("%q", fmt.Sprintf("%032x", i)))
	}
	var b strings.Builder
	if err := Write(&b, parsed(t, "[channel.beta]\nmachines = ["+strings.Join(list, ",")+"]\n"), server()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"map_hash_max_size 3000;\n", "\n    00000000000000000000000000000bb7 \"beta\";\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}
