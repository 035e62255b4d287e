// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"strings"
	"testing"
)

func TestLoadOSRelease(t *testing.T) {
	for text, want := range map[string]string{
		"VERSION_ID=5.0.0-alpha.1\n":                               "5.0.0-alpha.1",
		"VERSION_ID=5.0.0-alpha.1":                                 "5.0.0-alpha.1",
		"# comment\n\nVERSION_ID='5.0.0'\nID=clipos\n":             "5.0.0",
		"VERSION_ID=\"5.0.0-alpha.1+instrumented.2\"\n":            "5.0.0-alpha.1",
		"VERSION=\"9.9.9\"\nVERSION_ID=5.0.0\nIMAGE_VERSION=7.0\n": "5.0.0",
	} {
		s := configured(t)
		s.write("/etc/os-release", text)
		if c := s.load(); c.Running.String() != want {
			t.Errorf("%q: %s runs, want %s", text, c.Running, want)
		}
	}
}

func TestLoadRefusesOSRelease(t *testing.T) {
	for name, c := range map[string]struct{ text, why string }{
		"empty":                   {"", "VERSION_ID"},
		"no VERSION_ID":           {"ID=clipos\nVERSION=5.0.0\n", "VERSION_ID"},
		"VERSION_ID empty":        {"VERSION_ID=\n", "VERSION_ID"},
		"another distribution's":  {"VERSION_ID=\"12\"\n", "VERSION_ID"},
		"capital":                 {"VERSION_ID=5.0.0-RC.1\n", "VERSION_ID"},
		"line break in the value": {"VERSION_ID=\"5.0.0\n\"\n", "line 1"},
		"escaped line break":      {"VERSION_ID=\"5.0.0\\\n1\"\n", "line 1"},
		"carriage return":         {"VERSION_ID=5.0.0\r\n", "control character"},
		"NUL":                     {"VERSION_ID=5.0.0\x00\n", "control character"},
		"header from the value":   {"VERSION_ID='5.0.0\r\nx-injected: 1'\n", "control character"},
		"terminal escape":         {"VERSION_ID=5.0.0-\x1b[31m\n", "control character"},
		"not UTF-8":               {"VERSION_ID=5.0.0\nNAME=\"\xff\"\n", "UTF-8"},
		"shell":                   {"VERSION_ID=$(id)\n", "VERSION_ID"},
		"not an assignment":       {"VERSION_ID=5.0.0\nrm -rf /\n", "line 2"},
		"too long":                {"VERSION_ID=5.0.0\n" + strings.Repeat("#\n", 40<<10), "at most"},
		"far too long":            {strings.Repeat("#\n", 1<<20), "larger than"},
		"version far too long":    {"VERSION_ID=" + strings.Repeat("5", 60<<10) + "\n", "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t)
			s.write("/etc/os-release", c.text)
			_, err := Load(s.paths)
			s.refused(err, "/etc/os-release: ", c.why)
		})
	}
}

func TestLoadMachineID(t *testing.T) {
	for text, want := range map[string]string{
		machineID + "\n":                         machineID,
		machineID:                                machineID,
		strings.ToUpper(machineID) + "\n":        strings.ToUpper(machineID),
		strings.Repeat("0", 32) + "\n":           strings.Repeat("0", 32),
		"":                                       "",
		"\n":                                     "",
		"uninitialized\n":                        "",
		machineID[:31] + "\n":                    "",
		machineID + "0\n":                        "",
		machineID + "\n\n":                       "",
		machineID + "\r\n":                       "",
		machineID + " \n":                        "",
		" " + machineID + "\n":                   "",
		machineID + "\n" + machineID + "\n":      "",
		machineID + "\nx-injected: 1\n":          "",
		machineID + "\x00":                       "",
		machineID[:31] + "g\n":                   "",
		machineID[:31] + "\n\n":                  "",
		"01234567-89ab-cdef-0123-456789abcdef\n": "",
		"\uFEFF" + machineID + "\n":              "",
		strings.Repeat("0", 1<<21):               "",
	} {
		s := configured(t)
		s.write("/etc/machine-id", text)
		c, err := Load(s.paths)
		if want == "" {
			s.refused(err, "/etc/machine-id: ", "")
		} else if err != nil || c.MachineID != want {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}
