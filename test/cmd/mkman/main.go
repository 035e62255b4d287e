// SPDX-License-Identifier: LGPL-2.1-or-later

// Mkman makes the manual pages: from NAME.SECTION.md, in Markdown as go-md2man
// knows it, the page NAME.SECTION, and from an interface description for D-Bus
// a page with the interface's name in section 5.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	out := flag.String("out", "", "`folder` for the pages")
	date := flag.String("date", "", "`date` of the pages, as in 2026-05-01")
	flag.Parse()
	if _, err := time.Parse(time.DateOnly, *date); err != nil {
		return fmt.Errorf("--date: %w", err)
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	for _, source := range flag.Args() {
		text, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		name, page, err := makePage(filepath.Base(source), text, *date)
		if err == nil {
			err = os.WriteFile(filepath.Join(*out, name), []byte(page), 0o644)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
	}
	return nil
}

// makePage makes the page from a source, by the kind of source it is.
func makePage(source string, text []byte, date string) (name, page string, err error) {
	if name, ok := strings.CutSuffix(source, ".md"); ok {
		return name, tidy(dated(string(md2man.Render(text)), date)), nil
	}
	description, err := parse(text)
	if err != nil {
		return "", "", err
	}
	return description.name + ".5", tidy(description.page(date)), nil
}

// dated puts the date into the title, which go-md2man takes over as it is.
func dated(page, date string) string {
	lines := strings.Split(page, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".TH ") {
			lines[i] = line + " " + date + " updater"
		}
	}
	return strings.Join(lines, "\n")
}
