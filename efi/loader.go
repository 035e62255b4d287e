// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"io"
	"slices"
	"strings"
)

// listing is an entry as systemd-boot sees it in its menu.
type listing struct {
	bootable         bool
	sortKey, version string
}

// list reads an image as systemd-boot does (config_entry_add_unified and
// bootspec_pick_name_version_sort_key, systemd 252), where that is less strict
// than ReadUKI: the image need not be whole, and os-release knows no escapes.
// Of several sections, as UKIs with profiles have them, the first counts.
func list(r io.ReaderAt, file string, i image) listing {
	found := i.find(releaseSection)
	if len(found) == 0 || !isListed(file) {
		return listing{}
	}
	data := make([]byte, min(found[0].memoryBytes, maxTextBytes))
	n, err := io.ReadFull(io.NewSectionReader(r, found[0].offset, int64(len(data))), data)
	if err != nil && n == 0 {
		return listing{}
	}
	fields := loaderFields(data[:n])
	return listing{
		bootable: hasAny(fields, "PRETTY_NAME", "IMAGE_ID", "NAME", "ID"),
		sortKey:  firstOf(fields, "IMAGE_ID", "ID"),
		version:  firstOf(fields, "IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"),
	}
}

// isListed tells whether systemd-boot looks into a file of that name.
func isListed(file string) bool {
	return !strings.HasPrefix(file, ".") && !strings.HasPrefix(file, "auto-") &&
		strings.HasSuffix(lower(file), entrySuffix)
}

// loaderFields reads os-release as systemd-boot does (line_get_key_value in
// src/boot/efi/boot.c): up to the first NUL, CR ends lines, only a pair of
// double quotes around the value is taken away.
func loaderFields(data []byte) map[string]string {
	fields := make(map[string]string)
	text, _, _ := strings.Cut(string(data), "\x00")
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.Trim(line, " \t")
		key, value, found := strings.Cut(line, "=")
		if !found || strings.HasPrefix(line, "#") {
			continue
		}
		value = strings.TrimLeft(value, "=")
		if strings.HasPrefix(value, `"`) && strings.HasSuffix(value, `"`) {
			value = strings.TrimSuffix(value[1:], `"`)
		}
		fields[key] = value
	}
	return fields
}

func hasAny(fields map[string]string, keys ...string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { _, found := fields[key]; return found })
}

func firstOf(fields map[string]string, keys ...string) string {
	for _, key := range keys {
		if value, found := fields[key]; found {
			return value
		}
	}
	return ""
}

// lower is systemd-boot's strtolower16: ASCII only, whatever the language.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
