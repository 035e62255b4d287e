// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/clipos/updater/test/release"
)

// Of a payload there are so many files of so many bytes.
const (
	payloadFiles     = 24
	payloadFileBytes = 64 << 10
)

// makePayloads builds payloads that nobody has published, each with most files
// of the one before: payloads VERSION... They are core and efiboot in
// $PAYLOADS/VERSION.
func makePayloads(ts *testscript.TestScript, _ bool, versions []string) {
	dir := filepath.Join(ts.Getenv("WORK"), "payloads")
	ts.Setenv("PAYLOADS", dir)
	tree := filepath.Join(dir, "tree")
	ts.Check(os.MkdirAll(tree, 0o755))
	random := rand.NewChaCha8([32]byte{1})
	write := func(i int) {
		content := make([]byte, payloadFileBytes)
		_, err := random.Read(content)
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(tree, fmt.Sprintf("file-%02d", i)), content, 0o644))
	}
	for i := range payloadFiles {
		write(i)
	}
	for i, v := range versions {
		write(i)
		built, err := release.Build(context.Background(), filepath.Join(dir, "built"), release.Options{Version: v, From: []string{tree}, NoErrorCorrection: true})
		ts.Check(err)
		ts.Check(os.MkdirAll(filepath.Join(dir, v), 0o755))
		ts.Check(os.Rename(built.Core, filepath.Join(dir, v, "core")))
		ts.Check(os.Rename(built.Efiboot, filepath.Join(dir, v, "efiboot")))
	}
}
