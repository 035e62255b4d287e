// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/clipos/updater/lvm"
)

// The words that configuration keys take; the first of a pair is the default.
const (
	backendLVM, backendDirectory = "lvm", "directory"
	orderSetDefault, orderRefuse = "set-default", "refuse"
)

// Boot counters are one or two digits in practice; 99 failed boots are
// enough for anybody.
const maxBootTries = 99

var (
	osNameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	// groupForm is what LVM takes for a volume group (lvm(8), VALID NAMES).
	groupForm     = regexp.MustCompile(`^[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]{0,126}$`)
	parameterForm = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)
)

// A field is one key's value with what it has to be; parse stores it.
type field struct {
	key, value string
	parse      func(string) error
}

var errMissing = errors.New("missing or empty")

func parseOSName(to *string) func(string) error {
	return func(s string) error {
		if !osNameForm.MatchString(s) {
			return orMissing(s, "%.40q is not a small letter followed by at most 31 small letters, digits or -")
		}
		*to = s
		return nil
	}
}

func (c *CoreConfig) parseDestination(s string) error {
	if c.Directory {
		return parseAbsolutePath(&c.Destination)(s)
	}
	if !groupForm.MatchString(s) || s == "." || s == ".." {
		return orMissing(s, "%.140q is not the name of a volume group")
	}
	c.Destination = s
	return nil
}

func parseSize(to *int64) func(string) error {
	return func(s string) (err error) {
		if s == "" {
			return errMissing
		}
		*to, err = lvm.ParseSize(s)
		return err
	}
}

func parseTries(s string) error {
	if s[0] == '-' || len(s) > len(fmt.Sprint(maxBootTries)) {
		return fmt.Errorf("%s is not between 0 and %d", s, maxBootTries)
	}
	return nil
}

// parseChoice sets to when the word is yes and not no.
func parseChoice(to *bool, yes, no string) func(string) error {
	return func(s string) error {
		if s != yes && s != no {
			return fmt.Errorf("%.40q is neither %q nor %q", s, no, yes)
		}
		*to = s == yes
		return nil
	}
}

func parseAbsolutePath(to *string) func(string) error {
	return func(s string) error {
		if !filepath.IsAbs(s) || strings.ContainsRune(s, 0) {
			return orMissing(s, "%.80q is not an absolute path")
		}
		*to = filepath.Clean(s)
		return nil
	}
}

// maxSocketPathBytes is unix(7): sun_path holds 108 bytes, with a NUL at the end.
const maxSocketPathBytes = 107

// parseSocket takes a path below the root of the system, or nothing, which leaves
// to as it is.
func parseSocket(to *string, p Paths) func(string) error {
	return func(s string) error {
		if s == "" {
			return nil
		}
		var path string
		if err := parseAbsolutePath(&path)(s); err != nil {
			return err
		}
		if *to = p.At(path); len(*to) > maxSocketPathBytes {
			return fmt.Errorf("%.120q is longer than the %d bytes a socket's path may have", *to, maxSocketPathBytes)
		}
		return nil
	}
}

// parseParameter takes the name of a kernel parameter, or nothing.
func parseParameter(to *string) func(string) error {
	return func(s string) error {
		if s != "" && !parameterForm.MatchString(s) {
			return fmt.Errorf("%.80q is not the name of a kernel parameter", s)
		}
		*to = s
		return nil
	}
}

// parseServerURL takes an https URL without user, query and fragment, and
// drops slashes at its end.
func parseServerURL(to *string) func(string) error {
	return func(s string) error {
		u, err := url.Parse(s)
		switch {
		case s == "":
			return errMissing
		case err != nil:
			return fmt.Errorf("%.120q is not a URL", s)
		case u.Scheme != "https":
			return fmt.Errorf("%.120q does not begin with https://", s)
		case u.User != nil:
			// Without the value: it may be a password.
			return errors.New("a user name or password does not belong in a URL")
		case u.Hostname() == "" || strings.ContainsAny(s, "?#"):
			return fmt.Errorf("%.120q is not a scheme, a host and a path", s)
		}
		*to = strings.TrimRight(s, "/")
		return nil
	}
}

func orMissing(value, format string) error {
	if value == "" {
		return errMissing
	}
	return fmt.Errorf(format, value)
}
