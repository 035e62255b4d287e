// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/clipos/updater/efi"
	"github.com/clipos/updater/policy"
)

// loadFacts reads what the running system says about itself.
func (c *Config) loadFacts(p Paths) error {
	file := p.At(osReleaseFile)
	text, err := readFact(file)
	if err != nil {
		return err
	}
	fields, err := efi.ParseOSRelease(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if c.Running, err = policy.ParseRunningVersion(fields["VERSION_ID"]); err != nil {
		return fmt.Errorf("%s: VERSION_ID: %w", file, err)
	}
	c.loadBootID(p)
	return c.loadMachineID(p)
}

// loadBootID reads what names this boot (random(4)); a system in a folder may
// have none, which only makes a return to an older version go unnoticed.
func (c *Config) loadBootID(p Paths) {
	if text, err := readFact(p.At(bootIDFile)); err == nil {
		c.BootID = strings.TrimSpace(fmt.Sprintf("%.36s", text))
	}
}

// machineIDForm is machine-id(5): 32 hexadecimal digits and an end of line.
var machineIDForm = regexp.MustCompile(`^[0-9a-fA-F]{32}\n?$`)

func (c *Config) loadMachineID(p Paths) error {
	file := p.At(machineIDFile)
	text, err := readFact(file)
	if err != nil {
		return err
	}
	if c.MachineID, err = parseMachineID(text); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func parseMachineID(text []byte) (string, error) {
	if !machineIDForm.Match(text) {
		return "", fmt.Errorf("%.40q is not one line of 32 hexadecimal digits", text)
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}

// readFact reads a small file of the system, which is trusted as the system is.
func readFact(file string) ([]byte, error) {
	f, _, err := openRegular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f)
}
