// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
	"github.com/clipos/updater/updater/patch"
)

// The files that spare a machine the plain core image.
const (
	patchFile = "core.from-" + running + ".patch"
	zstdFile  = "core.zst"
)

// compact serves the release with its compact forms, but for some files.
func (v *victim) compact(others map[string]http.HandlerFunc) {
	v.serves(instead(tlsserver.Files(compactWebroot), others))
}

// inVain attacks one compact form. Everything that could follow it is broken
// too, so that the update has to be refused, with nothing touched on the way;
// and it has to be this form that was found out, for that reason.
func (v *victim) inVain(form, why, attack string, others map[string]http.HandlerFunc) {
	v.Helper()
	broken := map[string]http.HandlerFunc{}
	for _, file := range []string{patchFile, zstdFile, "core"} {
		broken[file] = body(flipped(genuine(v.T, compactWebroot, file), 5000))
	}
	maps.Copy(broken, others)
	v.compact(broken)
	v.refuses("SignatureInvalid", form+": "+attack)
	if o := v.last.stderr; !strings.Contains(o, form+": ") && !strings.Contains(o, form+" is not used: ") || !strings.Contains(o, why) {
		v.Errorf("%s: %s: not said why, want %q:\n%s", form, attack, why, o)
	}
}

// resigned serves a file with a signature of ours.
func resigned(t *testing.T, file, content string) map[string]http.HandlerFunc {
	t.Helper()
	return map[string]http.HandlerFunc{
		file: body(content), file + ".sig": body(sign(t, release.PublishedKey(), content, offered, false)),
	}
}

// A patch or compressed image whose signature is none, or that is not what was
// signed.
func TestCompactForged(t *testing.T) {
	t.Parallel()
	for _, form := range []string{patchFile, zstdFile} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			good := genuine(t, compactWebroot, form)
			for name, text := range forgedSignatures(t, compactWebroot, form) {
				v.inVain(form, "", name, map[string]http.HandlerFunc{form: body(good), form + ".sig": body(text)})
			}
			for _, file := range []string{"core", "efiboot", patchFile, zstdFile} {
				if file != form {
					v.inVain(form, "payload is not the one signed", "signature of "+file, map[string]http.HandlerFunc{
						form: body(good), form + ".sig": body(genuine(t, compactWebroot, file+".sig")),
					})
				}
			}
			for name, h := range map[string]http.HandlerFunc{
				"no signature": status(http.StatusNotFound), "gone": status(http.StatusGone), "endless": endless("x"),
			} {
				v.inVain(form, form+": signature: ", name, map[string]http.HandlerFunc{form: body(good), form + ".sig": h})
			}
			for name, content := range map[string]string{
				"empty": "", "a byte": good[:1], "half": good[:len(good)/2], "cut by a byte": good[:len(good)-1],
				"longer by a byte": good + "x", "without its first byte": good[1:], "core": genuine(t, compactWebroot, "core")[:100_000],
			} {
				v.inVain(form, "payload is not the one signed", name, map[string]http.HandlerFunc{form: body(content)})
				v.inVain(form, "payload is not the one signed", name+", length not known before", map[string]http.HandlerFunc{form: getOnly(body(content))})
			}
			const places = 40
			for i := range places {
				at := i * (len(good) - 1) / (places - 1)
				v.inVain(form, "payload is not the one signed", fmt.Sprint("bit of byte ", at), map[string]http.HandlerFunc{form: body(flipped(good, at))})
			}
			v.updates()
		})
	}
}

// headOnly says that there is a file, and then has none.
func headOnly(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Length", "1000")
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

// What a server does with the payloads it may do with these files.
func TestCompactServed(t *testing.T) {
	t.Parallel()
	for _, form := range []string{patchFile, zstdFile} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			size := int64(len(genuine(t, compactWebroot, "core")))
			for name, c := range map[string]struct {
				h   http.HandlerFunc
				why string
			}{
				"as large as the image":      {sparse(t, size), "response too large"},
				"larger than the image":      {sparse(t, size+1), "response too large"},
				"of 5 GiB":                   {sparse(t, 5<<30), "response too large"},
				"of 5 GiB, not told by HEAD": {getOnly(sparse(t, 5<<30)), "response too large"},
				"endless":                    {endless("x"), "response too large"},
				"no such file after all":     {headOnly, "status 404"},
				"server error":               {getOnly(status(http.StatusForbidden)), "status 403"},
				"redirected":                 {status(http.StatusFound, "Location", "http://127.0.0.1/"), "status 302"},
				"compressed once more": {func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Encoding", "gzip")
					w.WriteHeader(http.StatusOK)
				}, "Content-Encoding"},
			} {
				v.inVain(form, c.why, name, map[string]http.HandlerFunc{form: c.h})
			}
			for _, r := range v.server.Requests() {
				if strings.HasSuffix(r.Path, form) && r.BodyBytes > 16<<20 {
					t.Errorf("%s %s: %d bytes were sent", r.Method, r.Path, r.BodyBytes)
				}
			}
			v.updates()
		})
	}
}

// Patches with our own signature that are not what this machine needs, and
// patches that lie: a signature says nothing but the version.
func TestSignedPatchLies(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	root := func(version string) *release.Release { return release.At(webroot, "clipos", version) }
	made := func(from, to *release.Release, change func(*patch.Header)) string {
		content, err := release.Patch(t.Context(), from, to, change)
		v.must(err)
		return string(content)
	}
	lies := func(change func(*patch.Header)) string { return made(root(running), root(offered), change) }
	other := root("5.0.0-alpha.2")
	other.Version = offered
	genuineTo := root(offered)
	for name, c := range map[string]struct{ content, why string }{
		"from another version":    {made(root(fallback), genuineTo, nil), "it leads from"},
		"to another version":      {made(root(running), root("5.0.0-alpha.2"), nil), "it leads from"},
		"the other way round":     {made(root(offered), root(running), nil), "it leads from"},
		"another version's image": {made(root(running), other, nil), "payload is not the one signed"},
		"from says another":       {lies(func(h *patch.Header) { h.From = fallback }), "it leads from"},
		"to says another":         {lies(func(h *patch.Header) { h.To = "5.0.0-alpha.2" }), "it leads from"},
		"with build metadata":     {lies(func(h *patch.Header) { h.From += "+1" }), "it leads from"},
		"another base":            {lies(func(h *patch.Header) { h.Base.BLAKE2b[63] ^= 1 }), "not the image the patch was made from"},
		"base as large as a disk": {lies(func(h *patch.Header) { h.Base.SizeBytes = 1 << 50 }), "not the image the patch was made from"},
		"base larger than there":  {lies(func(h *patch.Header) { h.Base.SizeBytes = 2<<20 + 1 }), "not the image the patch was made from"},
		"base shorter":            {lies(func(h *patch.Header) { h.Base.SizeBytes -= 4096; h.Pieces = within(h.Pieces, h.Base.SizeBytes) }), "not the image the patch was made from"},
		"the compressed image":    {genuine(t, compactWebroot, zstdFile), "malformed"},
		"the plain image":         {genuine(t, webroot, "core")[:200_000], "malformed"},
		"nothing":                 {"", "malformed"},
		"nothing but the magic":   {"UPDPATCH", "malformed"},
		"something behind it":     {lies(nil) + "x", "malformed"},
		"another checksum":        {flipped(lies(nil), len(lies(nil))-1), "not the image the patch was made from"},
	} {
		v.inVain(patchFile, c.why, name, resigned(t, patchFile, c.content))
	}
	v.updates()
}

// within keeps the windows of pieces inside a base.
func within(pieces []patch.Piece, baseBytes int64) []patch.Piece {
	for i := range pieces {
		for j := range pieces[i].Window {
			w := &pieces[i].Window[j]
			w.Bytes = min(w.Bytes, baseBytes-w.Offset)
		}
	}
	return pieces
}

// Each field of the header of a patch says something else, with our signature
// over it.
func TestEachFieldOfPatchHeader(t *testing.T) {
	t.Parallel()
	good := genuine(t, compactWebroot, patchFile)
	places := headerPlaces(t, good)
	const victims = 4
	for part := range victims {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			for i := part; i < len(places); i += victims {
				v.inVain(patchFile, "", fmt.Sprint("byte ", places[i], " of the header"), resigned(t, patchFile, flipped(good, places[i])))
			}
			v.updates()
		})
	}
}

// headerPlaces are the bytes of a header that have to be right, as package patch
// describes it: of the long fields, which are kept or refused as a whole, one in
// sixteen. Left out is the digest of the result, which only saves work: the
// image's own signature decides. So is where windows are, which counts where a
// frame refers to them and may be anywhere else where it does not.
func headerPlaces(t *testing.T, content string) []int {
	t.Helper()
	var places []int
	at := 0
	field := func(length, step int) {
		for i := 0; i < length; i += step {
			places = append(places, at+i)
		}
		at += length
	}
	skip := func(length int) { at += length }
	field(16, 1)
	for range 2 { // versions
		field(1+int(content[at]), 1)
	}
	field(8, 1)
	field(64, 16)
	field(8, 1)
	skip(64)
	if content[at] == 0 {
		t.Fatal("the patch computes no hash tree")
	}
	field(9, 1)
	field(512, 16)
	pieces := int(content[at+1])
	field(5, 1)
	for range pieces {
		parts := int(content[at+8])
		field(9, 1)
		skip(12 * parts)
	}
	if header := int(content[12]) | int(content[13])<<8; at != header {
		t.Fatalf("the header has %d bytes, these fields %d", header, at)
	}
	return places
}

// A compressed image with our own signature that is too much, too little, or
// no compressed image.
func TestSignedCompressedLies(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	core := genuine(t, webroot, "core")
	for name, c := range map[string]struct{ content, why string }{
		"a bomb of 4 GiB":          {zeros(t, 4<<30, 1<<20), "too large"},
		"a bomb of 64 MiB":         {zeros(t, 64<<20, 1<<20), "too large"},
		"a bomb with a window":     {zeros(t, 256<<20, 32<<20), "too large"},
		"a window of 64 MiB":       {zeros(t, 256<<20, 64<<20), "malformed"},
		"a window of 512 MiB":      {zeros(t, 1<<30, 512<<20), "malformed"},
		"longer by a byte":         {compressed(t, core+"x"), "too large"},
		"the image twice":          {compressed(t, core) + compressed(t, core), "too large"},
		"cut image":                {compressed(t, core[:len(core)-1]), "payload is not the one signed"},
		"a bit of the image":       {compressed(t, flipped(core, 100_000)), "payload is not the one signed"},
		"image of another version": {compressed(t, genuineOf(t, "5.0.0-alpha.2")), "payload is not the one signed"},
		"cut frame":                {compressed(t, core)[:10_000], "malformed"},
		"a patch":                  {genuine(t, compactWebroot, patchFile), "malformed"},
		"the plain image":          {core[:200_000], "malformed"},
		"nothing":                  {"", "payload is not the one signed"},
		"skipped frames":           {strings.Repeat("\x50\x2a\x4d\x18\x00\x00\x00\x00", 10_000), "payload is not the one signed"},
		"a frame cut in its head":  {"\x28\xb5\x2f\xfd\xff", "malformed"},
	} {
		v.inVain(zstdFile, c.why, name, resigned(t, zstdFile, c.content))
	}
	v.updates()
}

func genuineOf(t *testing.T, version string) string {
	t.Helper()
	data, err := os.ReadFile(release.At(webroot, "clipos", version).Core)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func compressed(t *testing.T, content string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return string(w.EncodeAll([]byte(content), nil))
}

// zeros are many, compressed, in a frame that wants a window.
func zeros(t *testing.T, sizeBytes int64, windowBytes int) string {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithWindowSize(windowBytes), zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 8<<20)
	for left := sizeBytes; left > 0; left -= int64(len(piece)) {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Whatever is wrong with a compact form, or with the image that runs, the next
// form installs the very same system.
func TestNextForm(t *testing.T) {
	t.Parallel()
	content := func(file string) string { return genuine(t, compactWebroot, file) }
	for name, c := range map[string]struct {
		others  map[string]http.HandlerFunc
		prepare func(*victim)
		fetched string // the file that the image came from
		why     string
	}{
		"nothing wrong":         {nil, nil, patchFile, ""},
		"forged patch":          {map[string]http.HandlerFunc{patchFile: body(flipped(content(patchFile), 3000))}, nil, zstdFile, "payload is not the one signed"},
		"patch signed by other": {map[string]http.HandlerFunc{patchFile + ".sig": body(sign(t, newKey(t), content(patchFile), offered, false))}, nil, zstdFile, "signature invalid"},
		"patch that lies":       {resigned(t, patchFile, content(patchFile)+"x"), nil, zstdFile, "malformed"},
		"patch of 5 GiB":        {map[string]http.HandlerFunc{patchFile: sparse(t, 5<<30)}, nil, zstdFile, "response too large"},
		"a bomb for both":       {merged(resigned(t, patchFile, zeros(t, 64<<20, 1<<20)), resigned(t, zstdFile, zeros(t, 64<<20, 1<<20))), nil, "core", "too large"},
		"patch always cut":      {map[string]http.HandlerFunc{patchFile: wrongLength(content(patchFile))}, nil, zstdFile, patchFile},
		"no patch, forged .zst": {map[string]http.HandlerFunc{patchFile: status(http.StatusNotFound), zstdFile: body(flipped(content(zstdFile), 3000))}, nil, "core", "payload is not the one signed"},
		"image has lost a bit": {nil, func(v *victim) {
			image := []byte(v.read(machine.Volumes + "/core_" + running))
			image[70_000] ^= 1
			v.must(os.WriteFile(v.at(machine.Volumes+"/core_"+running), image, 0o600))
		}, zstdFile, "not the image the patch was made from"},
		"image is not there": {nil, func(v *victim) { v.must(os.Remove(v.at(machine.Volumes + "/core_" + running))) }, zstdFile, "volume not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			if c.prepare != nil {
				c.prepare(v)
			}
			v.compact(c.others)
			tried.Add(1)
			o := v.run()
			if o.exit != 0 || !strings.Contains(o.stderr, c.why) || o.memoryBytes > maxMemoryBytes {
				t.Fatalf("exit status %d, %d MiB, want %q\n%s", o.exit, o.memoryBytes>>20, c.why, o.stderr)
			}
			v.installed(webroot)
			var last string
			for _, r := range v.server.Requests() {
				if r.Method == http.MethodGet && !strings.HasSuffix(r.Path, ".sig") {
					last = filepath.Base(r.Path)
				}
			}
			if last != "clipos-"+c.fetched {
				t.Errorf("the image came from %s, want %s", last, c.fetched)
			}
		})
	}
}

func merged(a, b map[string]http.HandlerFunc) map[string]http.HandlerFunc {
	maps.Copy(a, b)
	return a
}

// wrongLength declares more than it sends, always.
func wrongLength(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		if r.Method == http.MethodHead {
			return
		}
		_, _ = w.Write([]byte(content[:len(content)/2]))
		panic(http.ErrAbortHandler)
	}
}

// The image that runs is changed after the patch was found good, when the
// fallback is renamed to be overwritten: what was rebuilt is not what was
// signed, and never gets a boot entry. The next update takes another form.
func TestBaseChangedAfterVerifying(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.onLVM()
	v.hasVolume(fallback)
	base := "dev/mainvg/core_" + running
	v.hookLVM("printf x | dd of=" + base + " bs=1 seek=150000 conv=notrunc")
	v.compact(nil)
	tried.Add(1)
	o := v.run()
	if _, name, err := machine.ErrorLine(o.stderr); o.exit != 1 || err != nil || name != "WriteFailed" {
		t.Fatalf("exit status %d, %v, want (WriteFailed)\n%s", o.exit, err, o.stderr)
	}
	v.onlyBoots(running)
	if _, err := os.Stat(v.at("run/update_ready")); err == nil {
		t.Error("there is a marker")
	}
	v.must(os.Rename(v.at("usr/real/lvm"), v.at("usr/sbin/lvm")))
	o = v.run()
	if o.exit != 0 || !strings.Contains(o.stderr, patch.ErrBase.Error()) {
		t.Fatalf("the next update: exit status %d\n%s", o.exit, o.stderr)
	}
	v.onlyBoots(running, offered)
	if got, want := v.read("dev/mainvg/core_"+offered), genuine(t, webroot, "core"); !strings.HasPrefix(got, want) {
		t.Error("the volume is not the image")
	}
}

// What is planted in the cache for a compact form is refused by name.
func TestPlantedInCacheForCompact(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.keepsCache = true
	v.compact(nil)
	v.write("etc/shadow", "what must not change")
	for _, name := range []string{offered + "-" + patchFile, offered + "-" + patchFile + ".validator"} {
		for kind, plant := range plants {
			v.clearCache()
			path := v.at(cacheDir + "/" + name)
			v.must(plant(path, v.at("etc/shadow")))
			v.refuses("WriteFailed", kind+" for "+name)
			v.must(os.RemoveAll(path))
		}
	}
	v.updates()
}
