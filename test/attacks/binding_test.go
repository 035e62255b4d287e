// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"net/http"
	"strings"
	"testing"

	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
)

// build makes a release of the offered version in a web root of its own.
func build(t *testing.T, o release.Options) (webroot string) {
	t.Helper()
	webroot = t.TempDir()
	o.Version = offered
	if _, err := release.Build(t.Context(), webroot, o); err != nil {
		t.Fatal(err)
	}
	return webroot
}

// signed serves a content as one of the payloads, properly signed.
func signed(t *testing.T, kind, content string) map[string]http.HandlerFunc {
	t.Helper()
	return map[string]http.HandlerFunc{kind: body(content), kind + ".sig": body(sign(t, release.PublishedKey(), content, offered, false))}
}

// only leaves what belongs to one payload.
func only(kind string, files map[string]http.HandlerFunc) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{kind: files[kind], kind + ".sig": files[kind+".sig"]}
}

// Every file is signed by our key and for this version, and yet they are not
// the two halves of this product's release: with the kernel command lines of
// CLIP OS and with those of systemd.
func TestContentBinding(t *testing.T) {
	t.Parallel()
	for style, honest := range map[release.Style]string{release.StyleCLIPOS: webroot, release.StyleSystemd: systemdWebroot} {
		t.Run(string(style), func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			for name, files := range boundOtherwise(t, style, honest) {
				v.serves(instead(tlsserver.Files(honest), files))
				v.refuses("ContentMismatch", name)
			}
			v.serves(tlsserver.Files(honest))
			if o := v.run(); o.exit != 0 {
				t.Fatalf("the honest update: %s", o.stderr)
			}
			v.installed(honest)
		})
	}
}

func boundOtherwise(t *testing.T, style release.Style, honest string) map[string]map[string]http.HandlerFunc {
	t.Helper()
	another := strings.Repeat("ab", 32)
	other := releaseOf(build(t, release.Options{Style: style, SizeBytes: 300 << 10}), "clipos")
	cases := map[string]map[string]http.HandlerFunc{
		"payloads swapped": {
			"core": fileOf(honest, distDir+"efiboot"), "core.sig": fileOf(honest, distDir+"efiboot.sig"),
			"efiboot": fileOf(honest, distDir+"core"), "efiboot.sig": fileOf(honest, distDir+"core.sig"),
		},
		"core twice":                        {"efiboot": fileOf(honest, distDir+"core"), "efiboot.sig": fileOf(honest, distDir+"core.sig")},
		"efiboot twice":                     {"core": fileOf(honest, distDir+"efiboot"), "core.sig": fileOf(honest, distDir+"efiboot.sig")},
		"core of another build":             only("core", other),
		"efiboot of another build":          only("efiboot", other),
		"another product's":                 releaseOf(build(t, release.Options{Style: style, Product: "clipos-server"}), "clipos-server"),
		"another product's, named likewise": releaseOf(build(t, release.Options{Style: style, Product: "clipos-"}), "clipos-"),
		"an EFI binary that is text":        signed(t, "efiboot", "MZ"+strings.Repeat("x", 8192)),
		"an EFI binary cut short, signed":   signed(t, "efiboot", genuine(t, honest, "efiboot")[:512]),
		"core without a file system":        signed(t, "core", strings.Repeat("x", 64<<10)),
		"core without a hash tree":          signed(t, "core", genuine(t, honest, "core")[:266240]),
		"core that ends in its superblock":  signed(t, "core", genuine(t, honest, "core")[:266240+100]),
		"empty core, signed":                signed(t, "core", ""),
	}
	for name, wrong := range map[string]release.Wrong{
		"another product inside":            {ID: "clipos-server"},
		"product with a suffix":             {ID: "clipos-efiboot-efiboot"},
		"product in capitals":               {ID: "CLIPOS"},
		"another version inside":            {VersionID: "5.0.0-alpha.2"},
		"a higher version inside":           {VersionID: "5.0.0"},
		"no version inside":                 {VersionID: "none"},
		"the running volume":                {Volume: "core_" + running},
		"the state volume alone":            {Volume: "core_state"},
		"a volume that begins like ours":    {Volume: "core_" + offered + "1"},
		"another root hash":                 {RootHash: another},
		"no root hash":                      {RootHash: "-"},
		"a root hash cut short":             {RootHash: another[:8]},
		"two root hashes":                   {AlsoRootHash: another},
		"root hash in another's spelling":   {AlsoRootHash: another + " rd.roothash=" + another},
		"root hash in quotes":               {AlsoRootHash: `x" "roothash=` + another},
		"a second volume":                   {AlsoRootHash: another + " root=/dev/mapper/verity_core_" + running},
		"no command line":                   {Omit: []string{".cmdline"}},
		"no os-release":                     {Omit: []string{".osrel"}},
		"no command line and no os-release": {Omit: []string{".cmdline", ".osrel"}},
	} {
		cases[name] = releaseOf(build(t, release.Options{Style: style, NoErrorCorrection: true, Wrong: wrong}), "clipos")
	}
	return cases
}

// The image of the other style of command line is as good: which of the two a
// product uses is its own affair.
func TestMixedStyles(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	mixed := only("efiboot", releaseOf(systemdWebroot, "clipos"))
	if genuine(t, webroot, "core") != genuine(t, systemdWebroot, "core") {
		v.serves(instead(tlsserver.Files(webroot), mixed))
		v.refuses("ContentMismatch", "efiboot of another style, for an image with another salt")
	}
	v.updates()
}

// What content_binding = false gives up is content binding and nothing else.
func TestBindingSwitchedOff(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.write("usr/lib/updater/config.toml", v.read("usr/lib/updater/config.toml")+"[trust]\ncontent_binding = false\n")
	for name, files := range map[string]map[string]http.HandlerFunc{
		"another key's": releaseOf(build(t, release.Options{Key: newKey(t)}), "clipos"),
		"a changed bit": {"core": body(flipped(genuine(t, webroot, "core"), 5000))},
		"cut":           {"efiboot": body(genuine(t, webroot, "efiboot")[:1000])},
		"legacy":        releaseOf(build(t, release.Options{Legacy: true}), "clipos"),
	} {
		v.serves(instead(tlsserver.Files(webroot), files))
		v.refuses("SignatureInvalid", name)
	}
	v.updates()
}
