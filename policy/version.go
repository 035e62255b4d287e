// SPDX-License-Identifier: LGPL-2.1-or-later

package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// ErrInvalidVersion is the error of every version that is refused.
var ErrInvalidVersion = errors.New("invalid version")

const (
	// maxVersionBytes keeps file and volume names short: 127 bytes are what
	// LVM takes for a volume (lvm(8), VALID NAMES).
	maxVersionBytes = 64
	// maxVersionDigits keeps every number inside 32 bits; beyond 64 bits the
	// library falls back to comparing digits as text.
	maxVersionDigits = 9
)

// Version is a release's version: semantic version 2.0.0 without build
// metadata and without capital letters, at most 64 bytes, its numbers at most
// nine digits. The zero value is no version and lower than every other.
type Version struct {
	text string
	sem  *semver.Version
}

// ParseVersion reads a version that somebody else wrote: a server's answer, a
// name on disk, a caller's argument. It refuses build metadata, which the
// boot loader would read as a boot counter in a file name, and capital
// letters, which FAT does not tell from small ones.
func ParseVersion(s string) (Version, error) {
	switch {
	case len(s) > maxVersionBytes:
		return Version{}, fmt.Errorf("%w %.16q…: longer than %d bytes", ErrInvalidVersion, s, maxVersionBytes)
	case strings.ContainsRune(s, '+'):
		return Version{}, fmt.Errorf("%w %q: build metadata (+) is not allowed", ErrInvalidVersion, s)
	case s != strings.ToLower(s):
		return Version{}, fmt.Errorf("%w %q: capital letters are not allowed", ErrInvalidVersion, s)
	case hasLongNumber(s):
		return Version{}, fmt.Errorf("%w %q: a number has more than %d digits", ErrInvalidVersion, s, maxVersionDigits)
	}
	// Never NewVersion, which completes "v5" to 5.0.0.
	sem, err := semver.StrictNewVersion(s)
	if err != nil {
		return Version{}, fmt.Errorf("%w %q: not a semantic version", ErrInvalidVersion, s)
	}
	return Version{text: s, sem: sem}, nil
}

// ParseRunningVersion reads VERSION_ID of os-release(5), whose build metadata
// ("+instrumented") says how this image was built and is dropped.
func ParseRunningVersion(s string) (Version, error) {
	release, metadata, found := strings.Cut(s, "+")
	if found {
		if _, err := semver.StrictNewVersion("0.0.0+" + metadata); err != nil {
			return Version{}, fmt.Errorf("%w %.80q: malformed build metadata", ErrInvalidVersion, s)
		}
	}
	return ParseVersion(release)
}

func hasLongNumber(s string) bool {
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '.' || r == '-' }) {
		if len(part) > maxVersionDigits && strings.Trim(part, "0123456789") == "" {
			return true
		}
	}
	return false
}

// String returns the version as it was written.
func (v Version) String() string { return v.text }

// IsZero tells whether v is no version.
func (v Version) IsZero() bool { return v.sem == nil }

// Compare orders by precedence (semver.org, item 11): -1, 0 or 1. It is a
// comparison, never a constraint: constraints hide pre-releases.
func (v Version) Compare(o Version) int {
	switch {
	case v.IsZero() && o.IsZero():
		return 0
	case v.IsZero():
		return -1
	case o.IsZero():
		return 1
	}
	return v.sem.Compare(o.sem)
}
