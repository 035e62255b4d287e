// SPDX-License-Identifier: LGPL-2.1-or-later

// Package releasetest makes releases and web roots for tests of the packages
// that work on them. Only tests import it.
package releasetest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipos/updater/cmd/updater-release/internal/publish"
	"github.com/clipos/updater/cmd/updater-release/internal/signing"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/test/keys"
	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/updater"
)

// Product is what all releases are of.
const Product = "clipos"

// Payloads are the built, unpublished releases 1.0.0, 1.1.0, 1.2.0 and
// 2.0.0, in folders named after them. Most of what is in one is in the next.
type Payloads struct{ dir string }

// Build builds the payloads in a folder.
func Build(ctx context.Context, dir string) (Payloads, error) {
	tree := filepath.Join(dir, "tree")
	random := rand.NewChaCha8([32]byte{1})
	for i := range 16 {
		if err := writeRandom(tree, i, random); err != nil {
			return Payloads{}, err
		}
	}
	for i, v := range []string{"1.0.0", "1.1.0", "1.2.0", "2.0.0"} {
		if err := writeRandom(tree, 3*i, random); err != nil {
			return Payloads{}, err
		}
		_, err := release.Build(ctx, filepath.Join(dir, v), release.Options{
			Version: v, From: []string{tree}, Salt: fmt.Sprintf("%064d", i), NoErrorCorrection: true,
		})
		if err != nil {
			return Payloads{}, err
		}
	}
	return Payloads{dir}, nil
}

// writeRandom writes one of the files that a core image has.
func writeRandom(tree string, i int, random *rand.ChaCha8) error {
	content := make([]byte, 16<<10)
	if _, err := random.Read(content); err != nil {
		return err
	}
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(tree, fmt.Sprintf("file-%02d", i)), content, 0o644)
}

// Core is the core image of a version, Efiboot its EFI binary.
func (p Payloads) Core(v string) string {
	return filepath.Join(p.dir, v, "dist", v, Product+"-core")
}

// Efiboot is the EFI binary of a version.
func (p Payloads) Efiboot(v string) string {
	return filepath.Join(p.dir, v, "dist", v, Product+"-efiboot")
}

// Version parses a version that is right.
func Version(t testing.TB, text string) policy.Version {
	t.Helper()
	v, err := policy.ParseVersion(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Key is the published test key.
func Key(t testing.TB) *signing.Key {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(keys.Secret()), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := signing.Load(file, func() (string, error) { return "", nil })
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Publisher changes the web root "webroot" in dir, with "channels.toml" beside
// it. What it warns of goes to warnings.
func Publisher(t testing.TB, dir string, warnings *bytes.Buffer) *publish.Publisher {
	t.Helper()
	judge, err := updater.NewJudge(Product, []byte(keys.Public()), "")
	if err != nil {
		t.Fatal(err)
	}
	return &publish.Publisher{
		Root:         webroot.New(filepath.Join(dir, "webroot"), Product),
		ChannelsFile: filepath.Join(dir, "channels.toml"),
		Judge:        judge,
		Workers:      2,
		Warn:         func(format string, args ...any) { fmt.Fprintf(warnings, format+"\n", args...) },
		Progress:     silent{},
	}
}

type silent struct{}

func (silent) Begin(string)      {}
func (silent) Done(int64, int64) {}
func (silent) End(string)        {}

// Add is the addition of a version that is right.
func (p Payloads) Add(t testing.TB, v string) publish.Addition {
	return publish.Addition{
		Version: Version(t, v), Core: p.Core(v), Efiboot: p.Efiboot(v), Key: Key(t), Patches: 2, Level: 1,
	}
}

// Copy copies a folder.
func Copy(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
