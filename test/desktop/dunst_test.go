// SPDX-License-Identifier: LGPL-2.1-or-later

package desktop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/clipos/updater/dbusapi/dbustest"
	"github.com/clipos/updater/test/machine"
)

// dunstrc has dunst write down what it shows, and choose from the menu of
// actions what is in a file.
const dunstrc = `[global]
    monitor = 0
    width = 500
    height = 220
    origin = top-left
    offset = 16x16
    font = DejaVu Sans 11
    markup = full
    format = "<b>%s</b>\n%b"
    icon_position = off
    progress_bar = true
    progress_bar_height = 12
    progress_bar_min_width = 300
    progress_bar_max_width = 480
    show_indicators = true
    history_length = 50
    idle_threshold = 0
    ignore_newline = no
    alignment = left
    dmenu = DIR/menu
    always_run_script = true
[everything]
    script = DIR/shown
[urgency_low]
    timeout = 0
[urgency_normal]
    timeout = 0
[urgency_critical]
    timeout = 0
`

// dunst is a real notification server.
type dunst struct{ *desktop }

func startDunst(d *desktop) dunst {
	d.t.Helper()
	for name, content := range map[string]string{
		"dunstrc": strings.ReplaceAll(dunstrc, "DIR", d.dir),
		"menu":    "#!/bin/sh\ntee '" + d.dir + "/menu.log' | grep -F -f '" + d.dir + "/choice'\n",
		"shown":   "#!/bin/sh\nprintf '%s\\n%s\\n%s\\n\\n' \"$DUNST_URGENCY\" \"$DUNST_SUMMARY\" \"$DUNST_BODY\" >>'" + d.dir + "/shown.log'\n",
	} {
		name = filepath.Join(d.dir, name)
		if err := machine.WriteFile(name, content); err != nil {
			d.t.Fatal(err)
		}
		if err := os.Chmod(name, 0o755); err != nil {
			d.t.Fatal(err)
		}
	}
	d.run("dunst", "/usr/bin/dunst", "-config", filepath.Join(d.dir, "dunstrc"))
	d.until("dunst is on the bus", func() bool {
		_, _, err := d.session.Busctl(d.t, 0, "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetNameOwner", "s", "org.freedesktop.Notifications")
		return err == nil
	})
	return dunst{d}
}

// shown is what dunst ever put on the screen.
func (d dunst) shown() string {
	text, err := os.ReadFile(filepath.Join(d.dir, "shown.log"))
	if err != nil && !os.IsNotExist(err) {
		d.t.Fatal(err)
	}
	return string(text)
}

// sees waits until a text was shown, and takes a picture.
func (d dunst) sees(step, pattern string) {
	d.t.Helper()
	d.until("shown: "+pattern, func() bool { return regexp.MustCompile(pattern).MatchString(d.shown()) })
	if got := strings.TrimSpace(d.command("/usr/bin/dunstctl", "count", "displayed")); got != "1" {
		d.t.Errorf("%s: %s notifications are displayed, want one", step, got)
	}
	d.picture(step)
}

// click chooses a button, by its label, from dunst's menu.
func (d dunst) click(label string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, "choice"), []byte("#"+label+" (\n"), 0o644); err != nil {
		d.t.Fatal(err)
	}
	d.command("/usr/bin/dunstctl", "context")
}

// closed are the notifications that are gone, as dunstctl tells, by their
// summaries.
func (d dunst) closed() map[string]string {
	var history struct {
		Data [][]struct {
			Summary, Body struct{ Data string }
		}
	}
	if err := json.Unmarshal([]byte(d.command("/usr/bin/dunstctl", "history")), &history); err != nil {
		d.t.Fatal(err)
	}
	found := map[string]string{}
	for _, list := range history.Data {
		for _, n := range list {
			found[n.Summary.Data] = n.Body.Data
		}
	}
	return found
}

// TestDunst: an update from its offer to the restart, in English.
func TestDunst(t *testing.T) {
	t.Parallel()
	d := startDunst(newDesktop(t, "dunst", "en_GB.UTF-8", "-wr"))
	slow, _ := d.machine()
	slow.Store(true)
	d.login.Inhibit(dbustest.Inhibitor{What: "shutdown", Who: "LibreOffice", Why: "report <final> is not saved", Mode: "block"})
	applet := d.applet()
	if _, err := d.client.Check(t.Context()); err != nil {
		t.Fatal(err)
	}

	d.sees("1-available", "Version 5.0.0-alpha.3 can be installed; 5.0.0-alpha.1 is running.")
	d.click("Details")
	d.sees("2-details", `To download: 8\.6 MB`)
	d.click("Install now")
	d.sees("3-progress", `Downloading: [2-5]\d%\n.* left`)
	slow.Store(false)
	d.sees("4-ready", "Version 5.0.0-alpha.3 is installed and starts when the computer is restarted.")
	d.click("Restart now")
	d.sees("5-inhibited", `Not restarted: LibreOffice prevents it \(report &lt;final&gt; is not saved\)\.`)
	d.login.Inhibit()
	d.click("Tonight")
	d.sees("6-tonight", "Version 5.0.0-alpha.3 starts at about 03:00.")

	// It is remembered; and by now it is night.
	applet.stop()
	d.nightfall()
	d.applet()
	d.sees("7-imminent", `Restart at \d\d:\d\d\nThis computer restarts with version 5\.0\.0-alpha\.3`)
	d.click("Restart now")
	if interactive := <-d.login.Reboots; !interactive {
		t.Error("the user may not be asked for permission")
	}

	closed := d.closed()
	for _, summary := range []string{"System update available", "Restart to update", "Restart tonight"} {
		if _, ok := closed[summary]; !ok {
			t.Errorf("dunst's history lacks %q: %q", summary, closed)
		}
	}
}

// nightfall changes what the applet remembers: the restart is due.
func (d *desktop) nightfall() {
	d.t.Helper()
	file := filepath.Join(d.dir, "home/.local/state/updater-notify/state.json")
	data, err := os.ReadFile(file)
	if err != nil {
		d.t.Fatal(err)
	}
	var memory map[string]any
	if err := json.Unmarshal(data, &memory); err != nil {
		d.t.Fatal(err)
	}
	restart, ok := memory["restart"].(map[string]any)
	if !ok {
		d.t.Fatalf("no restart in %s", data)
	}
	now := time.Now()
	restart["at"], restart["end"] = now.Format(time.RFC3339Nano), now.Add(time.Hour).Format(time.RFC3339Nano)
	if data, err = json.Marshal(memory); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		d.t.Fatal(err)
	}
}
