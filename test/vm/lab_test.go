// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/clipos/updater/test/release"
	"github.com/clipos/updater/test/tlsserver"
)

// The versions on the disk at the beginning: one runs, the other is the
// fallback, whose image nobody ever boots.
const (
	runningVersion = "5.0.0-alpha.1"
	spareVersion   = "5.0.0-alpha.0"
)

// lab is what all tests of a run share.
type lab struct {
	work, base string
	reach      network
	initramfs  string
	kernel     string
	webroot    string
	server     *tlsserver.Server
	releases   map[string]release.Release
}

// newLab makes everything that is needed to start the machine.
func newLab(ctx context.Context, work, base string, n network) (*lab, error) {
	l := &lab{work: work, base: base, reach: n, webroot: filepath.Join(work, "webroot"), releases: map[string]release.Release{}}
	for _, step := range []func(context.Context) error{l.buildTree, l.buildKernel, l.serve, l.buildDisk} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

func (l *lab) Close() error {
	if l.server == nil {
		return nil
	}
	return l.server.Close()
}

func (l *lab) tree() string { return filepath.Join(l.work, "tree") }

// buildTree makes what all versions have in common: the base, our Debian
// packages with the daemon enabled as an integrator does it, and the test
// image's own files.
func (l *lab) buildTree(ctx context.Context) error {
	// Of two runs in the same checkout one builds at a time.
	const packages = `make -C ../.. --silent deb >/dev/null; for p in ../../build/deb/*.deb; do dpkg-deb --extract "$p" "$1"; done`
	agent := filepath.Join(l.tree(), "usr/libexec/test-agent")
	steps := [][]string{
		// Links to the files of the cache: nothing may be written in place.
		{"cp", "--archive", "--link", filepath.Join(l.base, "tree"), l.tree()},
		{"flock", "../../Makefile", "sh", "-ec", packages, "sh", l.tree()},
		{"systemctl", "--quiet", "--root=" + l.tree(), "enable", "updaterd.service"},
		{"cp", "--archive", "--no-preserve=ownership", "--remove-destination", "image/.", l.tree()},
		{"go", "build", "-trimpath", "-ldflags=-s -w", "-o", agent, "./cmd/agent"},
		{"rm", "-rf", filepath.Join(l.tree(), "usr/share/man"), filepath.Join(l.tree(), "usr/share/doc")},
		{"ln", "-s", "/var/etc/updater", filepath.Join(l.tree(), "etc/updater")},
		{"install", "-d", filepath.Join(l.tree(), "mnt/efiboot")},
		{"cp", "../keys/updater-test.pub", filepath.Join(l.tree(), "usr/lib/updater/pubkey")},
	}
	if err := all(ctx, steps); err != nil {
		return fmt.Errorf("tree: %w", err)
	}
	return nil
}

func (l *lab) buildKernel(ctx context.Context) error {
	kernels, err := filepath.Glob(filepath.Join(l.base, "kernel/boot/vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		return fmt.Errorf("kernels %q: %w", kernels, err)
	}
	l.kernel = kernels[0]
	l.initramfs, err = buildInitramfs(ctx, l.base, l.work)
	return err
}

// serve starts the update server where the guest finds the host.
func (l *lab) serve(ctx context.Context) (err error) {
	if err := os.MkdirAll(l.webroot, 0o755); err != nil {
		return err
	}
	l.server, err = tlsserver.Start(ctx, tlsserver.Options{
		Handler:     tlsserver.Files(l.webroot),
		Listen:      net.JoinHostPort(l.reach.listen, "0"),
		Certificate: tlsserver.Certificate{Hosts: []string{l.reach.host}},
	})
	return err
}

// release builds a version of the machine, or returns it when it was built
// before; in both cases it is what the server offers afterwards.
func (l *lab) release(ctx context.Context, version string, ill bool) (release.Release, error) {
	if r, built := l.releases[version]; built {
		return r, release.Offer(l.webroot, r.Product, version)
	}
	tree := filepath.Join(l.work, "tree-"+version)
	defer os.RemoveAll(tree)
	osRelease := filepath.Join(tree, "usr/lib/os-release")
	err := all(ctx, [][]string{{"cp", "--archive", "--link", l.tree(), tree}, {"rm", osRelease}})
	err = errors.Join(err, os.WriteFile(osRelease, fmt.Appendf(nil, "NAME=\"CLIP OS\"\nID=clipos\nVERSION_ID=%q\n", version), 0o644))
	if ill {
		err = errors.Join(err, os.WriteFile(filepath.Join(tree, "usr/lib/ill"), nil, 0o644))
	}
	if err != nil {
		return release.Release{}, err
	}
	r, err := release.Build(ctx, l.webroot, release.Options{
		Version: version, From: []string{tree}, Compressed: true, NoErrorCorrection: true,
		Kernel: l.kernel, Initrd: l.initramfs,
		Parameters: []string{"console=ttyS0", "quiet", "net.ifnames=0", "panic=-1", "mitigations=off", "systemd.show_status=no"},
	})
	l.releases[version] = r
	return r, err
}

// buildDisk installs the running version and one that is only there.
func (l *lab) buildDisk(ctx context.Context) error {
	running, err := l.release(ctx, runningVersion, false)
	if err != nil {
		return err
	}
	spare, err := release.Build(ctx, l.webroot, release.Options{Version: spareVersion, NoErrorCorrection: true, Kernel: l.kernel, Initrd: l.initramfs})
	if err != nil {
		return err
	}
	state := filepath.Join(l.work, "state")
	if err := l.buildState(ctx, state); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if err := l.parts().build(ctx, state, running, spare); err != nil {
		return err
	}
	return l.parts().install(ctx, l.diskPath(), l.work)
}

// parts are those of the disk at the beginning.
func (l *lab) parts() parts { return parts(filepath.Join(l.work, "parts")) }

func (l *lab) diskPath() string { return filepath.Join(l.work, "disk.raw") }

// buildState makes /var, which has the administrator's configuration too.
func (l *lab) buildState(ctx context.Context, state string) error {
	dir := filepath.Join(state, "etc/updater")
	url := fmt.Sprintf("https://%s:%s", l.reach.host, portOf(l.server.URL))
	_, err := output(ctx, "cp", "--archive", filepath.Join(l.tree(), "var"), state)
	if err != nil {
		return err
	}
	if l.reach.ssh {
		err = l.letIn(ctx, filepath.Join(state, "etc/ssh"))
	}
	return errors.Join(
		err,
		os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "remote.toml"), fmt.Appendf(nil, "update_url = \"%s/update/v1\"\ndist_url = \"%s/dist\"\n", url, url), 0o640),
		os.WriteFile(filepath.Join(dir, "rootca.pem"), l.server.AuthorityPEM, 0o640),
		// What a test does not ask for does not happen.
		os.WriteFile(filepath.Join(dir, "policy.toml"), []byte("mode = \"check\"\nfirst_check = \"1h\"\n"), 0o640),
	)
}

// sshKey is the key with which the host is let in by SSH.
func (l *lab) sshKey() string { return filepath.Join(l.work, "key") }

// letIn starts the machine's SSH server, which wants these files.
func (l *lab) letIn(ctx context.Context, dir string) error {
	return all(ctx, [][]string{
		{"install", "-d", dir},
		{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", l.sshKey()},
		{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", filepath.Join(dir, "host_key")},
		{"install", "-m", "600", l.sshKey() + ".pub", filepath.Join(dir, "authorized_keys")},
	})
}
