// SPDX-License-Identifier: LGPL-2.1-or-later

package minisig

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for file, prehashed := range map[string]bool{
		"payload.sig":        true,
		"payload-legacy.sig": false,
		"payload-stale.sig":  false,
	} {
		text := string(testdata(t, file))
		for name, text := range map[string]string{
			"as minisign writes it": text,
			"CRLF":                  strings.ReplaceAll(text, "\n", "\r\n"),
			"four lines, no more":   strings.Join(strings.Split(text, "\n")[:4], "\n"),
			"anything behind":       text + "\x00\r\r\n\xff\n",
			"empty comment":         string(replaceLine([]byte(text), 1, untrustedPrefix)),
			"escapes in comment":    string(replaceLine([]byte(text), 1, untrustedPrefix+"\x1b[2J\xff")),
		} {
			t.Run(file+"/"+name, func(t *testing.T) {
				s := mustParse(t, []byte(text))
				if s.Comment() != testComment || s.Prehashed() != prehashed {
					t.Errorf("got comment %q, prehashed %t", s.Comment(), s.Prehashed())
				}
				if err := check(mustParseKey(t, testdata(t, "key.pub")), []byte(text), testdata(t, "payload")); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestParseRefuses(t *testing.T) {
	file := testdata(t, "payload.sig")
	text := string(file)
	replace := func(number int, l string) string { return string(replaceLine(file, number, l)) }
	for name, text := range map[string]string{
		"nil":                          "",
		"line feeds":                   strings.Repeat("\n", 1000),
		"NULs":                         strings.Repeat("\x00", 275),
		"garbage":                      "<html>404 Not Found</html>\n",
		"a payload":                    string(testdata(t, "payload")),
		"a key":                        string(testdata(t, "key.pub")),
		"two lines":                    strings.Join(strings.Split(text, "\n")[:2], "\n"),
		"three lines":                  strings.Join(strings.Split(text, "\n")[:3], "\n") + "\n",
		"CR for LF":                    strings.ReplaceAll(text, "\n", "\r"),
		"CR CR LF":                     strings.ReplaceAll(text, "\n", "\r\r\n"),
		"byte order mark":              "\ufeff" + text,
		"blank line first":             "\n" + text,
		"no untrusted prefix":          replace(1, "signature from minisign"),
		"no trusted prefix":            replace(3, testComment),
		"trusted prefix of a tab":      replace(3, "trusted comment:\t"+testComment),
		"NUL in the untrusted comment": replace(1, untrustedPrefix+"\x00"),
		"NUL in the trusted comment":   replace(3, trustedPrefix+testComment+"\x00"),
		"CR in the trusted comment":    replace(3, trustedPrefix+"5.0.0\r-alpha.3"),
		"signature empty":              replace(2, ""),
		"signature cut":                replace(2, line(file, 2)[:96]),
		"signature longer":             replace(2, "AAAA"+line(file, 2)),
		"signature wrapped":            replace(2, line(file, 2)[:76]+"\n"+line(file, 2)[76:]),
		"signature with a space":       replace(2, line(file, 2)+" "),
		"signature in URL base64":      replace(2, strings.NewReplacer("+", "-", "/", "_").Replace(line(file, 2))),
		"signature unpadded":           replace(2, strings.TrimRight(line(file, 2), "=")),
		"global signature empty":       replace(4, ""),
		"global signature cut":         replace(4, line(file, 4)[:84]),
		"global signature of line 2":   replace(4, line(file, 2)),
		"algorithm unknown":            replace(2, "QU"+line(file, 2)[2:]),
		"one byte too many":            text + strings.Repeat("x", MaxSignatureBytes-len(text)+1),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Parse([]byte(text))
			wantInvalid(t, "Parse", err)
			if s != (Signature{}) {
				t.Errorf("got a signature with the error")
			}
		})
	}
}

func TestParseRefusesHugeText(t *testing.T) {
	text := append(testdata(t, "payload.sig"), make([]byte, 100<<20)...)
	allocated := allocatedBytes(func() {
		_, err := Parse(text)
		wantInvalid(t, "100 MiB", err)
	})
	if allocated > 64<<10 {
		t.Errorf("allocated %d bytes to refuse it", allocated)
	}
}

// TestEachByteChanged flips each bit of each byte of a real signature file,
// all bits of it, and makes it each of the characters that part lines or end
// strings: only the untrusted comment, the line feed at the end of the file
// and what stands behind the fourth line may change unnoticed.
func TestEachByteChanged(t *testing.T) {
	key, payload := mustParseKey(t, testdata(t, "key.pub")), testdata(t, "payload")
	for _, file := range signatureFiles {
		t.Run(file, func(t *testing.T) {
			text := testdata(t, file)
			free := unsignedBytes(text)
			for i, b := range text {
				others := []byte{^b, '\n', '\r', 0, ' ', '='}
				for bit := range 8 {
					others = append(others, b^1<<bit)
				}
				for _, other := range others {
					changed := slices.Clone(text)
					changed[i] = other
					err := check(key, changed, payload)
					if err != nil {
						wantInvalid(t, "changed", err)
					} else if other != b && !free[i] {
						t.Errorf("byte %d: %q for %q was accepted", i, other, b)
					}
				}
			}
		})
	}
}

// unsignedBytes tells which bytes of a signature file say nothing.
func unsignedBytes(text []byte) []bool {
	free := make([]bool, len(text))
	lineNumber, column := 1, 0
	for i, b := range text {
		switch {
		case lineNumber == 1:
			free[i] = column >= len(untrustedPrefix) && b != '\n'
		case lineNumber > 4, lineNumber == 4 && i == len(text)-1:
			free[i] = true
		}
		if column++; b == '\n' {
			lineNumber, column = lineNumber+1, 0
		}
	}
	return free
}

// TestEachByteMissing cuts a real signature file everywhere, at both ends.
func TestEachByteMissing(t *testing.T) {
	key, payload := mustParseKey(t, testdata(t, "key.pub")), testdata(t, "payload")
	text := testdata(t, "payload.sig")
	for i := range len(text) - 1 { // without the last line feed it is whole
		wantInvalid(t, "head", check(key, text[:i], payload))
		wantInvalid(t, "tail", check(key, text[i+1:], payload))
	}
}

func TestCheckComment(t *testing.T) {
	key, other := mustParseKey(t, testdata(t, "key.pub")), newSigner(t)
	for _, file := range signatureFiles {
		text := testdata(t, file)
		if err := key.CheckComment(mustParse(t, text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for name, comment := range map[string]string{
			"another version":  "5.0.0-alpha.4",
			"longer":           testComment + " ",
			"shorter":          testComment[:len(testComment)-1],
			"empty":            "",
			"prefix once more": trustedPrefix + testComment,
			"space before it":  " " + testComment,
		} {
			s := mustParse(t, replaceLine(text, 3, trustedPrefix+comment))
			wantInvalid(t, file+", "+name, key.CheckComment(s))
		}
		wantInvalid(t, file+", another key", other.key.CheckComment(mustParse(t, text)))

		// The id is a name that anybody can give a key.
		namesake := other.key
		namesake.public.KeyId = key.public.KeyId
		wantInvalid(t, file+", another key of the same id", namesake.CheckComment(mustParse(t, text)))
	}
}

// TestOtherSignature puts halves of two genuine signatures together: the
// global signature binds a comment to the signature beside it.
func TestOtherSignature(t *testing.T) {
	s := newSigner(t)
	payload := testdata(t, "payload")
	a, b := s.sign(t, payload, false), s.sign(t, payload[1:], false)
	for number := 1; number <= 4; number++ {
		err := check(s.key, replaceLine(a, number, line(b, number)), payload)
		if number == 1 || number == 3 { // the same in both
			if err != nil {
				t.Errorf("line %d: %v", number, err)
			}
			continue
		}
		wantInvalid(t, "line of another signature", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range signatureFiles {
		text := testdata(f, file)
		f.Add(text)
		f.Add(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	}
	f.Add(testdata(f, "key.pub"))
	f.Add([]byte("untrusted comment: \n\ntrusted comment: \n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			wantInvalid(t, "Parse", err)
			return
		}
		if strings.ContainsAny(s.Comment(), "\x00\r\n") {
			t.Errorf("comment %q", s.Comment())
		}
		s.decoded.UntrustedComment = untrustedPrefix
		written := s.decoded.Encode()
		if again := mustParse(t, written); again != s {
			t.Errorf("read %+v, written and read again %+v", s, again)
		}
		// What is signed stands in the text exactly as it is written.
		for number := 2; number <= 4; number++ {
			if !bytes.Contains(text, []byte(line(written, number))) {
				t.Errorf("line %d: %q is not in %q", number, line(written, number), text)
			}
		}
		mustParseKey(t, testdata(t, "key.pub")).NewVerifier(s).Verify()
	})
}
