// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"crypto/x509"
	"fmt"
	"path/filepath"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/internal/minisig"
)

// Config is everything that decides what an update does. It is read once and
// never changed.
type Config struct {
	System
	Remote

	// OSName is the product: it names boot entries and payloads.
	OSName string
	// Running is the version that runs, without build metadata.
	Running policy.Version
	// MachineID is 32 hexadecimal digits, see machine-id(5).
	MachineID string
	// BootID names this boot, see random(4); empty when it has no name.
	BootID string
	// key is the only one whose signatures count, roots the only authorities
	// whose certificates do.
	key   minisig.Key
	roots *x509.CertPool
}

// System is config.toml: what the image says about itself.
type System struct {
	Core    CoreConfig
	EFIBoot EFIBootConfig
	Trust   TrustConfig
	// Fetch says who talks to the server.
	Fetch FetchConfig
}

// CoreConfig says where core images go.
type CoreConfig struct {
	// Destination is the volume group or, for the directory backend, the folder.
	Destination string
	// SizeBytes is the size of a new volume.
	SizeBytes int64
	// Directory is true for backend = "directory".
	Directory bool
}

// EFIBootConfig says where boot entries go, and how they are counted.
type EFIBootConfig struct {
	Destination string
	// BootTries above 0 installs entries with a boot counter.
	BootTries int
	// RefuseBootOrder is true for boot_order = "refuse".
	RefuseBootOrder bool
}

// TrustConfig can only loosen what is safe by default.
type TrustConfig struct {
	PrehashedOnly  bool
	ContentBinding bool
	// RootHashParameter is the kernel parameter that carries the verity root
	// hash, besides those this package knows.
	RootHashParameter string
}

// FetchConfig says who talks to the server: a process of its own that listens
// on Socket, where it is found, or this process when that is empty.
type FetchConfig struct{ Socket string }

// Remote is remote.toml: where the administrator says the server is. Neither
// URL ends in a slash.
type Remote struct {
	UpdateURL, DistURL string
}

// Names of the files in the two folders.
const (
	configFile = "config.toml"
	keyFile    = "pubkey"
	remoteFile = "remote.toml"
	rootsFile  = "rootca.pem"
)

// Load reads the configuration and the facts of the system. Every error
// wraps ErrConfigInvalid and names the file, and the key and line where there
// is one.
func Load(p Paths) (*Config, error) {
	c := &Config{}
	for _, step := range []func(Paths) error{c.loadSystem, c.loadKey, c.loadServer, c.loadFacts} {
		if err := step(p); err != nil {
			return nil, means(ErrConfigInvalid, err)
		}
	}
	return c, nil
}

// systemDocument is config.toml as it is written.
type systemDocument struct {
	OSName string `toml:"os_name"`
	Core   struct {
		Destination string `toml:"destination"`
		Size        string `toml:"size"`
		Backend     string `toml:"backend"`
	} `toml:"core"`
	EFIBoot struct {
		Destination string `toml:"destination"`
		BootTries   int    `toml:"boot_tries"`
		BootOrder   string `toml:"boot_order"`
	} `toml:"efiboot"`
	Trust struct {
		PrehashedOnly     bool   `toml:"prehashed_only"`
		ContentBinding    bool   `toml:"content_binding"`
		RootHashParameter string `toml:"root_hash_parameter"`
	} `toml:"trust"`
	Fetch struct {
		Socket string `toml:"socket"`
	} `toml:"fetch"`
}

func (c *Config) loadSystem(p Paths) error {
	doc, err := readDocument(filepath.Join(p.Config, configFile), rootOnly)
	if err != nil {
		return err
	}
	c.Fetch.Socket = p.FetchSocket
	return c.parseSystem(p, doc)
}

func (c *Config) parseSystem(p Paths, doc document) error {
	var d systemDocument
	d.Core.Backend = backendLVM
	d.EFIBoot.BootOrder = orderSetDefault
	d.Trust.PrehashedOnly = true
	d.Trust.ContentBinding = true
	if err := doc.decode(&d); err != nil {
		return err
	}
	c.EFIBoot.BootTries = d.EFIBoot.BootTries
	c.Trust.PrehashedOnly, c.Trust.ContentBinding = d.Trust.PrehashedOnly, d.Trust.ContentBinding
	return doc.check([]field{
		{"os_name", d.OSName, parseOSName(&c.OSName)},
		{"core.backend", d.Core.Backend, parseChoice(&c.Core.Directory, backendDirectory, backendLVM)},
		{"core.destination", d.Core.Destination, c.Core.parseDestination},
		{"core.size", d.Core.Size, parseSize(&c.Core.SizeBytes)},
		{"efiboot.destination", d.EFIBoot.Destination, parseAbsolutePath(&c.EFIBoot.Destination)},
		{"efiboot.boot_tries", fmt.Sprint(d.EFIBoot.BootTries), parseTries},
		{"efiboot.boot_order", d.EFIBoot.BootOrder, parseChoice(&c.EFIBoot.RefuseBootOrder, orderRefuse, orderSetDefault)},
		{"trust.root_hash_parameter", d.Trust.RootHashParameter, parseParameter(&c.Trust.RootHashParameter)},
		{"fetch.socket", d.Fetch.Socket, parseSocket(&c.Fetch.Socket, p)},
	})
}

func (c *Config) loadKey(p Paths) error {
	file := filepath.Join(p.Config, keyFile)
	text, err := readTrusted(file, rootOnly)
	if err != nil {
		return err
	}
	if c.key, err = minisig.ParseKey(text); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// loadServer learns where the server is, and whom to believe that it is it. Where
// somebody else fetches that is his to know.
func (c *Config) loadServer(p Paths) error {
	if c.Fetch.Socket != "" {
		return c.loadFetcher(p)
	}
	if err := c.loadRemote(p); err != nil {
		return err
	}
	return c.loadRoots(p)
}

func (c *Config) loadRemote(p Paths) error {
	doc, err := readDocument(filepath.Join(p.Remote, remoteFile), notByOthers)
	if err != nil {
		return err
	}
	return c.parseRemote(doc)
}

func (c *Config) parseRemote(doc document) error {
	var d struct {
		UpdateURL string `toml:"update_url"`
		DistURL   string `toml:"dist_url"`
	}
	if err := doc.decode(&d); err != nil {
		return err
	}
	return doc.check([]field{
		{"update_url", d.UpdateURL, parseServerURL(&c.UpdateURL)},
		{"dist_url", d.DistURL, parseServerURL(&c.DistURL)},
	})
}

func (c *Config) loadRoots(p Paths) error {
	file := filepath.Join(p.Remote, rootsFile)
	text, err := readTrusted(file, notByOthers)
	if err != nil {
		return err
	}
	c.roots = x509.NewCertPool()
	if !c.roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s: no certificate found", file)
	}
	return nil
}
