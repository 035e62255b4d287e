// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// description is what an interface description says about its first interface.
// Everything that is explained is explained by the comment before it.
type description struct {
	name string
	// text is the comment before the object.
	text string
	// sections are the comments that belong to no member.
	sections                     []string
	methods, properties, signals []member
}

// member is a method, property or signal.
type member struct {
	name, text string
	// signature is the type of a property.
	signature string
	constant  bool
	in, out   []argument
}

type argument struct{ signature, name string }

// parser collects a description from the tokens of its text.
type parser struct {
	description
	// comments have not been used yet.
	comments []string
	// members is the list that the member being read belongs to.
	members *[]member
}

func parse(text []byte) (description, error) {
	var p parser
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return description{}, errors.New("no interface")
		}
		if err != nil {
			return description{}, err
		}
		switch token := token.(type) {
		case xml.Comment:
			p.comments = append(p.comments, string(token))
		case xml.StartElement:
			if err := p.start(token); err != nil {
				return description{}, err
			}
		case xml.EndElement:
			if token.Name.Local == "interface" {
				return p.description, nil
			}
		}
	}
}

func (p *parser) start(e xml.StartElement) error {
	switch e.Name.Local {
	case "node":
		p.text = p.comment()
	case "interface":
		p.name = attribute(e, "name")
	case "method":
		return p.member(&p.methods, e)
	case "property":
		return p.member(&p.properties, e)
	case "signal":
		return p.member(&p.signals, e)
	case "arg":
		p.argument(e)
	case "annotation":
		m := p.last()
		m.constant = m.constant || attribute(e, "value") == "const"
	}
	return nil
}

// comment takes the comment right before an element; those before it stand for
// themselves.
func (p *parser) comment() string {
	if len(p.comments) == 0 {
		return ""
	}
	last := len(p.comments) - 1
	for _, c := range p.comments[:last] {
		if !strings.Contains(c, "SPDX-License-Identifier") {
			p.sections = append(p.sections, c)
		}
	}
	text := p.comments[last]
	p.comments = nil
	return text
}

func (p *parser) member(list *[]member, e xml.StartElement) error {
	m := member{name: attribute(e, "name"), text: p.comment(), signature: attribute(e, "type")}
	if m.text == "" {
		return fmt.Errorf("no comment before %s", m.name)
	}
	*list = append(*list, m)
	p.members = list
	return nil
}

// last is the member being read.
func (p *parser) last() *member {
	return &(*p.members)[len(*p.members)-1]
}

func (p *parser) argument(e xml.StartElement) {
	a := argument{attribute(e, "type"), attribute(e, "name")}
	if m := p.last(); attribute(e, "direction") == "out" {
		m.out = append(m.out, a)
	} else {
		m.in = append(m.in, a)
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
