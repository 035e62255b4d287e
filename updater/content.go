// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/internal/verity"
)

// A signature says neither "core" nor the product's name, so that a server
// could exchange files that are all properly signed. What is inside them says
// it: the EFI binary names its product, its version, the volume it boots and
// the root hash of the only image it will boot.

// rootHashParameters are the kernel parameters that carry the root hash:
// dracut's module of CLIP OS, and systemd-veritysetup-generator(8).
var rootHashParameters = []string{"rd.verity.roothash", "roothash"}

// hashOffsetParameter says where the dm-verity superblock lies in the image.
const hashOffsetParameter = "rd.verity.hashoffset"

// verityAlignBytes is where veritysetup is told to put the tree when no
// parameter says otherwise: behind the file system, on a whole block.
const verityAlignBytes = 4096

// checkContent checks that the two payloads are this product's, of this
// version, and made for each other.
func (c *Config) checkContent(f *fetched) error {
	if !c.Trust.ContentBinding {
		return nil
	}
	uki, err := efi.ReadUKI(f.efiboot.File, f.efiboot.Len())
	if err != nil {
		err = fmt.Errorf("efiboot: %w", err)
	} else {
		err = c.checkBinding(uki, f)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrContentMismatch, err)
	}
	return nil
}

func (c *Config) checkBinding(uki efi.UKI, f *fetched) error {
	if err := c.checkIdentity(uki.OSRelease, f.version); err != nil {
		return fmt.Errorf("efiboot: .osrel: %w", err)
	}
	line := parseCommandLine(uki.CommandLine)
	if err := checkVolumeName(line, volumeName(f.version)); err != nil {
		return fmt.Errorf("efiboot: .cmdline: %w", err)
	}
	wanted, err := c.rootHash(line)
	if err != nil {
		return fmt.Errorf("efiboot: .cmdline: %w", err)
	}
	offset, err := hashOffset(line, f.core)
	if err != nil {
		return err
	}
	_, found, err := verity.RootHash(f.core.File, f.core.Len(), offset)
	if err != nil {
		return fmt.Errorf("core: %w", err)
	}
	if hex.EncodeToString(found) != wanted {
		return fmt.Errorf("efiboot boots the image with root hash %.16s…, core has root hash %.16x…", wanted, found)
	}
	return nil
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

// commandLine is a kernel command line, in its order.
type commandLine []struct{ key, value string }

func parseCommandLine(s string) commandLine {
	var line commandLine
	for _, word := range strings.Fields(s) {
		key, value, _ := strings.Cut(word, "=")
		line = append(line, struct{ key, value string }{key, value})
	}
	return line
}

// values returns what the named parameters say.
func (l commandLine) values(keys ...string) []string {
	var values []string
	for _, p := range l {
		for _, k := range keys {
			if p.key == k {
				values = append(values, p.value)
			}
		}
	}
	return values
}

// checkVolumeName demands that the command line names the release's volume
// and no other core volume, as /dev/<group>/core_V, as <group>/core_V, or as
// device-mapper spells it, with hyphens doubled (dm names, lvm(8)).
func checkVolumeName(line commandLine, name string) error {
	named := false
	for _, p := range line {
		at := strings.Index(p.value, volumePrefix)
		if at < 0 || at > 0 && !strings.ContainsRune("/-_", rune(p.value[at-1])) {
			continue
		}
		found := p.value[at:]
		if found != name && found != strings.ReplaceAll(name, "-", "--") {
			return fmt.Errorf("%s names volume %.80q, the release's is %q", p.key, found, name)
		}
		named = true
	}
	if !named {
		return fmt.Errorf("does not name volume %q", name)
	}
	return nil
}

// rootHash returns the one root hash on the command line, in small letters.
func (c *Config) rootHash(line commandLine) (string, error) {
	keys := rootHashParameters
	if c.Trust.RootHashParameter != "" {
		keys = append([]string{c.Trust.RootHashParameter}, keys...)
	}
	values := line.values(keys...)
	if len(values) == 0 {
		return "", fmt.Errorf("no root hash: none of the parameters %q", keys)
	}
	first := strings.ToLower(values[0])
	for _, v := range values[1:] {
		if strings.ToLower(v) != first {
			return "", fmt.Errorf("two root hashes that differ: %.80q and %.80q", values[0], v)
		}
	}
	if _, err := hex.DecodeString(first); err != nil || first == "" {
		return "", fmt.Errorf("root hash %.80q is not hexadecimal", values[0])
	}
	return first, nil
}

// hashOffset returns where the dm-verity superblock is: where the command
// line says, else on the first whole block behind the file system.
func hashOffset(line commandLine, core *payload) (int64, error) {
	_, size, err := verity.FileSystemBytes(core.File)
	if err != nil {
		return 0, fmt.Errorf("core: %w", err)
	}
	values := line.values(hashOffsetParameter)
	if len(values) == 0 {
		return (size + verityAlignBytes - 1) / verityAlignBytes * verityAlignBytes, nil
	}
	offset, err := strconv.ParseInt(values[len(values)-1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("efiboot: .cmdline: %s is %.40q, not a number", hashOffsetParameter, values[len(values)-1])
	}
	if offset < size {
		return 0, errors.New("efiboot: .cmdline: the hash tree begins inside the file system of core")
	}
	return offset, nil
}
