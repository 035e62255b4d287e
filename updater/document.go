// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// document is a TOML file that was read.
type document struct {
	file string
	data []byte
}

func readDocument(file string, allowed access) (document, error) {
	data, err := readTrusted(file, allowed)
	return document{file, data}, err
}

var errUnknownKey = errors.New("unknown key")

// decode is strict: a key that into does not have is an error. The library
// takes "Size" for size as well, even with both in one table; we do not.
func (d document) decode(into any) error {
	dec := toml.NewDecoder(bytes.NewReader(d.data))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	var strict *toml.StrictMissingError
	var broken *toml.DecodeError
	switch {
	case errors.As(err, &strict):
		return d.atError(&strict.Errors[0], errUnknownKey)
	case errors.As(err, &broken):
		return d.atError(broken, ownWords(broken))
	case err != nil:
		return fmt.Errorf("%s: %w", d.file, err)
	}
	for _, k := range d.keys() {
		if k.name != strings.ToLower(k.name) {
			return d.at(k.line, k.name, errUnknownKey)
		}
	}
	return nil
}

// ownWords takes the names of our types out of the library's message, and
// quotes one that quotes the document.
func ownWords(e *toml.DecodeError) error {
	what, field, found := strings.Cut(strings.TrimPrefix(e.Error(), "toml: "), " into struct field ")
	if !found && len(what) <= 200 && !strings.ContainsFunc(what, isUnprintable) {
		return errors.New(what)
	}
	if !found {
		return fmt.Errorf("%.200q", what)
	}
	kind := field[strings.LastIndex(field, " ")+1:]
	switch {
	case kind == "}":
		kind = "table"
	case strings.HasPrefix(kind, "[]"):
		kind = "list"
	}
	return fmt.Errorf("%s, must be a %s", what, kind)
}

func isUnprintable(r rune) bool { return !strconv.IsPrint(r) }

func (d document) atError(e *toml.DecodeError, what error) error {
	line, _ := e.Position()
	return d.at(line, strings.Join(e.Key(), "."), what)
}

// plainKey is a dotted key that can be printed as it is.
var plainKey = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,80}$`)

// at says where something is wrong, as far as that is known: line 0 and the
// empty key are not.
func (d document) at(line int, key string, what error) error {
	where := d.file
	if line > 0 {
		where += ":" + strconv.Itoa(line)
	}
	switch {
	case key == "":
		return fmt.Errorf("%s: %w", where, what)
	case !plainKey.MatchString(key):
		return fmt.Errorf("%s: %.80q: %w", where, key, what)
	}
	return fmt.Errorf("%s: %s: %w", where, key, what)
}

// check parses every field and stops at the first that is wrong.
func (d document) check(fields []field) error {
	for _, f := range fields {
		if err := f.parse(f.value); err != nil {
			return d.at(d.lineOf(f.key), f.key, err)
		}
	}
	return nil
}

// lineOf finds the line of a dotted key, 0 when it is not there.
func (d document) lineOf(key string) int {
	for _, k := range d.keys() {
		if k.name == key {
			return k.line
		}
	}
	return 0
}

// keyLine is a dotted key, its table's name included, and the line it is on.
type keyLine struct {
	name string
	line int
}

// keys lists all keys, tables among them, of a document that decode has
// parsed. The decoder itself tells lines only of what it refuses.
func (d document) keys() []keyLine {
	var p unstable.Parser
	p.Reset(d.data)
	var keys []keyLine
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind == unstable.KeyValue {
			keys = appendKeys(keys, &p, table, e)
			continue
		}
		keys = appendKeys(keys, &p, "", e)
		table = keys[len(keys)-1].name
	}
	return keys
}

// appendKeys appends the key of an expression that stands in a table, and
// those of the inline table that may be its value.
func appendKeys(keys []keyLine, p *unstable.Parser, table string, e *unstable.Node) []keyLine {
	k := keyLine{name: table}
	for it := e.Key(); it.Next(); {
		part := it.Node()
		k.name = strings.TrimPrefix(k.name+"."+string(part.Data), ".")
		k.line = p.Shape(part.Raw).Start.Line
	}
	keys = append(keys, k)
	if e.Kind != unstable.KeyValue || e.Value().Kind != unstable.InlineTable {
		return keys
	}
	for it := e.Value().Children(); it.Next(); {
		keys = appendKeys(keys, p, k.name, it.Node())
	}
	return keys
}
