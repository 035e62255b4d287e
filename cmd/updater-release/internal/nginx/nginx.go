// SPDX-License-Identifier: LGPL-2.1-or-later

// Package nginx writes the configuration with which a plain nginx serves a web
// root by channels and in stages, without a program of ours beside it.
//
// # Who is offered what
//
// A machine says its id in the header clipos-machineid. Three steps lead from
// it to the version document, each a pure function of the request, so every
// server with the same configuration gives the same answer, and nothing is
// stored:
//
//	clipos-machineid → $updater_machine    32 hexadecimal digits, or empty
//	$updater_machine → $updater_channel    map: the listed ones; all others stable
//	$updater_channel → $updater_offered    the channel's version, or split_clients
//	                                       while it is on its way
//
// The answer is made of $updater_offered, so the web root needs no documents
// but the static one. That one is the answer where the release that would be
// offered has not been copied to yet. Which it was is $updater_answered, for the
// log: what was offered, or "static".
//
// Who says no id, or none that is one, is offered what all of stable may see.
//
// # Stages
//
// split_clients hashes machine id and version (MurmurHash2, 32 bits) and
// compares the hash with the percentage. So a machine keeps its place in the
// rollout of a version for as long as it lasts: a larger percentage only adds
// machines, in every channel and on every server. The version is part of what
// is hashed, so each release begins with other machines.
//
// # Caches
//
// The version document is different for each machine and must be in no shared
// cache: it is private, varies by the header, and has no validator. What is below /dist/
// never changes but its signatures, which are made again when a key is replaced.
//
// # Who may lie
//
// Anybody can send any id: channels and stages decide who is offered something
// first, not who may have it. What is sent is compared with a form before it is
// used or logged; the path, which is logged as it came, is escaped as JSON.
// Product, channels and versions have forms that mean nothing to nginx; file
// names are quoted, and those with a dollar sign, which nginx cannot quote, are
// refused.
package nginx

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
	"unicode"

	"github.com/clipos/updater/cmd/updater-release/internal/channels"
)

// ErrInvalid is wrapped by the errors of what cannot stand in a configuration.
var ErrInvalid = errors.New("not for an nginx configuration")

// Server is where the web root is served.
type Server struct {
	// Listen are addresses of nginx's directive listen: a port, an address and
	// a port.
	Listen []string
	// Names are host names; none means any.
	Names []string
	// WebRoot, Certificate, Key and AccessLog are absolute names of files.
	WebRoot, Certificate, Key, AccessLog string
}

//go:embed nginx.conf
var configuration string

var (
	listenForm = regexp.MustCompile(`^[0-9A-Za-z.:\[\]]{1,100}$`)
	hostForm   = regexp.MustCompile(`^(\*\.)?[0-9A-Za-z_-][0-9A-Za-z._-]{0,252}$`)
)

// check refuses what would be another configuration than it looks.
func (s Server) check() error {
	for _, l := range s.Listen {
		if !listenForm.MatchString(l) {
			return fmt.Errorf("address %.80q: %w", l, ErrInvalid)
		}
	}
	for _, h := range s.Names {
		if !hostForm.MatchString(h) {
			return fmt.Errorf("host name %.80q: %w", h, ErrInvalid)
		}
	}
	for _, file := range []string{s.WebRoot, s.Certificate, s.Key, s.AccessLog} {
		switch {
		case !filepath.IsAbs(file):
			return fmt.Errorf("file %.80q: %w: not an absolute name", file, ErrInvalid)
		case strings.Contains(file, "$") || strings.ContainsFunc(file, unicode.IsControl):
			return fmt.Errorf("file %.80q: %w: a dollar sign or a control character", file, ErrInvalid)
		}
	}
	return nil
}

// Write writes the configuration, to be included in nginx's http block.
func Write(w io.Writer, f *channels.File, s Server) error {
	if err := s.check(); err != nil {
		return err
	}
	t, err := template.New("nginx.conf").Funcs(template.FuncMap{"quote": quote, "key": key, "percent": percent}).Parse(configuration)
	if err != nil {
		return err
	}
	all := f.Channels()
	return t.Execute(w, view{Server: s, Product: f.Product, Channels: all, Stable: all[0], HashSize: hashSize(all)})
}

// view is what the template shows.
type view struct {
	Server
	Product  string
	Channels []channels.Channel
	Stable   channels.Channel
	HashSize int
}

// Staged tells that a channel's version is for some of its machines only.
func (view) Staged(c channels.Channel) bool {
	return !c.Inherited && !c.Version.IsZero() && c.Percent > 0 && c.Percent < 100
}

// Variable is what a staged channel's machines are offered.
func (view) Variable(c channels.Channel) string {
	return "$updater_in_" + strings.ReplaceAll(c.Name, "-", "_")
}

// Offered is the value, for nginx, of what a channel's machines are offered.
func (v view) Offered(c channels.Channel) string {
	switch {
	case c.Inherited:
		return v.Offered(v.Stable)
	case v.Staged(c):
		return v.Variable(c)
	}
	return v.Settled(c)
}

// Settled is what all of the channel may see. There is no release "none", so
// nginx then hands out the static document.
func (view) Settled(c channels.Channel) string {
	if settled := c.Settled(); !settled.IsZero() {
		return quote(settled.String())
	}
	return quote("none")
}

// hashSize is map_hash_max_size for the listed machines, with room for two of
// them in each bucket and for twenty in a bucket's 1024 bytes: nginx finds a
// table for that at once.
func hashSize(all []channels.Channel) int {
	machines := 0
	for _, c := range all {
		machines += len(c.Machines)
	}
	return max(2048, machines)
}

// quote makes s one word of nginx's language.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// key is a channel's name as a source value of map, some of whose parameters
// could be names too (ngx_http_map_module, "special parameters").
func key(channel string) string {
	switch channel {
	case "default", "hostnames", "include", "volatile":
		return `\` + channel
	}
	return channel
}

func percent(n int) string { return fmt.Sprintf("%d%%", n) }
