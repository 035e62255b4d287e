// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/clipos/updater/updater/internal/verity"
)

// The kernel parameters of CLIP OS's dracut module, and those of
// systemd-veritysetup-generator(8): in an initrd it takes each with "rd."
// before it as well (PROC_CMDLINE_STRIP_RD_PREFIX in systemd's source).
var (
	rootHashParameters = []string{"rd.verity.roothash", "roothash", "rd.roothash"}
	// Where the dm-verity superblock lies in the image, said outright or as
	// an option of veritytab(5).
	hashOffsetParameters    = []string{"rd.verity.hashoffset"}
	verityOptionsParameters = []string{"systemd.verity_root_options", "rd.systemd.verity_root_options"}
)

const (
	hashOffsetOption = "hash-offset="
	// verityAlignBytes is where veritysetup is told to put the tree when no
	// parameter says otherwise: behind the file system, on a whole block.
	verityAlignBytes = 4096
)

// otherVolumes begin like core volumes, but hold no system and may be named:
// the state partition, and swap to resume from.
var otherVolumes = []string{volumePrefix + "state", volumePrefix + "swap"}

// commandLine is a kernel command line, in its order.
type commandLine []struct{ key, value string }

// parseCommandLine divides at every space and drops every quote. The kernel,
// systemd and dracut each have their own idea of quotes, but whichever of them
// reads the line finds no parameter in it that is not in ours.
func parseCommandLine(s string) commandLine {
	var line commandLine
	for _, word := range strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(s)) {
		key, value, _ := strings.Cut(word, "=")
		line = append(line, struct{ key, value string }{key, value})
	}
	return line
}

// values returns what the named parameters say. The kernel and systemd do not
// tell a hyphen in a name from an underscore.
func (l commandLine) values(keys ...string) []string {
	plain := strings.NewReplacer("-", "_")
	var values []string
	for _, p := range l {
		if slices.ContainsFunc(keys, func(k string) bool { return plain.Replace(k) == plain.Replace(p.key) }) {
			values = append(values, p.value)
		}
	}
	return values
}

// agreed returns the one value that all have: which of several counts, the
// first or the last, readers decide differently.
func agreed(what string, values []string) (string, error) {
	for _, v := range values[1:] {
		if v != values[0] {
			return "", fmt.Errorf("two %s that differ: %.80q and %.80q", what, values[0], v)
		}
	}
	return values[0], nil
}

// checkVolumeName demands that the command line names the release's volume
// and no other system's, as /dev/<group>/core_V, as <group>/core_V, as
// verity_core_V, or as device-mapper spells it, with hyphens doubled (lvm(8)).
func checkVolumeName(line commandLine, name string) error {
	named := false
	for _, p := range line {
		for _, found := range coreVolumes(p.value) {
			switch {
			case found == name, found == strings.ReplaceAll(name, "-", "--"):
				named = true
			case !slices.Contains(otherVolumes, found):
				return fmt.Errorf("%.40q names volume %.80q, the release's is %q", p.key, found, name)
			}
		}
	}
	if !named {
		return fmt.Errorf("does not name volume %q", name)
	}
	return nil
}

// coreVolumes finds the core volumes that a value names. A name ends where
// LVM would end it (lvm(8), VALID NAMES); before it may be what device-mapper
// and others put there, which ends in a hyphen or an underscore.
func coreVolumes(value string) []string {
	var found []string
	for _, word := range strings.FieldsFunc(value, func(r rune) bool { return !isNameRune(r) }) {
		for at := range word {
			if strings.HasPrefix(word[at:], volumePrefix) && (at == 0 || word[at-1] == '-' || word[at-1] == '_') {
				found = append(found, word[at:])
				break
			}
		}
	}
	return found
}

// isNameRune tells whether r does not end a name. What does not belong into a
// command line at all ends none, so that the name with it is another one.
func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		strings.ContainsRune("+_.-", r) || r < ' ' || r > '~'
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
	for i, v := range values {
		values[i] = strings.ToLower(v)
	}
	hash, err := agreed("root hashes", values)
	if err != nil {
		return "", err
	}
	if _, err := hex.DecodeString(hash); err != nil || hash == "" {
		return "", fmt.Errorf("root hash %.80q is not hexadecimal", hash)
	}
	return hash, nil
}

// hashOffset returns where the dm-verity superblock is in a core image: where
// the command line says, else on the first whole block behind the file system.
func hashOffset(line commandLine, core io.ReaderAt) (int64, error) {
	_, size, err := verity.FileSystemBytes(core)
	if err != nil {
		return 0, fmt.Errorf("core: %w", err)
	}
	values := line.hashOffsets()
	if len(values) == 0 {
		return roundUp(size, verityAlignBytes), nil
	}
	offset, err := parseHashOffset(values)
	if err == nil && offset < size {
		err = errors.New("the hash tree begins inside the file system of core")
	}
	if err != nil {
		return 0, fmt.Errorf("efiboot: .cmdline: %w", err)
	}
	return offset, nil
}

// hashOffsets returns what the parameters of either kind say.
func (l commandLine) hashOffsets() []string {
	values := l.values(hashOffsetParameters...)
	for _, options := range l.values(verityOptionsParameters...) {
		for option := range strings.SplitSeq(options, ",") {
			if offset, found := strings.CutPrefix(option, hashOffsetOption); found {
				values = append(values, offset)
			}
		}
	}
	return values
}

func parseHashOffset(values []string) (int64, error) {
	text, err := agreed("hash offsets", values)
	if err != nil {
		return 0, err
	}
	offset, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("hash offset %.40q is not a number", text)
	}
	return offset, nil
}
