// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import "path/filepath"

// Where everything is found, before Root is put in front.
const (
	defaultConfigDir = "/usr/lib/updater"
	defaultRemoteDir = "/etc/updater"
	defaultStateDir  = "/var/lib/updater"

	osReleaseFile = "/etc/os-release"
	machineIDFile = "/etc/machine-id"
	bootIDFile    = "/proc/sys/kernel/random/boot_id"
	markerFile    = "/run/update_ready"
	variablesDir  = "/sys/firmware/efi/efivars"
)

// Paths says where a system is. A Root other than "/" is a whole fake system
// in a folder, for trying out and for tests: nothing outside it is touched.
type Paths struct {
	Root, Config, Remote, State string
	// FetchSocket is the socket of the process that fetches, where config.toml
	// names none; empty when this one does.
	FetchSocket string
}

// NewPaths fills in what is empty. A folder that is given is taken as it is;
// one left at its default lies below root.
func NewPaths(root, config, remote, state string) Paths {
	if root == "" {
		root = "/"
	}
	p := Paths{Root: root, Config: config, Remote: remote, State: state}
	for folder, byDefault := range map[*string]string{
		&p.Config: defaultConfigDir, &p.Remote: defaultRemoteDir, &p.State: defaultStateDir,
	} {
		if *folder == "" {
			*folder = p.At(byDefault)
		}
	}
	return p
}

// At returns where an absolute path of the system is found.
func (p Paths) At(path string) string { return filepath.Join(p.Root, path) }

// IsReal tells whether this is the machine's own system and not a folder.
func (p Paths) IsReal() bool { return filepath.Clean(p.Root) == "/" }
