// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxTextBytes bounds os-release files and command lines. The kernel takes
// 2048 bytes of command line on x86; os-release is a dozen short lines.
const maxTextBytes = 64 << 10

// releaseKey is the name of a shell variable.
var releaseKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ParseOSRelease reads an os-release(5) file of at most 64 KiB. It accepts what
// a Bourne shell would take for plain assignments with one meaning; all else
// is an error that names the line: expansions, several words, control
// characters. Of a key that repeats the last value is taken, as the manual
// page says and systemd-boot does.
func ParseOSRelease(data []byte) (map[string]string, error) {
	if len(data) > maxTextBytes {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", len(data), maxTextBytes)
	}
	fields := make(map[string]string)
	number := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		number++
		if err := checkText(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		line = strings.Trim(line, " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		key, quoted, found := strings.Cut(line, "=")
		if !found || !releaseKey.MatchString(key) {
			return nil, fmt.Errorf("line %d: %.40q is not an assignment", number, line)
		}
		value, err := unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", number, key, err)
		}
		fields[key] = value
	}
	return fields, nil
}

// checkText refuses what readers understand differently: systemd-boot ends a
// line at CR too and the file at NUL.
func checkText(line string) error {
	if i := strings.IndexFunc(line, isControl); i >= 0 {
		return fmt.Errorf("control character %q", line[i])
	}
	if !utf8.ValidString(line) {
		return errors.New("not UTF-8")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// unquote reads the value of an assignment as a shell does (POSIX.1-2024,
// Shell Command Language, 2.2 Quoting).
func unquote(s string) (string, error) {
	switch {
	case s == "":
		return "", nil
	case s[0] == '\'':
		value, rest, closed := strings.Cut(s[1:], "'")
		return ended(value, rest, closed)
	case s[0] == '"':
		return unescape(s[1:], true)
	}
	return unescape(s, false)
}

// unescape reads s up to the closing double quote, or as a bare word.
func unescape(s string, quoted bool) (string, error) {
	special := " \t'\"$`;&|<>()"
	if quoted {
		special = "$`"
	}
	var value strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quoted && c == '"':
			return ended(value.String(), s[i+1:], true)
		case strings.IndexByte(special, c) >= 0:
			return "", fmt.Errorf("%q must be quoted", c)
		case c == '\\' && i+1 == len(s):
			return "", errors.New("ends with a backslash")
		case c == '\\' && (!quoted || strings.IndexByte("$`\"\\", s[i+1]) >= 0):
			i++
			value.WriteByte(s[i])
		default:
			value.WriteByte(c)
		}
	}
	return ended(value.String(), "", !quoted)
}

// ended accepts a value whose quotes are closed and nothing behind them.
func ended(value, rest string, closed bool) (string, error) {
	if !closed {
		return "", errors.New("quotes are not closed")
	}
	if rest != "" {
		return "", fmt.Errorf("%.40q behind the closing quotes", rest)
	}
	return value, nil
}
