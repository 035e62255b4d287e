// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/clipos/updater/test/machine"
	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
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

// makePublished makes a machine in $ROOT out of what is in the folder webroot,
// which trusts updater.pub: published RUNNING [OTHER...].
func makePublished(ts *testscript.TestScript, _ bool, versions []string) {
	root := ts.Getenv("ROOT")
	ts.Check(os.RemoveAll(root))
	ts.Check(machine.New(root, ts.MkAbs("webroot"), versions...))
	ts.Check(machine.WriteFile(filepath.Join(root, "usr/lib/updater/pubkey"), ts.ReadFile("updater.pub")))
}

// serveRelease starts updater-release serve for the machine in $ROOT. Its log
// is the file serve.log.
func serveRelease(ts *testscript.TestScript, _ bool, _ []string) {
	authority := ts.MkAbs("serve.pem")
	log, err := os.Create(ts.MkAbs("serve.log"))
	ts.Check(err)
	server := exec.Command(filepath.Join(programs, "updater-release"), "serve", "--listen", "127.0.0.1:0", "--ca-out", authority)
	server.Dir = ts.Getenv("WORK")
	server.Stderr = log
	output, err := server.StdoutPipe()
	ts.Check(err)
	ts.Check(server.Start())
	ts.Defer(func() {
		ts.Check(server.Process.Signal(os.Interrupt))
		if err := server.Wait(); err != nil {
			ts.Fatalf("updater-release serve: %v", err)
		}
	})
	url, err := bufio.NewReader(output).ReadString('\n')
	ts.Check(err)
	pem, err := os.ReadFile(authority)
	ts.Check(err)
	ts.Check(machine.Connect(ts.Getenv("ROOT"), &tlsserver.Server{URL: strings.TrimSpace(url), AuthorityPEM: pem}))
}
