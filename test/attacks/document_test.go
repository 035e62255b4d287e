// SPDX-License-Identifier: LGPL-2.1-or-later

package attacks

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
)

const document = "../../docs/security.md"

// number is the sentence that says how many attacks are tried.
var number = regexp.MustCompile(`(\d+) attacks and bad\s+inputs`)

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
