// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"golang.org/x/sys/unix"
)

// maxConfigBytes is far more than any configuration or certificate bundle.
const maxConfigBytes = 1 << 20

// access says who may write a file that is trusted.
type access func(unix.Stat_t) error

// rootOnly is for what decides about trust: it belongs to root, or to whom
// this process runs as, and nobody else writes to it.
func rootOnly(st unix.Stat_t) error {
	switch {
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("belongs to user %d, must belong to root", st.Uid)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("mode %04o lets others write, must be writable by its owner only", st.Mode&0o7777)
	}
	return nil
}

// notByOthers is for what an administrator sets: on CLIP OS the files belong
// to admin:root with mode 0640. A group's right to write counts only as
// root's own.
func notByOthers(st unix.Stat_t) error {
	if st.Mode&0o002 != 0 || st.Mode&0o020 != 0 && st.Gid != 0 {
		return fmt.Errorf("mode %04o lets others write", st.Mode&0o7777)
	}
	return nil
}

// readTrusted reads a file after checking it and its folder. Symbolic links
// are followed: on CLIP OS /etc/updater is one.
func readTrusted(file string, allowed access) ([]byte, error) {
	folder := filepath.Dir(file)
	var st unix.Stat_t
	if err := unix.Stat(folder, &st); err != nil {
		return nil, &os.PathError{Op: "open", Path: folder, Err: err}
	}
	if err := allowed(st); err != nil {
		return nil, fmt.Errorf("%s: %w", folder, err)
	}
	// O_NONBLOCK: a FIFO in the file's place must not hold us up.
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: file, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s: not a regular file", file)
	}
	if err := allowed(st); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return readBounded(f)
}

func readBounded(f *os.File) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err == nil && len(data) > maxConfigBytes {
		err = fmt.Errorf("%s: larger than %d bytes", f.Name(), maxConfigBytes)
	}
	return data, err
}

// document is a TOML file that was read.
type document struct {
	file string
	data []byte
}

func readDocument(file string, allowed access) (document, error) {
	data, err := readTrusted(file, allowed)
	return document{file, data}, err
}

// decode is strict: a key that into does not have is an error.
func (d document) decode(into any) error {
	dec := toml.NewDecoder(bytes.NewReader(d.data))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	var strict *toml.StrictMissingError
	var broken *toml.DecodeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &strict):
		return d.at(&strict.Errors[0], "unknown key")
	case errors.As(err, &broken):
		return d.at(broken, strings.TrimPrefix(broken.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", d.file, err)
}

func (d document) at(e *toml.DecodeError, what string) error {
	line, _ := e.Position()
	if key := strings.Join(e.Key(), "."); key != "" {
		what = key + ": " + what
	}
	return fmt.Errorf("%s:%d: %s", d.file, line, what)
}

// check parses every field and stops at the first that is wrong.
func (d document) check(fields []field) error {
	for _, f := range fields {
		err := f.parse(f.value)
		switch {
		case errors.Is(err, errMissing):
			return fmt.Errorf("%s: %s: %w", d.file, f.key, err)
		case err != nil:
			return fmt.Errorf("%s:%d: %s: %w", d.file, d.lineOf(f.key), f.key, err)
		}
	}
	return nil
}

// lineOf finds where a dotted key stands in a document that decode accepted.
func (d document) lineOf(key string) int {
	var p unstable.Parser
	p.Reset(d.data)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		name, line := "", 0
		for it := e.Key(); it.Next(); {
			part := it.Node()
			name = strings.TrimPrefix(name+"."+string(part.Data), ".")
			line = p.Shape(part.Raw).Start.Line
		}
		switch {
		case e.Kind == unstable.Table:
			table = name + "."
		case strings.EqualFold(table+name, key):
			return line
		}
	}
	return 0
}
