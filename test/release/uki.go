// SPDX-License-Identifier: LGPL-2.1-or-later

package release

import (
	"bytes"
	"cmp"
	"context"
	"debug/pe"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
)

// generatedBytes is the size of a .linux or .initrd that was not given.
const generatedBytes = 16 << 10

// stubs are systemd's UEFI stubs, by Go's name of the processor; systemd-stub(7).
var stubs = map[string]string{
	"amd64": "/usr/lib/systemd/boot/efi/linuxx64.efi.stub",
	"arm64": "/usr/lib/systemd/boot/efi/linuxaa64.efi.stub",
}

// section is a part of a unified kernel image, ready in a file.
type section struct{ name, path string }

// buildUKI makes a unified kernel image at path.
func buildUKI(ctx context.Context, path, work string, o Options, commandLine string) error {
	stub := stubs[runtime.GOARCH]
	address, err := freeAddress(stub)
	if err != nil {
		return err
	}
	sections, err := writeSections(work, o, commandLine)
	if err != nil {
		return err
	}
	var args []string
	for _, s := range sections {
		size, err := sizeBytes(s.path)
		if err != nil {
			return err
		}
		args = append(args, "--add-section", s.name+"="+s.path,
			"--change-section-vma", s.name+"=0x"+strconv.FormatUint(address, 16))
		address = nextPage(address + uint64(size))
	}
	_, err = objcopy.run(ctx, append(args, stub, path)...)
	return err
}

// freeAddress returns the first address behind all sections of a PE image.
// The fixed addresses of older instructions overlap as soon as one grows.
func freeAddress(stub string) (uint64, error) {
	image, err := pe.Open(stub)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w (Debian package systemd-boot-efi)", err)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", stub, err)
	}
	defer image.Close()
	header, ok := image.OptionalHeader.(*pe.OptionalHeader64)
	if !ok {
		return 0, fmt.Errorf("%s: not a 64-bit image", stub)
	}
	end := uint64(0)
	for _, s := range image.Sections {
		end = max(end, uint64(s.VirtualAddress)+uint64(s.VirtualSize))
	}
	return nextPage(header.ImageBase + end), nil
}

// nextPage rounds up to a page: the firmware maps sections by pages.
func nextPage(address uint64) uint64 {
	const page = 4096
	return (address + page - 1) &^ (page - 1)
}

// writeSections puts each section that is wanted into a file.
func writeSections(work string, o Options, commandLine string) ([]section, error) {
	id := cmp.Or(o.Wrong.ID, o.Product+"-efiboot")
	parts := []struct {
		name, given string
		made        io.Reader
	}{
		{".osrel", "", bytes.NewReader(osRelease(o, id))},
		// The stub takes the section as a string that ends with it or at a NUL.
		{".cmdline", "", bytes.NewReader([]byte(commandLine + "\x00"))},
		{".linux", o.Kernel, io.LimitReader(random(o, "kernel"), generatedBytes)},
		{".initrd", o.Initrd, io.LimitReader(random(o, "initrd"), generatedBytes)},
	}
	var sections []section
	for _, part := range parts {
		if slices.Contains(o.Wrong.Omit, part.name) {
			continue
		}
		s := section{part.name, part.given}
		if s.path == "" {
			s.path = filepath.Join(work, "section"+part.name)
			if err := writeFile(s.path, part.made); err != nil {
				return nil, err
			}
		}
		sections = append(sections, s)
	}
	return sections, nil
}

// osRelease is an os-release(5) file as CLIP OS writes it. CLIP OS's UKIs
// have the suffix "-efiboot" in their ID.
func osRelease(o Options, id string) []byte {
	version := o.Version
	if id != o.Product {
		version = cmp.Or(o.Wrong.VersionID, version)
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "NAME=%q\nID=%s\n", o.Product, id)
	fmt.Fprintf(&text, "VERSION=%q\nVERSION_ID=%q\n", version, version)
	fmt.Fprintf(&text, "PRETTY_NAME=%q\n", o.Product+" "+version)
	return text.Bytes()
}
