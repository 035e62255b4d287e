// SPDX-License-Identifier: LGPL-2.1-or-later

package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var madeAt = time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)

func writtenPage(t *testing.T, r *Report, title string) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteHTML(&b, title, madeAt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPageNeedsNothing: no script, nothing from elsewhere, and a policy that
// lets the browser use this style and nothing else.
func TestPageNeedsNothing(t *testing.T) {
	page := writtenPage(t, read(t, options(latest), string(sampleLog(200, 40))), "Fleet")
	if found := regexp.MustCompile(`(?i)<script|javascript:|\son[a-z]+=|\ssrc=|\shref=|url\(|@import|\sstyle=|<link|<img|<iframe`).FindString(page); found != "" {
		t.Errorf("the page has %q", found)
	}
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)
	if policy == nil {
		t.Fatal("no policy")
	}
	text := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(policy[1])
	if !strings.HasPrefix(text, "default-src 'none'; ") || !strings.Contains(text, want) || strings.Contains(text, "unsafe") {
		t.Errorf("policy %s, want it to have %s", text, want)
	}
}

// TestPageIsWellFormed reads it as XML, which is stricter than HTML.
func TestPageIsWellFormed(t *testing.T) {
	for name, r := range reports(t) {
		d := xml.NewDecoder(strings.NewReader(writtenPage(t, r, "Fleet")))
		d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
	}
}

// reports are of all sizes.
func reports(t *testing.T) map[string]*Report {
	t.Helper()
	return map[string]*Report{
		"nothing":     read(t, options(latest)),
		"one request": read(t, options(latest), request(1, "11-01T10", "5.0.0", "stable", "5.1.0")),
		"nobody":      read(t, options(latest), request(0, "11-01T10", "", "", "")),
		"one day":     read(t, options(latest), string(sampleLog(100, 1))),
		"a year":      read(t, options(began.AddDate(1, 0, 1)), string(sampleLog(20, 365))),
	}
}

// TestPageEscapes: what can come from outside is text, and nothing else.
func TestPageEscapes(t *testing.T) {
	evil := `"><script>alert(1)</script>&'`
	r := read(t, options(latest), request(1, "11-01T10", "5.0.0", "stable", "5.1.0"))
	r.Versions[0].Version, r.Versions[0].Channels[evil], r.Channels = evil, 1, append(r.Channels, evil)
	r.Rollouts[0].Version, r.Rollouts[0].Channel = evil, evil
	r.Adoption[0].Machines[evil] = 1
	r.Absent = []Absent{{evil, madeAt, evil, evil}}
	r.Broken = []Broken{{evil, evil}}
	page := writtenPage(t, r, evil)
	if strings.Contains(page, "<script") {
		t.Error(page)
	}
	if n := strings.Count(page, "&lt;script&gt;alert(1)"); n < 12 {
		t.Errorf("escaped %d times", n)
	}
}

// browse has Chromium show a page: its elements as they ended up and a
// picture.
func browse(t *testing.T, page string, arguments ...string) string {
	t.Helper()
	program, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		t.Fatalf("%v: install the Debian package chromium-headless-shell", err)
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "page.html")
	if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir=" + filepath.Join(folder, "profile"),
		"--window-size=1080,1600",
	}, append(arguments, "file://"+file)...)...)
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %s", err, &log)
	}
	// The browser says here what the policy kept it from.
	if strings.Contains(log.String(), "Content Security Policy") {
		t.Errorf("%s", &log)
	}
	return out.String()
}

func TestPageInBrowser(t *testing.T) {
	o := options(latest)
	o.Limits = DefaultLimits()
	page := writtenPage(t, read(t, o, string(sampleLog(900, 40))), "Update fleet: clipos")
	elements := browse(t, page, "--dump-dom", "--enable-logging=stderr")
	for _, want := range []string{
		"<h1>Update fleet: clipos</h1>",
		" requests from 2026-10-12 00:0",
		"<span>machines seen in 14 days</span>",
		"<h2>Adoption</h2>", "5.2.0-alpha.2</li>", "20 Nov</text>",
		"<h2>Versions</h2>", "<th class=\"number\">stable</th>",
		"<h2>Rollouts</h2>", "<h2>Served</h2>", " GB</text>",
		"<h2>Not seen for 14 days</h2>",
		"<title>2026-11-20\n5.2.0-alpha.2: ",
		"Made 2026-11-21 08:30 UTC",
	} {
		if !strings.Contains(elements, want) {
			t.Errorf("no %q", want)
		}
	}
	// Both show that the style is used: without it pages are white.
	for _, c := range []struct {
		name, argument string
		page, newest   color.NRGBA
	}{
		{"light", "--blink-settings=preferredColorScheme=1", color.NRGBA{0xf6, 0xf7, 0xf9, 255}, color.NRGBA{0x1f, 0x9a, 0x83, 255}},
		{"dark", "--blink-settings=preferredColorScheme=0", color.NRGBA{0x11, 0x15, 0x1b, 255}, color.NRGBA{0x41, 0xc4, 0xaa, 255}},
	} {
		t.Run(c.name, func(t *testing.T) {
			picture := filepath.Join(t.TempDir(), "page.png")
			browse(t, page, "--screenshot="+picture, c.argument)
			checkColours(t, picture, c.page, c.newest)
		})
	}
}

// checkColours looks for the page's background in a corner, and for a good part
// of a chart in the colour of the version that most machines run at the end.
func checkColours(t *testing.T, file string, page, chart color.NRGBA) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := color.NRGBAModel.Convert(picture.At(3, 3)); got != page {
		t.Errorf("the page is %v, want %v", got, page)
	}
	points := 0
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			if color.NRGBAModel.Convert(picture.At(x, y)) == chart {
				points++
			}
		}
	}
	if points < 20_000 {
		t.Errorf("%d points of a chart are %v", points, chart)
	}
}

func TestScale(t *testing.T) {
	for _, c := range []struct{ highest, step, top float64 }{
		{0, 1, 1},
		{1, 1, 1},
		{3, 1, 3},
		{4, 1, 4},
		{5, 2, 6},
		{10, 5, 10},
		{99, 25, 100},
		{101, 50, 150},
		{3954, 1000, 4000},
		{7.6e10, 2e10, 8e10},
	} {
		if step, top := scale(c.highest); step != c.step || top != c.top {
			t.Errorf("%v: steps of %v up to %v, want %v up to %v", c.highest, step, top, c.step, c.top)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -100: "-100", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		n, of int
		want  string
	}{{0, 0, "–"}, {0, 5, "0.0 %"}, {5, 5, "100.0 %"}, {1, 3, "33.3 %"}, {1, 100_000, "0.1 %"}, {99_999, 100_000, "99.9 %"}} {
		if got := Percent(c.n, c.of); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.n, c.of, got, c.want)
		}
	}
}

// TestChartIsInItsFrame: nothing is drawn outside, whatever the number of days.
func TestChartIsInItsFrame(t *testing.T) {
	for days := range 400 {
		names, values := make([]string, days), make([]float64, days)
		for i := range days {
			names[i], values[i] = day(20000+i).date(), float64(i)
		}
		c := newChart("x", names, []series{{"a", "c0", values}}, func(v float64) string { return fmt.Sprint(v) })
		for _, column := range c.Columns {
			for _, p := range column.Parts {
				if column.X < chartLeft || column.X+column.Width > chartRight+0.01 || p.Y < chartTop-0.01 || p.Y+p.Height > chartBottom+0.01 {
					t.Fatalf("%d days: %+v", days, column)
				}
			}
		}
		if len(c.Columns) != min(days, maxChartDays) || len(c.Dates) > 11 || strings.Contains(c.Label, "last 120") != (days > maxChartDays) {
			t.Fatalf("%d days: %d columns, %d dates", days, len(c.Columns), len(c.Dates))
		}
	}
}
