// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// run runs a tool that must succeed.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "MTOOLS_SKIP_CHECK=1", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: see test/setup\n%s", name, args, err, output)
	}
}

// newESP makes an ESP in a file, the way the test machine's is made.
func newESP(t *testing.T, files map[string][]byte) (image string) {
	t.Helper()
	image = filepath.Join(t.TempDir(), "esp")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 34<<20); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.vfat", "-F", "32", "-s", "1", image)
	for _, folder := range []string{"EFI", "EFI/BOOT", "EFI/Linux", "loader"} {
		run(t, "mmd", "-i", image, "::/"+folder)
	}
	for path, content := range files {
		copyIn(t, image, path, content)
	}
	return image
}

func copyIn(t *testing.T, image, path string, content []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "mcopy", "-i", image, file, "::/"+path)
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// flip changes a byte.
func flip(data []byte, at int) []byte {
	data = []byte(string(data))
	data[at] ^= 1
	return data
}
