// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
)

// An older release, and the one that runs, are nothing to do, whoever offers
// them and however well they are signed.
func TestOlderOffered(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for _, version := range []string{running, fallback, "5.0.0-alpha", "5.0.0-a.9", "4.99.99", "0.0.0", "0.0.0-0", "5.0.0-1"} {
		v.offers(version)
		v.ignores(version)
	}
	v.noPayload()
	v.updates()
}

// A version below one that came up good here is refused, whatever runs now:
// after a restart as before, and though the older release is genuine.
func TestDowngrade(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.replaceIn(stateFile, running, "5.0.0-alpha.9")
	for _, version := range []string{"5.0.0-alpha.2", offered, "5.0.0-alpha.8"} {
		for range 2 {
			v.offers(version)
			v.refuses("Downgrade", version)
		}
	}
	v.noPayload()
}

// A signature says for which version it was made.
func TestCommentOfAnotherVersion(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	core := genuine(t, webroot, "core")
	for _, comment := range []string{
		"5.0.0-alpha.2", "5.0.0-alpha.30", "5.0.0-alpha.3 ", " 5.0.0-alpha.3", "5.0.0-alpha.3\t", "v5.0.0-alpha.3", "5.0.0-alpha.3+1",
		"5.0.0-ALPHA.3", "5.0.0-alpha.03", "version: 5.0.0-alpha.3", "core 5.0.0-alpha.3", "*", "5.0.0-alpha.3 \x1b[2J", "5.0.0-alpha.3\u00a0",
	} {
		v.forges("core.sig", body(sign(t, release.PublishedKey(), core, comment, false)))
		v.refuses("VersionMismatch", fmt.Sprintf("%q", comment))
	}
	old := map[string]http.HandlerFunc{}
	for _, file := range []string{"core", "core.sig", "efiboot", "efiboot.sig"} {
		old[file] = fileOf(webroot, "dist/5.0.0-alpha.2/clipos-"+file)
	}
	v.serves(instead(tlsserver.Files(webroot), old))
	v.refuses("VersionMismatch", "an older release under the new name")
	v.noPayload()
	v.updates()
}

// badVersions are not versions a server may offer, as TOML texts.
var badVersions = []string{
	"", " ", ".", "..", "5", "5.0", "5.0.0.0", "v5.0.0", "V5.0.0", "=5.0.0", ">5.0.0", "^5.0.0", "~5.0.0", "5.0.x", "*", "latest",
	"5.0.0+1", "5.0.0-alpha.9+1", "5.0.0+1-2", "5.0.0+", "5.0.0-RC.1", "5.0.0-ALPHA.9", "5.0.0-alpha.", "5.0.0-.alpha", "5.0.0-", "05.0.0", "5.00.0",
	"5.0.0-01", "-5.0.0", "5.-1.0", "5.0.0 ", " 5.0.0", "5.0.0\\t", "5.0.0\\n", "5.0.0\\r\\n", "5.0.0\\r\\nclipos-machineid: 0", "5.0.0\\u0000", "5.0.0-a\\u0000b",
	"../../etc", "../5.0.0", "5.0.0/../../etc", "5.0.0-a/b", "5.0.0-..", "5.0.0-a/../..", "/etc/passwd", "5.0.0%2f..", "5.0.0-%2e%2e", "file:///etc/passwd", "5.0.0\\\\..",
	"5.0.0?x", "5.0.0#x", "5.0.0@host", "5.0.0:8", "5.0.0;reboot", "5.0.0-$(reboot)", "5.0.0-`reboot`", "5.0.0-%TEMP%", "5.0.0|x", "5.0.0&x", "5.0.0-a b", "-x", "--version",
	"5.0.0-\\u00e4", "\\uff15.0.0", "5.0.0-\\u202e", "5\\u22240.0", "5.0.0-\\U0001F600", "1234567890.0.0", "5.1234567890.0", "5.0.1234567890", "18446744073709551616.0.0",
	"5.0.0-a.12345678901234567890", "0x5.0.0", "5e0.0.0", "1_0.0.0", "nan", "5,0,0", "5.0.0-" + strings.Repeat("a", 60), strings.Repeat("9", 3000),
}

// badDocuments are version documents without one version.
var badDocuments = map[string]string{
	"empty":               "",
	"text":                "5.0.0-alpha.3\n",
	"a web page":          "<html><body>Log in to the network</body></html>",
	"JSON":                `{"version": "5.0.0-alpha.3"}`,
	"two versions":        "version = \"5.0.0-alpha.3\"\nversion = \"5.0.0-alpha.4\"\n",
	"the same twice":      "version = \"5.0.0-alpha.3\"\nversion = \"5.0.0-alpha.3\"\n",
	"in a table":          "[clipos]\nversion = \"5.0.0-alpha.3\"\n",
	"another spelling":    "Version = \"5.0.0-alpha.3\"\n",
	"in capitals":         "VERSION = \"5.0.0-alpha.3\"\n",
	"number":              "version = 5\n",
	"fraction":            "version = 5.0\n",
	"date":                "version = 2026-01-01\n",
	"list":                "version = [\"5.0.0-alpha.3\"]\n",
	"table":               "version = {version = \"5.0.0-alpha.3\"}\n",
	"truth":               "version = true\n",
	"no quotes":           "version = 5.0.0-alpha.3\n",
	"one quote":           "version = \"5.0.0-alpha.3\n",
	"more behind":         "version = \"5.0.0-alpha.3\" reboot\n",
	"byte order mark":     "\uFEFFversion = \"5.0.0-alpha.3\"\n",
	"UTF-16":              "v\x00e\x00r\x00s\x00i\x00o\x00n\x00=\x00",
	"a NUL":               "version = \"5.0.0-alpha.3\x00\"\n",
	"a NUL before":        "\x00version = \"5.0.0-alpha.3\"\n",
	"not UTF-8":           "version = \"5.0.0-\xff\"\n",
	"a key with a NUL":    "ver\x00sion = \"5.0.0-alpha.3\"\n",
	"carriage returns":    "version = \"5.0.0-alpha.3\"\rversion = \"5.0.0-alpha.4\"\r",
	"a raw line break":    "version = \"5.0.0\n-alpha.3\"\n",
	"escape sequences":    "version = \"5.0.0\"\n\x1b[2J\n",
	"nested lists":        "x = " + strings.Repeat("[", 4000) + "\n",
	"nested tables":       "x = " + strings.Repeat("{a=", 1300) + "\n",
	"many keys":           strings.Repeat("[a]\n", 1000),
	"a bad escape":        `version = "5.0.0\q"`,
	"a surrogate":         `version = "5.0.0\ud800"`,
	"in another document": "x = \"\"\"\nversion = \"5.0.0-alpha.3\"\n\"\"\"\n",
}

// A version document that is none, or one with something else than a version:
// nothing of it gets into an address, a file name or the terminal.
func TestVersionDocument(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for _, version := range badVersions {
		v.forges(versionFile, body("version = \""+version+"\"\n"))
		v.refuses("InvalidVersion", fmt.Sprintf("%.80q", version))
	}
	for name, text := range badDocuments {
		v.forges(versionFile, body(text))
		v.refuses("InvalidVersion", name)
	}
	for _, r := range v.server.Requests() {
		if r.Path != "/"+versionFile {
			v.Errorf("%s was asked for", r.Path)
		}
	}
	v.updates()
}

func TestVersionDocumentTooLarge(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	good := "version = \"" + offered + "\"\n"
	for name, h := range map[string]http.HandlerFunc{
		"a byte too many": body(good + strings.Repeat("#", 4097-len(good))),
		"1 MiB":           body(good + strings.Repeat("#\n", 1<<19)),
		"100 MiB":         sparse(t, 100<<20),
		"endless":         endless("#\n"),
		"endless line":    endless("x"),
	} {
		v.forges(versionFile, h)
		v.refuses("ResponseTooLarge", name)
	}
	v.updates()
}

// A release that is announced and not there. What was announced is not
// remembered: the honest release that follows is lower, and installed.
func TestAnnouncedButNotThere(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for _, version := range []string{"999.0.0", "999999999.999999999.999999999", "5.0.0-alpha.4", "5.0.0"} {
		v.offers(version)
		v.refuses("ServerError", version)
	}
	v.updates()
}
