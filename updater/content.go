// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/internal/verity"
)

// A signature says neither "core" nor the product's name, so that a server
// could exchange files that are all properly signed. What is inside them says
// it: the EFI binary names its product, its version, the volume it boots and
// the root hash of the only image it will boot.

// checkContent checks that the two payloads are this product's, of this
// version, and made for each other.
func (c *Config) checkContent(f *fetched) error {
	if !c.Trust.ContentBinding {
		return means(ErrContentMismatch, checkNotCompact(f))
	}
	return c.checkPayloads(f.version, io.NewSectionReader(f.core.facts, 0, f.core.sizeBytes), io.NewSectionReader(f.efiboot.File, 0, f.efiboot.Len()))
}

func (c *Config) checkPayloads(v policy.Version, core, efiboot *io.SectionReader) error {
	uki, err := efi.ReadUKI(efiboot, efiboot.Size())
	if err != nil {
		err = fmt.Errorf("efiboot: %w", err)
	} else {
		err = c.checkBinding(v, uki, core)
	}
	if err != nil {
		return means(ErrContentMismatch, err)
	}
	return nil
}

// compactMagics begin the files from which a core image is made (RFC 8878,
// 3.1.1, and package patch). They are signed like payloads, with the same comment.
var compactMagics = []string{"\x28\xb5\x2f\xfd", "UPDPATCH"}

// checkNotCompact is all that can be said of payloads that may be anything: a
// compact form is none. With content binding a core image is a file system.
func checkNotCompact(f *fetched) error {
	for _, p := range []struct {
		kind  payloadKind
		bytes io.ReaderAt
	}{{kindCore, f.core.facts}, {kindEFIBoot, f.efiboot.File}} {
		begin := make([]byte, len(compactMagics[1]))
		n, err := p.bytes.ReadAt(begin, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %w", p.kind, err)
		}
		for _, magic := range compactMagics {
			if strings.HasPrefix(string(begin[:n]), magic) {
				return fmt.Errorf("%s: begins with %q: no payload, but what a core image is made from", p.kind, magic)
			}
		}
	}
	return nil
}

func (c *Config) checkBinding(v policy.Version, uki efi.UKI, core *io.SectionReader) error {
	if err := c.checkIdentity(uki.OSRelease, v); err != nil {
		return fmt.Errorf("efiboot: .osrel: %w", err)
	}
	line := parseCommandLine(uki.CommandLine)
	if err := checkVolumeName(line, volumeName(v)); err != nil {
		return fmt.Errorf("efiboot: .cmdline: %w", err)
	}
	wanted, err := c.rootHash(line)
	if err != nil {
		return fmt.Errorf("efiboot: .cmdline: %w", err)
	}
	offset, err := hashOffset(line, core)
	if err != nil {
		return err
	}
	_, found, err := verity.RootHash(core, core.Size(), offset)
	if err != nil {
		return fmt.Errorf("core: %w", err)
	}
	if hex.EncodeToString(found) != wanted {
		return fmt.Errorf("efiboot boots the image with root hash %.16s…, core has root hash %.16x…", wanted, found)
	}
	return nil
}

// coreHashOffset is where the hash tree begins in the core image of a release,
// whose beginning head has.
func coreHashOffset(f *fetched, head io.ReaderAt) (int64, error) {
	uki, err := efi.ReadUKI(f.efiboot.File, f.efiboot.Len())
	if err != nil {
		return 0, err
	}
	return hashOffset(parseCommandLine(uki.CommandLine), head)
}

func (c *Config) checkIdentity(osRelease map[string]string, v policy.Version) error {
	id := osRelease["ID"]
	if id != c.OSName && id != c.OSName+"-efiboot" {
		return fmt.Errorf("ID is %.80q, the product is %q", id, c.OSName)
	}
	version, err := policy.ParseRunningVersion(osRelease["VERSION_ID"])
	if err != nil {
		return fmt.Errorf("VERSION_ID: %w", err)
	}
	if version.String() != v.String() {
		return fmt.Errorf("VERSION_ID is %q, the release is %q", version, v)
	}
	return nil
}
