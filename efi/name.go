// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const entrySuffix = ".efi"

// TemporarySuffix is what [Partition.Stage] puts behind an entry's name.
const TemporarySuffix = ".new"

// Name is the file name of a boot entry, taken apart.
type Name struct {
	Product, Version string
	// Counted: systemd-boot counts this entry's boots (systemd-boot(7), BOOT
	// COUNTING). TriesLeft 0 means that it never came up.
	Counted              bool
	TriesLeft, TriesDone int
	Temporary            bool
}

// versionForm is the outline of a semantic version. It begins with three
// numbers, which no product name can contain: so the entries of "clipos-server"
// never look like those of "clipos". '+' would be read as a boot counter, and
// FAT does not tell capital letters from small ones.
var versionForm = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9a-z.-]+)?$`)

// ParseName takes a file name apart. It is false for everything that is not
// an entry of the product. Whether the version is a strict semantic version
// the caller checks.
func ParseName(product, file string) (Name, bool) {
	n := Name{Product: product}
	rest, ok := strings.CutPrefix(file, product+"-")
	if !ok || product == "" {
		return Name{}, false
	}
	rest, n.Temporary = strings.CutSuffix(rest, TemporarySuffix)
	if rest, ok = strings.CutSuffix(rest, entrySuffix); !ok {
		return Name{}, false
	}
	var counter string
	n.Version, counter, n.Counted = strings.Cut(rest, "+")
	if n.Counted {
		if n.TriesLeft, n.TriesDone, ok = parseTries(counter); !ok {
			return Name{}, false
		}
	}
	if !versionForm.MatchString(n.Version) {
		return Name{}, false
	}
	return n, true
}

// String returns the name as it is given to a new file. A file found on the
// disk may spell its counters otherwise ("+3-0"): use Entry.File for that.
func (n Name) String() string {
	s := n.stem()
	if n.Counted {
		s += "+" + strconv.Itoa(n.TriesLeft)
		if n.TriesDone > 0 {
			s += "-" + strconv.Itoa(n.TriesDone)
		}
	}
	s += entrySuffix
	if n.Temporary {
		s += TemporarySuffix
	}
	return s
}

func (n Name) stem() string { return n.Product + "-" + n.Version }

// tries reads the boot counter at the end of any entry's file name as
// systemd-boot does: the last '+', config_entry_parse_tries in
// src/boot/efi/boot.c.
func tries(file string) (left, done int, counted bool) {
	stem, ok := strings.CutSuffix(file, entrySuffix)
	plus := strings.LastIndexByte(stem, '+')
	if !ok || plus < 0 {
		return 0, 0, false
	}
	return parseTries(stem[plus+1:])
}

// parseTries reads LEFT or LEFT-DONE, each at most INT_MAX.
func parseTries(s string) (left, done int, ok bool) {
	first, second, both := strings.Cut(s, "-")
	if !both {
		second = "0"
	}
	l, err := strconv.ParseUint(first, 10, 31)
	if err != nil {
		return 0, 0, false
	}
	d, err := strconv.ParseUint(second, 10, 31)
	if err != nil {
		return 0, 0, false
	}
	return int(l), int(d), true
}

// checkName refuses every file name but those of the product's entries.
func checkName(product, file string) (Name, error) {
	n, ok := ParseName(product, file)
	if !ok {
		return Name{}, fmt.Errorf("file %.80q: %w", file, errForeign)
	}
	return n, nil
}
