// SPDX-License-Identifier: LGPL-2.1-or-later

// Package desktop has updater-notify speak with real notification servers, on
// an X server without a screen, while a real updaterd updates a machine that is
// a folder. Only logind is a fake: it must not restart anything.
package desktop

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi"
	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
)

// screenshots is where the pictures go; nowhere when it is empty.
var screenshots = flag.String("screenshots", "", "folder for pictures of each step")

const running, newer = "5.0.0-alpha.1", "5.0.0-alpha.3"

// programs and webroot are made once.
var programs, webroot string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "updater-desktop-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		programs, webroot = filepath.Join(dir, "bin"), filepath.Join(dir, "www")
		if err := prepare(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func prepare(ctx context.Context) error {
	if err := machine.BuildPrograms(ctx, programs, true); err != nil {
		return err
	}
	for _, o := range []release.Options{
		{Version: running},
		{Version: newer, SizeBytes: 8 << 20},
	} {
		o.NoErrorCorrection = true
		if _, err := release.Build(ctx, webroot, o); err != nil {
			return err
		}
	}
	return nil
}

// What is tested is not part of the test's own program.
func TestSources(t *testing.T) {
	if err := machine.LookAtSources(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// desktop is a session on a machine that is to be updated.
type desktop struct {
	t *testing.T
	// name begins the names of the pictures.
	name    string
	dir     string
	system  *dbustest.Bus
	session *dbustest.Bus
	display *display
	login   *dbustest.Login1
	locale  string
	client  *dbusapi.Client
}

// newDesktop makes a session in which only the programs of this test are.
func newDesktop(t *testing.T, name, locale, background string) *desktop {
	t.Helper()
	d := &desktop{t: t, name: name, locale: locale, dir: t.TempDir(), system: dbustest.Start(t), display: startDisplay(t, background)}
	services := filepath.Join(d.dir, "services")
	d.session = dbustest.StartWith(t, dbustest.Open+"<servicedir>"+services+"</servicedir>")
	d.login = dbustest.StartLogin1(t, d.system)
	for _, folder := range []string{"home", "run", "services"} {
		if err := os.MkdirAll(filepath.Join(d.dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if d.client, err = dbusapi.Dial(t.Context(), d.system.Address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.client.Close)
	return d
}

// start runs a program until the test ends. The signal of its parent's death
// is for a test that panics; it is that of the thread that started it, so that
// thread stays.
func start(t *testing.T, cmd *exec.Cmd, debianPackage string) *process {
	t.Helper()
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr = &p.complaints
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		defer close(p.ended)
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("%v (Debian package %s)", err, debianPackage)
	}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() || strings.Contains(p.complaints.String(), "DATA RACE") {
			t.Errorf("%s: %s", cmd.Path, p.complaints.String())
		}
	})
	return p
}

// process is a program that was started.
type process struct {
	cmd        *exec.Cmd
	complaints bytes.Buffer // read when it has ended
	ended      chan struct{}
}

// stop ends it, at once when it does not end by itself.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// environment is that of the session.
func (d *desktop) environment() []string {
	home := filepath.Join(d.dir, "home")
	return []string{
		"PATH=/usr/bin:/bin", "HOME=" + home, "XDG_RUNTIME_DIR=" + filepath.Join(d.dir, "run"),
		"XDG_CACHE_HOME=" + filepath.Join(home, ".cache"), "XDG_CONFIG_HOME=" + filepath.Join(home, ".config"),
		"XDG_STATE_HOME=" + filepath.Join(home, ".local/state"), "XDG_DATA_HOME=" + filepath.Join(home, ".local/share"),
		"DISPLAY=" + d.display.name, "DBUS_SESSION_BUS_ADDRESS=" + d.session.Address, "LANG=" + d.locale, "NO_AT_BRIDGE=1",
	}
}

// run starts a program in the session.
func (d *desktop) run(debianPackage, path string, args ...string) *process {
	d.t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = d.environment()
	cmd.Dir = d.dir
	return start(d.t, cmd, debianPackage)
}

// command runs a program in the session to its end and returns what it printed.
func (d *desktop) command(path string, args ...string) string {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), path, args...)
	cmd.Env = d.environment()
	output, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s %q: %v: %s", path, args, err, output)
	}
	return string(output)
}

// applet starts updater-notify.
func (d *desktop) applet() *process {
	d.t.Helper()
	return d.run("", filepath.Join(programs, "updater-notify"), "--bus", d.system.Address)
}

// update starts the machine, its server and its daemon, which installs nothing
// by itself. The server is slow while slow is true, and away while away is.
func (d *desktop) machine() (slow, away *atomic.Bool) {
	d.t.Helper()
	t, root := d.t, filepath.Join(d.dir, "machine")
	slow, away = new(atomic.Bool), new(atomic.Bool)
	server, err := tlsserver.Start(t.Context(), tlsserver.Options{Handler: throttled(tlsserver.Files(webroot), slow, away)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	if err := machine.New(root, webroot, running); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(root, "usr/lib/updater/config.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		config:                            strings.Replace(string(text), `"2M"`, `"16M"`, 1),
		root + "/etc/updater/policy.toml": "mode = \"check\"\nfirst_check = \"1h\"\n",
	} {
		if err := machine.WriteFile(name, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := machine.Connect(root, server); err != nil {
		t.Fatal(err)
	}
	d.run("", filepath.Join(programs, "updaterd"), "--root", root, "--bus", d.system.Address)
	d.until("the service is on the bus", func() bool {
		_, err := d.client.Overview(t.Context())
		return err == nil
	})
	return slow, away
}

// throttled serves core images slowly, or nothing at all.
func throttled(files http.Handler, slow, away *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler)
		}
		if strings.HasSuffix(r.URL.Path, "-core") {
			w = &trickle{w, slow}
		}
		files.ServeHTTP(w, r)
	})
}

type trickle struct {
	http.ResponseWriter
	slow *atomic.Bool
}

// Write writes 16 KiB every 40 milliseconds.
func (w *trickle) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		part := p
		if w.slow.Load() {
			part = p[:min(len(p), 16<<10)]
			time.Sleep(40 * time.Millisecond)
		}
		n, err := w.ResponseWriter.Write(part)
		written += n
		if err != nil {
			return written, err
		}
		if w.slow.Load() {
			_ = http.NewResponseController(w.ResponseWriter).Flush()
		}
		p = p[n:]
	}
	return written, nil
}

// until waits for a condition.
func (d *desktop) until(what string, f func() bool) {
	d.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !f(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			d.picture("timeout")
			d.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// picture keeps what is on the screen, when that is wanted. It waits until the
// server has drawn it: until nothing moves.
func (d *desktop) picture(step string) {
	d.t.Helper()
	if *screenshots == "" {
		return
	}
	before := d.display.picture(d.t)
	for range 40 {
		time.Sleep(250 * time.Millisecond)
		now := d.display.picture(d.t)
		if differs(before, now).Empty() {
			break
		}
		before = now
	}
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		d.t.Fatal(err)
	}
	save(d.t, filepath.Join(*screenshots, d.name+"-"+step+".png"), cropped(before))
}
