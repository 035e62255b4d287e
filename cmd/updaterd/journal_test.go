// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/clipos/updater/test/keys"
	"github.com/clipos/updater/test/tlsserver"
	"github.com/clipos/updater/updater"
)

// largeText does not go into one datagram.
func largeText() string { return strings.Repeat("0123456789abcde\n", 64<<10) }

// logEverything is what roleLogger logs, one entry for each in wantEverything.
func logEverything(log *slog.Logger) {
	log.Debug("detail")
	log.Info("update begins", "event", "update-begins", "version", newer, "transaction", "t1", "automatic", true)
	log.Warn("cannot go on", "error", fmt.Errorf("core: %w", updater.ErrTooSlow))
	log.Error("two\nlines", "error", "a\nb")
	log.Error("large", "text", largeText())
}

var wantEverything = []map[string]string{
	{"PRIORITY": "7", "MESSAGE": "detail"},
	{
		"PRIORITY": "6", "MESSAGE": "update begins version=" + newer + " transaction=t1 automatic=true",
		"MESSAGE_ID": messageIDs["update-begins"], "UPDATER_EVENT": "update-begins",
		"VERSION": newer, "TRANSACTION": "t1", "UPDATER_AUTOMATIC": "true",
	},
	{
		"PRIORITY": "4", "MESSAGE": `cannot go on error="core: ` + updater.ErrTooSlow.Error() + `"`,
		"ERROR_NAME": "TooSlow", "UPDATER_ERROR": "core: " + updater.ErrTooSlow.Error(),
	},
	{"PRIORITY": "3", "MESSAGE": "two\nlines error=\"a\\nb\"", "UPDATER_ERROR": "a\nb"},
	{"PRIORITY": "3", "MESSAGE": "large text=" + fmt.Sprintf("%q", largeText()), "UPDATER_TEXT": largeText()},
}

// journald is a socket in the place of the journal's, for programs that are
// started by it.
type journald struct {
	t      *testing.T
	folder string
	socket *net.UnixConn
	stderr *os.File
}

func listenAsJournal(t *testing.T) *journald {
	t.Helper()
	j := &journald{t: t, folder: t.TempDir(), stderr: create(t, filepath.Join(t.TempDir(), "stderr"))}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: j.folder + "/socket", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	j.socket = socket
	return j
}

// stream is the JOURNAL_STREAM of a program whose stderr is the journal's.
func (j *journald) stream() string {
	j.t.Helper()
	var s syscall.Stat_t
	if err := syscall.Fstat(int(j.stderr.Fd()), &s); err != nil {
		j.t.Fatal(err)
	}
	return fmt.Sprintf("%d:%d", s.Dev, s.Ino)
}

// run runs this program in another role, in a namespace where our socket is
// the journal's.
func (j *journald) run(role, stream string, args ...string) {
	j.t.Helper()
	const script = `mount -t tmpfs none /run && mkdir -p /run/systemd/journal &&
		mount --bind "$1" /run/systemd/journal && shift && exec "$@"`
	arguments := append([]string{
		"--mount", "--map-root-user", "--propagation", "private", "--", "sh", "-c", script, "sh", j.folder, self(j.t),
	}, args...)
	cmd := command(j.t, "util-linux", "unshare", arguments...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, noRaceDelay)
	if stream != "" {
		cmd.Env = append(cmd.Env, "JOURNAL_STREAM="+stream)
	}
	cmd.Stderr = j.stderr
	if err := cmd.Run(); err != nil {
		j.t.Fatalf("%v:\n%s", err, j.lines())
	}
}

// collect returns the entries that a program sent which f runs.
func (j *journald) collect(f func()) (entries []map[string]string) {
	j.t.Helper()
	const last = "END=\n"
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			data, err := receive(j.socket)
			if err != nil {
				j.t.Error(err)
				return
			}
			if string(data) == last {
				return
			}
			entry, err := decode(data)
			if err != nil {
				j.t.Error(err)
			}
			entries = append(entries, entry)
		}
	}()
	defer func() { <-ended }()
	end, err := new(net.Dialer).DialContext(j.t.Context(), "unixgram", j.socket.LocalAddr().String())
	if err != nil {
		j.t.Fatal(err)
	}
	defer end.Close()
	defer io.WriteString(end, last)
	f()
	return entries
}

// lines is what came to stderr.
func (j *journald) lines() string {
	j.t.Helper()
	data, err := os.ReadFile(j.stderr.Name())
	if err != nil {
		j.t.Fatal(err)
	}
	return string(data)
}

// receive returns a datagram, or what is in the file that came instead.
func receive(socket *net.UnixConn) ([]byte, error) {
	data, rights := make([]byte, 1<<20), make([]byte, 1<<10)
	n, rightsLen, _, _, err := socket.ReadMsgUnix(data, rights)
	if err != nil || rightsLen == 0 {
		return data[:n], err
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:rightsLen])
	if err != nil {
		return nil, err
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fds[0]), "entry")
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, 0, info.Size()))
}

// decode reads an entry, see https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
func decode(data []byte) (map[string]string, error) {
	entry := map[string]string{}
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		name, value, ok := bytes.Cut(line, []byte("="))
		if !ok {
			if len(rest) < 8 {
				return nil, fmt.Errorf("%q without a length", name)
			}
			n := binary.LittleEndian.Uint64(rest)
			if rest = rest[8:]; uint64(len(rest)) <= n || rest[n] != '\n' {
				return nil, fmt.Errorf("%q does not end after %d bytes", name, n)
			}
			value, rest = rest[:n], rest[n+1:]
		}
		if _, twice := entry[string(name)]; twice {
			return nil, fmt.Errorf("%q twice", name)
		}
		entry[string(name)] = string(value)
		data = rest
	}
	return entry, nil
}

func wantEntries(t *testing.T, got, want []map[string]string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		var g, w map[string]string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = maps.Clone(want[i])
			w["SYSLOG_IDENTIFIER"] = "updaterd"
		}
		if !maps.Equal(g, w) {
			t.Errorf("entry %d: got %.1000q, want %.1000q", i, g, w)
		}
	}
}

func TestJournal(t *testing.T) {
	j := listenAsJournal(t)
	wantEntries(t, j.collect(func() { j.run(roleLogger, j.stream()) }), wantEverything)
	if lines := j.lines(); lines != "" {
		t.Errorf("on stderr, too:\n%s", lines)
	}
}

// TestNoJournal: only a stderr that is the journal's now makes the difference.
func TestNoJournal(t *testing.T) {
	tests := []struct{ name, stream string }{
		{"started by hand", ""},
		{"stderr is a file, started by a service", "1:1"},
		{"nonsense", "journal"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := listenAsJournal(t)
			wantEntries(t, j.collect(func() { j.run(roleLogger, test.stream) }), nil)
			wantAllLines(t, j.lines())
		})
	}
}

// TestJournalGone: what the journal does not take comes as lines.
func TestJournalGone(t *testing.T) {
	j := listenAsJournal(t)
	j.socket.Close()
	j.run(roleLogger, j.stream())
	wantAllLines(t, j.lines())
}

func wantAllLines(t *testing.T, lines string) {
	t.Helper()
	if n := strings.Count(lines, "level="); n != len(wantEverything) {
		t.Errorf("%d entries, want %d, in\n%.1000s", n, len(wantEverything), lines)
	}
	const second = "level=INFO msg=\"update begins\" version=" + newer + " transaction=t1 automatic=true\n"
	if !strings.Contains(lines, second) {
		t.Errorf("no line %s in\n%.1000s", second, lines)
	}
}

// TestJournalOfAnUpdate is a whole program.
func TestJournalOfAnUpdate(t *testing.T) {
	server, err := tlsserver.Start(t.Context(), tlsserver.Options{Handler: tlsserver.Files("../../test/webroot")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	root := makeSystem(t, server.URL, server.AuthorityPEM, keys.Public())
	j := listenAsJournal(t)
	entries := j.collect(func() { j.run(roleDaemon, j.stream(), "--root", root, "--once") })
	var stages []string
	for _, e := range entries {
		if e["VERSION"] == newer {
			stages = append(stages, e["MESSAGE"])
		}
	}
	for _, s := range []updater.Stage{updater.StageFetching, updater.StageVerifying, updater.StageInstalling, updater.StageSwapping} {
		if !slices.Contains(stages, string(s)+" version="+newer) {
			t.Errorf("no entry of stage %s in %q", s, entries)
		}
	}
	if lines := j.lines(); lines != "" {
		t.Errorf("on stderr, too:\n%s", lines)
	}
}

// sent is what a handler sent.
type sent struct {
	message  string
	priority journal.Priority
	fields   map[string]string
}

// TestJournalHandler: attributes as slog allows them.
func TestJournalHandler(t *testing.T) {
	tests := []struct {
		name    string
		log     func(*slog.Logger)
		message string
		fields  map[string]string
	}{
		{"none", func(l *slog.Logger) { l.Info("m") }, "m", map[string]string{}},
		{"given before", func(l *slog.Logger) { l.With("a", 1).With("b", 2).Info("m", "c", 3) }, "m a=1 b=2 c=3", map[string]string{
			"UPDATER_A": "1", "UPDATER_B": "2", "UPDATER_C": "3",
		}},
		{
			"groups",
			func(l *slog.Logger) {
				l.WithGroup("g").With("a", 1).WithGroup("").Info("m", slog.Group("h", "version", 2), slog.Group("", "c", 3))
			},
			"m g.a=1 g.h.version=2 g.c=3",
			map[string]string{"UPDATER_G_A": "1", "UPDATER_G_H_VERSION": "2", "UPDATER_G_C": "3"},
		},
		{"empty attribute", func(l *slog.Logger) { l.Info("m", slog.Attr{}, slog.Group("g")) }, "m", map[string]string{}},
		{"name that the journal refuses", func(l *slog.Logger) { l.Info("m", "_é-x", 1) }, "m _é-x=1", map[string]string{"UPDATER____X": "1"}},
		{
			"name that is too long",
			func(l *slog.Logger) { l.Info("m", strings.Repeat("x", 100), 1) },
			"m " + strings.Repeat("x", 100) + "=1",
			map[string]string{"UPDATER_" + strings.Repeat("X", 56): "1"},
		},
		{"time", func(l *slog.Logger) { l.Info("m", "t", time.Unix(0, 1).UTC()) }, "m t=1970-01-01T00:00:00Z", map[string]string{
			"UPDATER_T": "1970-01-01T00:00:00Z",
		}},
		{"quotes", func(l *slog.Logger) { l.Info("m", "a", "x y", "b", "", "c", "\x1b[2J") }, `m a="x y" b="" c="\x1b[2J"`, map[string]string{
			"UPDATER_A": "x y", "UPDATER_B": "", "UPDATER_C": "\x1b[2J",
		}},
		{"event without an ID", func(l *slog.Logger) { l.Info("m", "event", "tea") }, "m", map[string]string{"UPDATER_EVENT": "tea"}},
		{
			"name of the error given",
			func(l *slog.Logger) { l.Info("m", "error_name", "Busy", "error", errors.New("x")) },
			"m error_name=Busy error=x",
			map[string]string{"ERROR_NAME": "Busy", "UPDATER_ERROR": "x"},
		},
		{"no error", func(l *slog.Logger) { l.Info("m", "error", error(nil)) }, "m error=<nil>", map[string]string{"UPDATER_ERROR": "<nil>"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got sent
			test.log(slog.New(&journalHandler{
				lines: newLines(io.Discard, slog.LevelInfo),
				send: func(message string, p journal.Priority, fields map[string]string) error {
					got = sent{message, p, fields}
					return nil
				},
			}))
			test.fields["SYSLOG_IDENTIFIER"] = "updaterd"
			if got.message != test.message || got.priority != journal.PriInfo || !maps.Equal(got.fields, test.fields) {
				t.Errorf("got %+v, want %q, %q", got, test.message, test.fields)
			}
		})
	}
}

// TestLevel: what is not asked for is not sent, and a journal that is gone
// leaves lines with everything.
func TestLevel(t *testing.T) {
	var lines bytes.Buffer
	calls := 0
	log := slog.New(&journalHandler{
		lines: newLines(&lines, slog.LevelInfo),
		send:  func(string, journal.Priority, map[string]string) error { calls++; return os.ErrDeadlineExceeded },
	}).With("a", 1).WithGroup("g")
	log.Debug("no")
	log.LogAttrs(t.Context(), slog.LevelWarn, "yes", slog.Int("b", 2))
	if calls != 1 || lines.String() != "level=WARN msg=yes a=1 g.b=2\n" {
		t.Errorf("%d entries sent, lines %q", calls, lines.String())
	}
}

// TestMessageIDs: see sd_journal_send(3) for what an ID looks like. Two events
// with one ID are one mistake.
func TestMessageIDs(t *testing.T) {
	document, err := os.ReadFile("../../docs/journal.md")
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]string{}
	for event, id := range messageIDs {
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
			t.Errorf("%s: ID %q", event, id)
		}
		if events[id] != "" {
			t.Errorf("%s and %s have the same ID", event, events[id])
		}
		events[id] = event
		if row := fmt.Sprintf("| `%s` | `%s` |", event, id); !bytes.Contains(document, []byte(row)) {
			t.Errorf("docs/journal.md has no row %s", row)
		}
	}
}
