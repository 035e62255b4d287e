// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"os"
	"testing"
)

const (
	nobody  = 65534
	admin   = 4242 // some administrator's user and group
	configs = "/usr/lib/updater"
	remotes = "/etc/updater"
)

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
}

// change gives a file to somebody, with a mode.
func (s *system) change(path string, uid, gid int, mode os.FileMode) {
	s.t.Helper()
	if err := os.Chown(s.paths.At(path), uid, gid); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(s.paths.At(path), mode); err != nil {
		s.t.Fatal(err)
	}
}

// Who may write what decides about trust, and what an administrator sets.
func TestLoadAccess(t *testing.T) {
	needsRoot(t)
	for name, c := range map[string]struct {
		path     string
		uid, gid int
		mode     os.FileMode
		why      string // "": accepted
	}{
		"config as it is":                  {configs + "/config.toml", 0, 0, 0o644, ""},
		"config for root alone":            {configs + "/config.toml", 0, 0, 0o400, ""},
		"config of another group":          {configs + "/config.toml", 0, admin, 0o644, ""},
		"config of another user":           {configs + "/config.toml", admin, 0, 0o644, "belongs to user 4242"},
		"config of nobody":                 {configs + "/config.toml", nobody, nobody, 0o444, "belongs to user 65534"},
		"config writable by its group":     {configs + "/config.toml", 0, admin, 0o664, "lets others write"},
		"config writable by group root":    {configs + "/config.toml", 0, 0, 0o664, "lets others write"},
		"config writable by all":           {configs + "/config.toml", 0, 0, 0o666, "mode 0666 lets others write"},
		"key of another user":              {configs + "/pubkey", admin, 0, 0o644, "belongs to user 4242"},
		"key writable by its group":        {configs + "/pubkey", 0, admin, 0o664, "lets others write"},
		"key writable by all":              {configs + "/pubkey", 0, 0, 0o646, "lets others write"},
		"config folder of another user":    {configs, admin, 0, 0o755, "belongs to user 4242"},
		"config folder writable by group":  {configs, 0, admin, 0o775, "lets others write"},
		"config folder writable by all":    {configs, 0, 0, 0o757, "lets others write"},
		"config folder sticky":             {configs, 0, 0, 0o777 | os.ModeSticky, "mode 1777 lets others write"},
		"remote as on CLIP OS":             {remotes + "/remote.toml", admin, 0, 0o640, ""},
		"remote writable by group root":    {remotes + "/remote.toml", admin, 0, 0o660, ""},
		"remote writable by another group": {remotes + "/remote.toml", admin, admin, 0o660, "lets others write"},
		"remote writable by all":           {remotes + "/remote.toml", 0, 0, 0o642, "mode 0642 lets others write"},
		"roots of the administrator":       {remotes + "/rootca.pem", admin, 0, 0o640, ""},
		"roots writable by another group":  {remotes + "/rootca.pem", 0, admin, 0o660, "lets others write"},
		"roots writable by all":            {remotes + "/rootca.pem", 0, 0, 0o666, "lets others write"},
		"remote folder of the admin":       {remotes, admin, 0, 0o750, ""},
		"remote folder writable by group":  {remotes, admin, admin, 0o770, "lets others write"},
		"remote folder writable by all":    {remotes, admin, 0, 0o777, "lets others write"},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			s.change(c.path, c.uid, c.gid, c.mode)
			_, err := Load(s.paths)
			if c.why == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			s.refused(err, c.path+": ", c.why)
		})
	}
}

// On CLIP OS /etc/updater is a link into the state partition, and its files
// belong to an administrator.
func TestLoadThroughLink(t *testing.T) {
	needsRoot(t)
	s := configured(t)
	if err := os.MkdirAll(s.paths.At("/mnt/state/core/etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	mustRename(s, remotes, "/mnt/state/core/etc/updater")
	mustLink(s, "../mnt/state/core/etc/updater", remotes)
	for _, file := range []string{"", "/remote.toml", "/rootca.pem"} {
		s.change("/mnt/state/core/etc/updater"+file, admin, 0, 0o750)
	}
	s.load()
	// The link changes nothing about who may write.
	s.change("/mnt/state/core/etc/updater", admin, admin, 0o777)
	_, err := Load(s.paths)
	s.refused(err, remotes+": ", "lets others write")
}

// A link to a file is judged by the file.
func TestLoadThroughLinkedFile(t *testing.T) {
	needsRoot(t)
	s := configured(t)
	mustRename(s, configs+"/pubkey", "/etc/pubkey")
	mustLink(s, "../../../etc/pubkey", configs+"/pubkey")
	s.load()
	s.change("/etc/pubkey", admin, admin, 0o644)
	_, err := Load(s.paths)
	s.refused(err, configs+"/pubkey: ", "belongs to user 4242")
}
