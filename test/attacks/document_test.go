// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

const document = "../../docs/security.md"

// number is the sentence that says how many attacks are tried.
var number = regexp.MustCompile(`(\d+) attacks and bad\s+inputs`)

// named is a test as the tables name it: of this package, or of another one
// with its folder before it.
var named = regexp.MustCompile("`(?:([a-z/]+)\\.)?(Test\\w+)`")

// declared is a test as Go declares it.
var declared = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// The tables name tests that there are, and all there are here.
func TestDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	inTables := map[string]bool{"TestDocument": true, "TestSources": true}
	for _, match := range named.FindAllStringSubmatch(string(text), -1) {
		folder, name := match[1], match[2]
		if folder == "" {
			folder, inTables[name] = "test/attacks", true
		}
		if !slices.Contains(testsIn(t, folder), name) {
			t.Errorf("%s has no %s", folder, name)
		}
	}
	for _, name := range testsIn(t, "test/attacks") {
		if !inTables[name] {
			t.Errorf("docs/security.md does not name %s", name)
		}
	}
}

// testsIn lists the tests of a folder of this module.
func testsIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", folder, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range declared.FindAllStringSubmatch(string(text), -1) {
			names = append(names, match[1])
		}
	}
	return names
}

// compareNumber compares the number in the document with what was counted.
func compareNumber(counted int64, update bool) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	match := number.FindSubmatchIndex(text)
	if match == nil {
		return errors.New("docs/security.md does not say how many attacks are tried")
	}
	stated, err := strconv.ParseInt(string(text[match[2]:match[3]]), 10, 64)
	if err != nil || stated == counted {
		return err
	}
	if !update {
		return fmt.Errorf("docs/security.md says %d, %d were tried: go test ./test/attacks -update", stated, counted)
	}
	text = append(text[:match[2]:match[2]], fmt.Appendf(nil, "%d%s", counted, text[match[3]:])...)
	return os.WriteFile(document, text, 0o644)
}
