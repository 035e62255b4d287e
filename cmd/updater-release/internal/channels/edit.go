// SPDX-License-Identifier: LGPL-2.1-or-later

package channels

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/clipos/updater/policy"
)

// ErrUnknownChannel is the error of a channel that the file does not have.
var ErrUnknownChannel = errors.New("no such channel")

// ErrPercent is the error of a percentage that is none.
var ErrPercent = errors.New("not from 0 to 100 percent")

// Text is the file as it is to be written.
func (f *File) Text() []byte { return f.text }

// Promote returns the file with version offered to percent of a channel's
// machines. The rest sees what all have been able to see so far. What else is
// written in the file, comments included, stays.
func (f *File) Promote(channel string, version policy.Version, percent int) (*File, error) {
	c, found := f.channels[channel]
	if !found {
		return nil, fmt.Errorf("%w: %.40q", ErrUnknownChannel, channel)
	}
	if percent < 0 || percent > 100 {
		return nil, fmt.Errorf("%d: %w", percent, ErrPercent)
	}
	wanted := Rollout{Version: version, Percent: percent}
	if percent < 100 {
		if wanted.Previous = c.Settled(); wanted.Previous.Compare(version) == 0 {
			return nil, fmt.Errorf("all of channel %s see %s already", channel, version)
		}
	}
	if percent < 100 && wanted.Previous.IsZero() {
		return nil, fmt.Errorf("channel %s: the first version is for all its machines", channel)
	}
	changed, err := Parse(f.name, f.withRollout(channel, wanted))
	if err != nil {
		return nil, err
	}
	if !f.differsBy(changed, channel, wanted) {
		return nil, fmt.Errorf("%w: %s: channel %s is not written as a table of its own, one key a line: change it by hand", ErrInvalid, f.name, channel)
	}
	return changed, nil
}

// differsBy tells that changed is f but for one channel's rollout.
func (f *File) differsBy(changed *File, channel string, r Rollout) bool {
	if changed.channels[channel].Inherited || !reflect.DeepEqual(changed.channels[channel].Rollout, r) {
		return false
	}
	for name, c := range f.channels {
		other, found := changed.channels[name]
		if !found || !slices.Equal(c.Machines, other.Machines) || c.Inherited != other.Inherited && name != channel {
			return false
		}
		if name != channel && !c.Inherited && !reflect.DeepEqual(c.Rollout, other.Rollout) {
			return false
		}
	}
	return len(f.channels) == len(changed.channels) && f.Product == changed.Product
}

// withRollout is the text with other lines for one channel.
func (f *File) withRollout(channel string, r Rollout) []byte {
	table := "channel." + channel
	header := 0
	drop := map[int]bool{}
	for k := range keys(f.text) {
		switch k.name {
		case table:
			header = k.line
		case table + ".version", table + ".percent", table + ".previous":
			drop[k.line] = true
		}
	}
	lines := []string{fmt.Sprintf("version = %q", r.Version)}
	if r.Percent < 100 {
		lines = append(lines, fmt.Sprintf("percent = %d", r.Percent), fmt.Sprintf("previous = %q", r.Previous))
	}
	var out bytes.Buffer
	number := 0
	for line := range bytes.Lines(f.text) {
		number++
		if !drop[number] {
			out.Write(line)
		}
		if number == header {
			writeLines(&out, lines)
		}
	}
	if header == 0 {
		writeLines(&out, append([]string{"", "[" + table + "]"}, lines...))
	}
	return out.Bytes()
}

// writeLines writes lines, beginning on one of their own.
func writeLines(out *bytes.Buffer, lines []string) {
	if text := out.Bytes(); len(text) > 0 && text[len(text)-1] != '\n' {
		out.WriteByte('\n')
	}
	for _, l := range lines {
		out.WriteString(l + "\n")
	}
}

// key is a dotted key, its table's name included, and the line it is on.
type key struct {
	name string
	line int
}

// keys lists the tables of a document and the keys that stand in them, in its
// order.
func keys(text []byte) iter.Seq[key] {
	return func(yield func(key) bool) {
		var p unstable.Parser
		p.Reset(text)
		table := ""
		for p.NextExpression() {
			e := p.Expression()
			k := key{}
			if e.Kind == unstable.KeyValue {
				k.name = table
			}
			for it := e.Key(); it.Next(); {
				part := it.Node()
				k.name = strings.TrimPrefix(k.name+"."+string(part.Data), ".")
				k.line = p.Shape(part.Raw).Start.Line
			}
			if e.Kind == unstable.Table {
				table = k.name
			}
			if !yield(k) {
				return
			}
		}
	}
}
