// SPDX-License-Identifier: LGPL-2.1-or-later

// Package machine makes machines that are folders, for tests that run the
// real programs on them:
//
//	etc/os-release, etc/machine-id   what runs, and on which machine
//	etc/updater                      where the server is, after [Connect]
//	usr/lib/updater                  the configuration, with the published test key
//	volumes                          core images, for the directory backend
//	mnt/efiboot/EFI/Linux            boot entries
package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipos/updater/test/keys"
	"github.com/clipos/updater/test/tlsserver"
)

// Where volumes and boot entries are below the root.
const (
	Volumes = "volumes"
	Entries = "mnt/efiboot/EFI/Linux"
)

// VolumeBytes is the size of every volume, larger than what package release
// builds when it is not told otherwise.
const VolumeBytes = 2 << 20

// config is /usr/lib/updater/config.toml.
const config = `os_name = "clipos"
[core]
backend = "directory"
destination = "/volumes"
size = "2M"
[efiboot]
destination = "/mnt/efiboot/EFI/Linux"
`

// BuildPrograms builds all programs into the folder dir: with the race
// detector, or static, as they are shipped.
func BuildPrograms(ctx context.Context, dir string, race bool) error {
	build := exec.CommandContext(ctx, "go", "build", "-race", "-o", dir+"/", "github.com/clipos/updater/cmd/...")
	if !race {
		build.Args = slices.Delete(build.Args, 2, 3)
		build.Env = append(build.Environ(), "CGO_ENABLED=0")
	}
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, output)
	}
	return nil
}

// LookAtSources opens every folder of this module, in a test: "go test" repeats
// an old result when the test's own program and what it opened are what they
// were, and cannot know from which sources it built others.
func LookAtSources(ctx context.Context) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	return filepath.WalkDir(strings.TrimSpace(string(root)), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "bin") {
			return fs.SkipDir
		}
		return err
	})
}

// New makes a machine in the folder root. The first version runs, the others
// are installed beside it; all are taken from a web root.
func New(root, webroot string, versions ...string) error {
	files := map[string]string{
		"etc/os-release":              "ID=clipos\nVERSION_ID=" + versions[0] + "\n",
		"etc/machine-id":              "0123456789abcdef0123456789abcdef\n",
		"usr/lib/updater/pubkey":      keys.Public(),
		"usr/lib/updater/config.toml": config,
		"run/keep":                    "",
		Volumes + "/core_state":       "state",
	}
	for _, v := range versions {
		for from, to := range map[string]string{"core": Volumes + "/core_" + v, "efiboot": Entries + "/clipos-" + v + ".efi"} {
			data, err := os.ReadFile(filepath.Join(webroot, "dist", v, "clipos-"+from))
			if err != nil {
				return err
			}
			files[to] = string(data)
			if from == "core" {
				files[to] += strings.Repeat("\x00", VolumeBytes-len(data))
			}
		}
	}
	for name, content := range files {
		if err := WriteFile(filepath.Join(root, name), content); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile writes a file, and makes the folders it is in.
func WriteFile(name, content string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(content), 0o644)
}

// Connect tells the machine in root that this server is its own.
func Connect(root string, server *tlsserver.Server) error {
	remote := fmt.Sprintf("update_url = %q\ndist_url = %q\n", server.URL+"/update/v1", server.URL+"/dist")
	return errors.Join(
		WriteFile(filepath.Join(root, "etc/updater/remote.toml"), remote),
		WriteFile(filepath.Join(root, "etc/updater/rootca.pem"), string(server.AuthorityPEM)),
	)
}

// ErrorLine returns the line "error: … (Name)" of what a program wrote to
// standard error, and the name. More than one such line is an error, and so is
// none.
func ErrorLine(stderr string) (line, name string, err error) {
	var lines []string
	for l := range strings.Lines(stderr) {
		if strings.HasPrefix(l, "error: ") {
			lines = append(lines, strings.TrimSuffix(l, "\n"))
		}
	}
	if len(lines) != 1 {
		return "", "", fmt.Errorf("error lines %q, want one", lines)
	}
	line, isNamed := strings.CutSuffix(lines[0], ")")
	begin := strings.LastIndex(line, " (")
	if !isNamed || begin < 0 {
		return "", "", fmt.Errorf("error line %q ends in no name", lines[0])
	}
	return lines[0], line[begin+2:], nil
}
