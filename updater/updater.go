// SPDX-License-Identifier: LGPL-2.1-or-later

// Package updater carries out an update of an A/B system: it asks the server,
// fetches, verifies, writes the spare volume and swaps the boot entry.
//
// # Who takes part
//
// A release engineer signs two payloads with minisign: core, the read-only
// root file system with its dm-verity tree, and efiboot, the EFI binary that
// boots it. A static web server offers them. This machine has a key, in its
// own verified image, and a certificate authority of its own. The server is
// not trusted: it may send anything, and chooses only when a release is seen.
//
// # Names on disk
//
// The core image of version V is the volume core_V, its boot entry the file
// <os_name>-V.efi, or <os_name>-V+<tries left>[-<tries done>].efi, in the EFI
// system partition. A boot entry is what makes a system bootable: the rule
// that everything here serves is that an entry exists only if its volume is
// whole, and that the running system's own two are never touched.
//
// # The order
//
//  1. check: the offered version is newer than the running one, not lower
//     than any that was good here, and there is a volume it could go to;
//  2. fetchSignatures: both signatures are by our key and for this version,
//     before a byte of a payload is asked for;
//  3. fetch and verify: both payloads are in the cache, signed, and belong
//     together; nothing outside the cache has been touched. The core image may
//     be there as a patch for the running one, or compressed: then it has been
//     rebuilt once, without being kept, and verified as the plain image is.
//     What does not lead to it gives way to the next form, the plain one last;
//  4. claim: every destination is there, free, large enough, and ours alone;
//  5. clear: the boot entries of the system to be overwritten are removed;
//  6. install: the volume is renamed or created, written (a patch or compressed
//     image is rebuilt a second time), flushed and read
//     back; the EFI binary is written under a temporary name and read back;
//  7. swap: the temporary name becomes the entry's, in one rename;
//  8. finish: the pending version is recorded and the marker dropped.
//
// Each step takes what the step before returns, and nothing else can make
// such a value: [Updater.Update] in another order does not compile. After an
// interruption, power cuts included, the disk itself tells where things
// stand: the running system boots, and the next run completes the update.
package updater

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/lvm"
	"github.com/clipos/updater/updater/internal/cache"
	"github.com/clipos/updater/updater/internal/fetch"
)

// Volumes is where core images are: *lvm.Group or *lvm.Directory.
type Volumes interface {
	Survey(context.Context) (lvm.Survey, error)
	Open(ctx context.Context, name string) (lvm.Device, error)
	OpenReadOnly(ctx context.Context, name string) (lvm.ReadOnly, error)
	Create(ctx context.Context, name string) error
	Rename(ctx context.Context, from, to string) error
	// Warnings are about the changes so far, for the administrator.
	Warnings() []string
}

// BootEntries is the folder of boot entries: *efi.Partition.
type BootEntries interface {
	Survey() (efi.Survey, error)
	Remove(file string) error
	Stage(ctx context.Context, file string, image io.Reader) (io.ReadCloser, error)
	Publish(file string) error
	SetDefault(value string) error
	Bless(file string) (string, error)
	Condemn(file string) (string, error)
}

// Updater updates one system. One call of Update, Check, Recover, Rollback or
// MarkBoot runs at a time; that is the caller's care. The others may be called
// at any time and from any goroutine.
type Updater struct {
	config  *Config
	paths   Paths
	volumes Volumes
	entries BootEntries
	server  *server
	cache   *cache.Dir
	store   *Store
	lock    *os.File
}

// Open takes the state folder for this process and returns an updater for the
// system that config describes. Another process at work there is ErrBusy.
// The warning, if any, is for the log.
func Open(config *Config, paths Paths) (u *Updater, warning error, err error) {
	return open(config, paths, newVolumes(config, paths), newPartition(config, paths), fetch.DefaultLimits())
}

func open(config *Config, paths Paths, volumes Volumes, entries BootEntries, limits fetch.Limits) (u *Updater, warning error, err error) {
	u = &Updater{
		config: config, paths: paths, volumes: volumes, entries: entries,
		server: newServer(config, newTransport(config, paths, limits), limits),
	}
	warning, err = u.openState()
	if err != nil {
		return nil, nil, err
	}
	return u, warning, nil
}

// Reconfigured returns an updater for the same system, with the state folder
// of u, that works by another configuration. That of u is not to be closed
// then, or only once.
func (u *Updater) Reconfigured(config *Config) *Updater {
	limits := fetch.DefaultLimits()
	next := *u
	next.config = config
	next.volumes, next.entries = newVolumes(config, u.paths), newPartition(config, u.paths)
	next.server = newServer(config, newTransport(config, u.paths, limits), limits)
	return &next
}

func (u *Updater) openState() (warning error, err error) {
	if err := prepareState(u.paths.State); err != nil {
		return nil, err
	}
	if u.lock, err = lock(u.paths.State); err != nil {
		return nil, err
	}
	if u.store, warning, err = openStore(u.paths.State); err == nil {
		u.cache, err = cache.Open(u.paths.State)
	}
	if err != nil {
		return nil, errors.Join(err, u.lock.Close())
	}
	return warning, nil
}

// Close gives the state folder back.
func (u *Updater) Close() error {
	return errors.Join(u.cache.Close(), u.lock.Close())
}

// Record returns what the updater remembers.
func (u *Updater) Record() Record { return u.store.Record() }

// Change makes it remember something else, durably.
func (u *Updater) Change(change func(*Record)) error { return u.store.Change(change) }

func newVolumes(c *Config, p Paths) Volumes {
	if c.Core.Directory {
		return lvm.NewDirectory(p.At(c.Core.Destination), c.Core.SizeBytes)
	}
	return lvm.NewGroup(c.Core.Destination, c.Core.SizeBytes, p.Root)
}

func newPartition(c *Config, p Paths) *efi.Partition {
	return efi.New(p.At(c.EFIBoot.Destination), c.OSName, efi.Options{
		RealESP:      p.IsReal(),
		VariablesDir: p.At(variablesDir),
	})
}

func newTransport(c *Config, p Paths, limits fetch.Limits) http.RoundTripper {
	if c.Fetch.Socket != "" {
		return fetch.NewSocketTransport(c.Fetch.Socket, p.Root, limits)
	}
	return fetch.NewTransport(c.roots, limits)
}

func newServer(c *Config, rt http.RoundTripper, limits fetch.Limits) *server {
	header := http.Header{}
	// Spelt as the server's logs have always had them; HTTP does not mind.
	header.Set("clipos-machineid", c.MachineID)
	header.Set("clipos-version", c.Running.String())
	return &server{client: fetch.New(rt, header, limits), remote: c.Remote, osName: c.OSName}
}

// Update carries out a request. ErrNoUpdate means that there is nothing to do.
// Cancelling ctx ends it with ErrCancelled, at any time but in the final swap,
// which finishes.
func (u *Updater) Update(ctx context.Context, q Request) (Outcome, error) {
	r := u.newRun(q.Report)
	installed, err := r.update(ctx, q)
	if err != nil {
		r.tidy(ctx, err)
	}
	return Outcome{r.version.String(), installed, r.fetchedBytes, r.notes}, r.failed(ctx, err)
}

func (u *Updater) newRun(report func(Status)) *run {
	if report == nil {
		report = func(Status) {}
	}
	return &run{Updater: u, progress: newProgress(report)}
}

func (r *run) update(ctx context.Context, q Request) (installed bool, err error) {
	verified, err := r.fetchVerified(ctx, q.Version)
	if err != nil {
		return false, err
	}
	defer verified.close() //nolint:errcheck // only read from here on
	if q.Proceed != nil && !q.Proceed() {
		return false, nil
	}
	err = r.apply(ctx, q, verified)
	return err == nil, err
}

// apply is what changes the disk.
func (r *run) apply(ctx context.Context, q Request, v *verified) error {
	claimed, err := r.claim(ctx, v)
	if err != nil {
		return err
	}
	defer claimed.close()
	if q.Inhibit != nil {
		defer q.Inhibit(ctx)()
	}
	cleared, err := r.clear(ctx, claimed)
	if err != nil {
		return err
	}
	installed, err := r.install(ctx, cleared)
	if err != nil {
		return err
	}
	swapped, err := r.swap(ctx, installed)
	if err != nil {
		return err
	}
	r.finish(swapped)
	return nil
}

func (r *run) fetchVerified(ctx context.Context, version string) (*verified, error) {
	accepted, err := r.check(ctx, version)
	if err != nil {
		return nil, err
	}
	signed, err := r.fetchSignatures(ctx, accepted)
	if err != nil {
		return nil, err
	}
	return r.fetchForms(ctx, signed)
}

// failed puts the preamble before an error and names a cancellation.
func (r *run) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = ErrCancelled
	}
	return &Error{r.version.String(), err}
}
