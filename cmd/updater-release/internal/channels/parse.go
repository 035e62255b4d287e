// SPDX-License-Identifier: LGPL-2.1-or-later

package channels

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/clipos/updater/policy"
)

// ErrInvalid is wrapped by the errors of files that are not as they should be.
var ErrInvalid = errors.New("channels file invalid")

// maxFileBytes has room for a hundred thousand machines.
const maxFileBytes = 4 << 20

var (
	// nameForm is what a product may be called, as os_name in config.toml, and a
	// channel.
	nameForm    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	machineForm = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// document is the file as it is written.
type document struct {
	Product string `toml:"product"`
	Channel map[string]struct {
		Machines []string `toml:"machines"`
		Version  string   `toml:"version"`
		Percent  *int     `toml:"percent"`
		Previous string   `toml:"previous"`
	} `toml:"channel"`
}

// Load reads the file. One that is not there is an error that wraps
// fs.ErrNotExist; New makes its contents.
func Load(name string) (*File, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s: not a regular file", ErrInvalid, name)
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("%w: %s: %d bytes, at most %d", ErrInvalid, name, info.Size(), maxFileBytes)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return Parse(name, text)
}

// LoadOrNew reads the file, or makes one for a product where there is none. The
// product may be empty when there is a file; if it is not, it is that of the
// file.
func LoadOrNew(name, product string) (*File, error) {
	f, err := Load(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && product == "":
		return nil, fmt.Errorf("%w, and no product is given", err)
	case errors.Is(err, fs.ErrNotExist):
		return Parse(name, fmt.Appendf(nil, "product = %q\n", product))
	case err != nil:
		return nil, err
	case product != "" && product != f.Product:
		return nil, fmt.Errorf("%w: %s: product %q is not %.40q", ErrInvalid, name, f.Product, product)
	}
	return f, nil
}

// Parse reads the text of a file; name is for errors.
func Parse(name string, text []byte) (*File, error) {
	var d document
	if err := decode(text, &d); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, name, err)
	}
	f := &File{Product: d.Product, channels: map[string]Channel{Stable: {Name: Stable}}, name: name, text: text}
	if err := f.fill(d); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, name, err)
	}
	return f, nil
}

// decode is strict. The library takes "Percent" for percent as well, which we
// do not.
func decode(text []byte, into *document) error {
	decoder := toml.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	var strict *toml.StrictMissingError
	var broken *toml.DecodeError
	switch {
	case errors.As(err, &strict):
		line, _ := strict.Errors[0].Position()
		return fmt.Errorf("line %d: unknown key %.80q", line, strings.Join(strict.Errors[0].Key(), "."))
	case errors.As(err, &broken):
		line, _ := broken.Position()
		return fmt.Errorf("line %d: %.200s", line, strings.TrimPrefix(broken.Error(), "toml: "))
	case err != nil:
		return err
	}
	for k := range keys(text) {
		if k.name != strings.ToLower(k.name) {
			return fmt.Errorf("line %d: unknown key %.80q", k.line, k.name)
		}
	}
	return nil
}

// fill checks what the document says and takes it over.
func (f *File) fill(d document) error {
	if !nameForm.MatchString(d.Product) {
		return fmt.Errorf("product %.40q is not a small letter followed by at most 31 small letters, digits or -", d.Product)
	}
	listed := map[string]string{}
	for name, c := range d.Channel {
		if !nameForm.MatchString(name) {
			return fmt.Errorf("channel %.40q: not a small letter followed by at most 31 small letters, digits or -", name)
		}
		rollout, err := newRollout(c.Version, c.Percent, c.Previous)
		if err != nil {
			return fmt.Errorf("channel %s: %w", name, err)
		}
		if name == Stable && len(c.Machines) > 0 {
			return fmt.Errorf("channel %s has every machine that is listed nowhere, and lists none itself", Stable)
		}
		machines, err := machineIDs(name, c.Machines, listed)
		if err != nil {
			return fmt.Errorf("channel %s: %w", name, err)
		}
		f.channels[name] = Channel{Name: name, Machines: machines, Rollout: rollout}
	}
	for name, c := range f.channels {
		if name != Stable && c.Version.IsZero() {
			c.Rollout, c.Inherited = f.channels[Stable].Rollout, true
			f.channels[name] = c
		}
	}
	return nil
}

// newRollout checks the three keys of a channel, each "" or nil when it is left
// out.
func newRollout(version string, percent *int, previous string) (r Rollout, err error) {
	if version == "" {
		if percent != nil || previous != "" {
			return Rollout{}, errors.New("percent or previous without version")
		}
		return Rollout{}, nil
	}
	if r.Version, err = policy.ParseVersion(version); err != nil {
		return Rollout{}, fmt.Errorf("version: %w", err)
	}
	r.Percent = 100
	if percent != nil {
		r.Percent = *percent
	}
	switch {
	case r.Percent < 0 || r.Percent > 100:
		return Rollout{}, fmt.Errorf("percent %d is not between 0 and 100", r.Percent)
	case r.Percent < 100 && previous == "":
		return Rollout{}, fmt.Errorf("percent %d, and no previous version for the rest", r.Percent)
	case r.Percent == 100 && previous != "":
		return Rollout{}, errors.New("a previous version, and nobody to see it")
	case previous == "":
		return r, nil
	}
	if r.Previous, err = policy.ParseVersion(previous); err != nil {
		return Rollout{}, fmt.Errorf("previous: %w", err)
	}
	if r.Previous.Compare(r.Version) == 0 {
		return Rollout{}, fmt.Errorf("version and previous are both %s", r.Version)
	}
	return r, nil
}

// machineIDs checks a channel's list; listed has the channel of every machine
// seen so far.
func machineIDs(channel string, list []string, listed map[string]string) ([]string, error) {
	var ids []string
	for _, machine := range list {
		id := strings.ToLower(machine)
		if !machineForm.MatchString(id) {
			return nil, fmt.Errorf("machine %.40q is not 32 hexadecimal digits", machine)
		}
		if other, found := listed[id]; found {
			return nil, fmt.Errorf("machine %s is in channel %s too", id, other)
		}
		listed[id] = channel
		ids = append(ids, id)
	}
	return ids, nil
}
