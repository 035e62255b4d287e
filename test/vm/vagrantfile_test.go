// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVagrantfile has Vagrant and its libvirt provider judge vagrant/Vagrantfile,
// beside the files that it names.
func TestVagrantfile(t *testing.T) {
	if *machineKind != "vagrant" {
		t.Skip("with -machine vagrant only")
	}
	vagrantfile, err := os.ReadFile("../../vagrant/Vagrantfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, old, new, want string }{
		{"as it is", "", "", "Vagrantfile validated successfully."},
		{"an unknown setting", "libvirt.cpus = ", "libvirt.cpu_count = ", "cpu_count"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			for name, content := range map[string]string{
				"Vagrantfile": strings.ReplaceAll(string(vagrantfile), test.old, test.new),
				"parts.tar":   "", "provision": "", "key": "",
			} {
				if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			validate := exec.CommandContext(t.Context(), "vagrant", "validate")
			validate.Dir = folder
			validate.Env = append(os.Environ(), "VAGRANT_HOME="+filepath.Join(folder, "home"))
			output, err := validate.CombinedOutput()
			if !strings.Contains(string(output), test.want) || (err == nil) != (test.old == "") {
				t.Errorf("%v, want %q:\n%s", err, test.want, output)
			}
		})
	}
}
