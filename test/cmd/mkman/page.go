// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"regexp"
	"strings"
)

// page is the description as man(7) has it.
func (d description) page(date string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 5 %s updater\n", d.name, date)
	fmt.Fprintf(&b, ".SH NAME\n%s \\- the D-Bus interface of the system update service\n", d.name)
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.EX\n%s\n.EE\n", escape("busctl introspect org.clipos.Updater1 /org/clipos/Updater1"))
	b.WriteString(".SH DESCRIPTION\n")
	prose(&b, d.text)
	b.WriteString(".SH METHODS\n")
	for _, m := range d.methods {
		fmt.Fprintf(&b, ".SS %s(%s)", m.name, list(m.in))
		if len(m.out) > 0 {
			fmt.Fprintf(&b, " \\[u2192] %s", list(m.out))
		}
		b.WriteByte('\n')
		prose(&b, m.text)
	}
	b.WriteString(".SH PROPERTIES\nAll are read-only, and all changes are told by PropertiesChanged.\n")
	for _, m := range d.properties {
		fmt.Fprintf(&b, ".SS %s %s\n", m.signature, m.name)
		prose(&b, m.text)
		if m.constant {
			b.WriteString("It never changes while the service runs.\n")
		}
	}
	b.WriteString(".SH SIGNALS\n")
	for _, m := range d.signals {
		fmt.Fprintf(&b, ".SS %s(%s)\n", m.name, list(m.in))
		prose(&b, m.text)
	}
	for _, s := range d.sections {
		title, _, _ := strings.Cut(strings.TrimSpace(s), ",")
		fmt.Fprintf(&b, ".SH %s\n", strings.ToUpper(title))
		prose(&b, s)
	}
	b.WriteString(rest)
	return b.String()
}

func list(arguments []argument) string {
	words := make([]string, len(arguments))
	for i, a := range arguments {
		words[i] = a.signature + " " + a.name
	}
	return strings.Join(words, ", ")
}

// definition is a line of a list of names.
var definition = regexp.MustCompile(`^([A-Z][A-Za-z]+): (.*)$`)

// prose writes a comment: paragraphs, lists of "Name: text" lines, and lists
// that begin after a line with ":" at its end, whose items end with ";" and the
// last one with ".".
func prose(b *strings.Builder, comment string) {
	begin, items := "", false
	for line := range strings.Lines(strings.TrimSpace(comment)) {
		line = strings.TrimSpace(line)
		if line == "" {
			begin, items = ".PP\n", false
			continue
		}
		if name := definition.FindStringSubmatch(line); name != nil {
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", name[1], escape(name[2]))
			begin = ""
			continue
		}
		b.WriteString(begin + escape(line) + "\n")
		begin = ""
		switch {
		case strings.HasSuffix(line, ":"), items && strings.HasSuffix(line, ";"):
			begin, items = ".IP \\(bu 2\n", true
		case items && strings.HasSuffix(line, "."):
			begin, items = ".PP\n", false
		}
	}
}

// rest is what follows the description.
const rest = `.SH EXAMPLES
What there is, with its present state:
.PP
.EX
busctl introspect org.clipos.Updater1 /org/clipos/Updater1
.EE
.PP
Ask the server, begin an update to the newest version, and see what happens:
.PP
.EX
busctl call org.clipos.Updater1 /org/clipos/Updater1 org.clipos.Updater1 Check 'a{sv}' 0
busctl call org.clipos.Updater1 /org/clipos/Updater1 org.clipos.Updater1 Update 'sa{sv}' "" 0
busctl monitor org.clipos.Updater1
.EE
.PP
One property:
.PP
.EX
busctl get-property org.clipos.Updater1 /org/clipos/Updater1 org.clipos.Updater1 State
.EE
.SH FILES
.TP
.I /usr/share/dbus-1/interfaces/org.clipos.Updater1.xml
The description from which this page is made.
.TP
.I /usr/share/polkit-1/actions/org.clipos.updater1.policy
The rights, and who has them by default.
.SH SEE ALSO
.BR updaterctl (1),
.BR busctl (1),
.BR updater.toml (5),
.BR updaterd (8),
.BR polkit (8)
`
