// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/tlsserver"
)

const (
	// maxMemoryBytes is what an attack may make the program use at most.
	maxMemoryBytes = 96 << 20
	// patience is how long a run may take: five attempts with their pauses,
	// on a machine that has other things to do.
	patience = 5 * time.Minute
	// maxLineBytes is more than any error line has to say.
	maxLineBytes = 2000
)

// victim is a machine that is attacked, and its server.
type victim struct {
	*testing.T
	root   string
	server *tlsserver.Server
	// answer is what the server does at present.
	answer atomic.Pointer[http.Handler]
	// before is the machine as it was at the last look, nil for none.
	before snapshot
	// environment, folder and arguments of the program, where they matter.
	environment []string
	inChroot    bool
	// last is the end of the last attack.
	last outcome
	// keepsCache leaves the cache to the next attack as the last one left it:
	// with what is genuine in it, a server is not asked any more.
	keepsCache bool
}

// newVictim makes a machine that runs a version and has a fallback, and an
// honest server. The machine has been in use: it has asked once.
func newVictim(t *testing.T) *victim { return newVictimWith(t, tlsserver.Options{}) }

// newVictimWith has the server that o describes; its handler is the victim's.
func newVictimWith(t *testing.T, o tlsserver.Options) *victim {
	t.Helper()
	v := &victim{T: t, root: t.TempDir()}
	v.serves(tlsserver.Files(webroot))
	o.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*v.answer.Load()).ServeHTTP(w, r) })
	var err error
	if v.server, err = tlsserver.Start(t.Context(), o); err == nil {
		err = machine.New(v.root, webroot, running, fallback)
	}
	if err == nil {
		err = machine.Connect(v.root, v.server)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.server.Close() })
	v.write("sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f", "\x06\x00\x00\x00s\x00")
	v.write(stateFile, fmt.Sprintf("{\"highest_good\": %q}\n", running))
	for path, mode := range map[string]os.FileMode{stateDir: 0o700, stateFile: 0o600} {
		if err := os.Chmod(v.at(path), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(v.at(cacheDir), 0o700); err != nil {
		t.Fatal(err)
	}
	v.write(stateDir+"/lock", "")
	return v
}

func (v *victim) at(path string) string { return filepath.Join(v.root, path) }

func (v *victim) write(path, content string) {
	v.Helper()
	v.before = nil
	if err := machine.WriteFile(v.at(path), content); err != nil {
		v.Fatal(err)
	}
}

func (v *victim) read(path string) string {
	v.Helper()
	data, err := os.ReadFile(v.at(path))
	if err != nil {
		v.Fatal(err)
	}
	return string(data)
}

// replaceIn changes a text in a file of the victim.
func (v *victim) replaceIn(file, from, to string) {
	v.Helper()
	text := v.read(file)
	if !strings.Contains(text, from) {
		v.Fatalf("%s: no %q", file, from)
	}
	info, err := os.Stat(v.at(file))
	v.must(err)
	v.must(os.WriteFile(v.at(file), []byte(strings.Replace(text, from, to, 1)), info.Mode()))
}

// must stops the test when preparing an attack went wrong.
func (v *victim) must(errs ...error) {
	v.Helper()
	v.before = nil
	if err := errors.Join(errs...); err != nil {
		v.Fatal(err)
	}
}

// outcome is how a run of the program ended.
type outcome struct {
	exit        int
	stderr      string
	memoryBytes int64
}

// timeProgram measures another program's memory; unlike our own wait4(2) it is
// not told of memory that this process had before.
const timeProgram = "/usr/bin/time"

// run runs updaterd --once.
func (v *victim) run() outcome {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.Context(), patience)
	defer cancel()
	args := []string{"--quiet", "--format=%M", filepath.Join(programs, "updaterd"), "--root", v.root, "--once"}
	if v.inChroot {
		args = append(args[:2], "chroot", v.root, "/updaterd", "--once")
	}
	cmd := exec.CommandContext(ctx, timeProgram, args...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, v.environment...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		v.Fatalf("%v (Debian package time)", err)
	}
	if ctx.Err() != nil {
		v.Fatalf("%v\n%s", ctx.Err(), stderr.String())
	}
	if stdout.Len() > 0 {
		v.Errorf("standard output: %q", stdout.String())
	}
	text := strings.TrimSuffix(stderr.String(), "\n")
	at := strings.LastIndexByte(text, '\n') + 1
	kibibytes, err := strconv.ParseInt(text[at:], 10, 64)
	if err != nil {
		v.Fatalf("%v: %q", err, text)
	}
	return outcome{cmd.ProcessState.ExitCode(), text[:at], kibibytes << 10}
}

// refuses runs the program under attack: it must end with that error, and
// change nothing.
func (v *victim) refuses(want, attack string) {
	v.Helper()
	o := v.survives(attack)
	line, name, err := machine.ErrorLine(o.stderr)
	if o.exit != 1 || err != nil || name != want {
		v.Fatalf("%s: exit status %d, %v, want (%s)\n%s", attack, o.exit, err, want, o.stderr)
	}
	if len(line) > maxLineBytes {
		v.Errorf("%s: an error line of %d bytes: %.200q…", attack, len(line), line)
	}
}

// ignores runs the program with an offer that is none.
func (v *victim) ignores(attack string) {
	v.Helper()
	if o := v.survives(attack); o.exit != 0 || !strings.Contains(o.stderr, "nothing to do") {
		v.Fatalf("%s: exit status %d\n%s", attack, o.exit, o.stderr)
	}
}

// survives runs the program under attack and asserts what holds of every end.
func (v *victim) survives(attack string) outcome {
	v.Helper()
	tried.Add(1)
	if !v.keepsCache {
		v.clearCache()
	}
	if v.before == nil {
		v.before = take(v.T, v.root)
	}
	o := v.run()
	v.last = o
	after := take(v.T, v.root)
	if changes := after.since(v.before); len(changes) > 0 {
		v.Fatalf("%s: the machine changed:\n%s\n%s", attack, strings.Join(changes, "\n"), o.stderr)
	}
	if o.memoryBytes > maxMemoryBytes {
		v.Errorf("%s: %d MiB of memory", attack, o.memoryBytes>>20)
	}
	// What strangers wrote must not steer a terminal or forge a line.
	if i := strings.IndexFunc(o.stderr, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
		v.Errorf("%s: raw bytes in %q", attack, o.stderr)
	}
	return o
}

func (v *victim) clearCache() {
	v.Helper()
	files, err := os.ReadDir(v.at(cacheDir))
	for _, f := range files {
		err = errors.Join(err, os.Remove(filepath.Join(v.at(cacheDir), f.Name())))
	}
	if err != nil {
		v.Fatal(err)
	}
}

// updates lets the honest server answer again: the update comes through.
func (v *victim) updates() {
	v.Helper()
	v.serves(tlsserver.Files(webroot))
	v.before = nil
	if o := v.run(); o.exit != 0 || o.memoryBytes > maxMemoryBytes {
		v.Fatalf("the honest update: exit status %d, %d bytes of memory\n%s", o.exit, o.memoryBytes, o.stderr)
	}
	v.installed(webroot)
}

// installed asserts that the offered version is, whole, as that server has it.
func (v *victim) installed(webroot string) {
	v.Helper()
	volume, core := v.read(machine.Volumes+"/core_"+offered), genuine(v.T, webroot, "core")
	if !strings.HasPrefix(volume, core) || strings.Trim(volume[len(core):], "\x00") != "" {
		v.Error("the volume is not the image with zeros behind it")
	}
	if v.read(machine.Entries+"/clipos-"+offered+".efi") != genuine(v.T, webroot, "efiboot") {
		v.Error("the boot entry is not the one signed")
	}
	if _, err := os.Stat(v.at("run/update_ready")); err != nil {
		v.Error(err)
	}
}

// genuine is a file of the offered release, e.g. "core.sig".
func genuine(t *testing.T, webroot, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(webroot, "dist", offered, "clipos-"+file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
