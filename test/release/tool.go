// SPDX-License-Identifier: LGPL-2.1-or-later

package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
)

// tool is a program at the place where Debian's package puts it.
type tool struct{ path, debianPackage string }

var (
	mksquashfs  = tool{"/usr/bin/mksquashfs", "squashfs-tools"}
	mkfsErofs   = tool{"/usr/bin/mkfs.erofs", "erofs-utils"}
	veritysetup = tool{"/usr/sbin/veritysetup", "cryptsetup-bin"}
	objcopy     = tool{"/usr/bin/objcopy", "binutils"}
	minisign    = tool{"/usr/bin/minisign", "minisign"}
)

// run returns what the program printed on its standard output; what it
// printed elsewhere is in the error.
func (t tool) run(ctx context.Context, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, t.path, args...)
	command.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.Output()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w (Debian package %s)", err, t.debianPackage)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(t.path), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return output, nil
}
