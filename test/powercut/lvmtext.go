// SPDX-License-Identifier: LGPL-2.1-or-later

package powercut

import (
	"fmt"
	"strconv"
	"strings"
)

// section is a part of LVM's text: what stands under a name is a section, a
// string, a number (int64), or a list of those.
type section map[string]any

// maxDepth is far more than the five of a volume group.
const maxDepth = 16

// parseText reads LVM's text format, lvm.conf(5), as far as metadata use it.
func parseText(text string) (section, error) {
	p := textParser{rest: text}
	s, err := p.section(maxDepth)
	if err != nil {
		return nil, fmt.Errorf("metadata, %d bytes before the end: %w", len(p.rest), err)
	}
	return s, nil
}

type textParser struct{ rest string }

// token returns the next word, string with its quotes, or sign; "" at the end.
func (p *textParser) token() string {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t\n")
		if !strings.HasPrefix(p.rest, "#") {
			break
		}
		_, p.rest, _ = strings.Cut(p.rest, "\n")
	}
	end := 1
	switch {
	case p.rest == "":
		return ""
	case p.rest[0] == '"':
		for end < len(p.rest) && p.rest[end] != '"' {
			if p.rest[end] == '\\' {
				end++
			}
			end++
		}
		end++
	case strings.IndexByte("{}[]=,", p.rest[0]) < 0:
		end = strings.IndexAny(p.rest, " \t\n{}[]=,\"#")
		if end < 0 {
			end = len(p.rest)
		}
	}
	end = min(end, len(p.rest))
	token := p.rest[:end]
	p.rest = p.rest[end:]
	return token
}

// section reads to the closing brace, or of the outermost one to the end.
func (p *textParser) section(depth int) (section, error) {
	s := section{}
	for {
		name := p.token()
		if name == "}" && depth < maxDepth || name == "" && depth == maxDepth {
			return s, nil
		}
		if name == "" || strings.ContainsAny(name[:1], "{}[]=,\"") || depth == 0 {
			return nil, fmt.Errorf("unexpected %.40q", name)
		}
		var err error
		switch sign := p.token(); sign {
		case "{":
			s[name], err = p.section(depth - 1)
		case "=":
			s[name], err = p.value(p.token())
		default:
			err = fmt.Errorf("unexpected %.40q behind %.40q", sign, name)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *textParser) value(token string) (any, error) {
	switch {
	case token == "[":
		return p.list()
	case len(token) > 1 && token[0] == '"' && token[len(token)-1] == '"':
		return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(token[1 : len(token)-1]), nil
	}
	return strconv.ParseInt(token, 10, 64)
}

func (p *textParser) list() ([]any, error) {
	list := []any{}
	for {
		token := p.token()
		switch token {
		case "]":
			return list, nil
		case ",":
			continue
		case "[":
			return nil, fmt.Errorf("a list in a list")
		}
		value, err := p.value(token)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
}

func (s section) inner(name string) section {
	inner, _ := s[name].(section)
	return inner
}

func (s section) number(name string) int64 {
	n, _ := s[name].(int64)
	return n
}
