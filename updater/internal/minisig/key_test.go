// SPDX-License-Identifier: LGPL-2.1-or-later

package minisig

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseKey(t *testing.T) {
	file := testdata(t, "key.pub")
	encoded := line(file, 2)
	for name, text := range map[string]string{
		"as minisign writes it":   string(file),
		"base64 alone":            encoded,
		"base64 and line feed":    encoded + "\n",
		"no line feed at the end": strings.TrimSuffix(string(file), "\n"),
		"CRLF":                    strings.ReplaceAll(string(file), "\n", "\r\n"),
		"blank lines at the end":  string(file) + "\n\r\n",
		"empty comment":           untrustedPrefix + "\n" + encoded,
	} {
		t.Run(name, func(t *testing.T) {
			key, err := ParseKey([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if key != mustParseKey(t, file) {
				t.Errorf("another key than the file's")
			}
			if got, want := key.String(), "7452BCCD5EA5490E"; got != want {
				t.Errorf("got id %s, want %s", got, want)
			}
		})
	}
}

func TestParseKeyRefuses(t *testing.T) {
	file := string(testdata(t, "key.pub"))
	comment, encoded := line([]byte(file), 1), line([]byte(file), 2)
	for name, tc := range map[string]struct{ text, want string }{
		"nil":                {"", "empty"},
		"line feeds":         {"\n\n\n", "empty"},
		"comment alone":      {comment + "\n", "not the base64"},
		"two keys":           {file + file, "neither"},
		"two lines of keys":  {encoded + "\n" + encoded, "neither"},
		"comment behind":     {encoded + "\n" + comment, "neither"},
		"blank line first":   {"\n" + file, "neither"},
		"blank line between": {comment + "\n\n" + encoded, "neither"},
		"another comment":    {"comment: key\n" + encoded, "neither"},
		"byte order mark":    {"\ufeff" + encoded, "not the base64"},
		"cut":                {encoded[:len(encoded)-4], "not the base64"},
		"longer":             {encoded + "AAAA", "not the base64"},
		"space":              {" " + encoded, "not the base64"},
		"CR inside":          {encoded[:8] + "\r" + encoded[8:], "carriage return"},
		"NUL":                {encoded + "\x00", "NUL"},
		"too large":          {file + strings.Repeat("\n", MaxKeyBytes), "at most"},
		"secret key":         {comment + "\n" + base64.StdEncoding.EncodeToString(make([]byte, 158)), "not the base64"},
		"algorithm ED":       {keyText("ED", [32]byte{9}), "algorithm"},
		"algorithm of a NUL": {keyText("\x00\x00", [32]byte{9}), "algorithm"},
		"not on the curve":   {keyText("Ed", [32]byte{2}), "not a point"},
	} {
		t.Run(name, func(t *testing.T) {
			wantKeyError(t, tc.text, tc.want)
		})
	}
}

// TestParseKeyRefusesSmallOrder has all the points of small order, and
// spellings of points that RFC 8032 does not allow. For the identity, R =
// identity and S = 0 would sign any payload.
func TestParseKeyRefusesSmallOrder(t *testing.T) {
	const p = "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
	for name, tc := range map[string]struct{ point, want string }{
		"identity, order 1":           {"01" + strings.Repeat("00", 31), "small order"},
		"order 2":                     {"ec" + strings.Repeat("ff", 30) + "7f", "small order"},
		"zero bytes, order 4":         {strings.Repeat("00", 32), "small order"},
		"order 4, other sign":         {strings.Repeat("00", 31) + "80", "small order"},
		"order 8":                     {"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "small order"},
		"order 8, other sign":         {"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "small order"},
		"order 8, negated y":          {"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "small order"},
		"order 8, both":               {"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", "small order"},
		"identity as p + 1":           {"ee" + p[2:], "not a point"},
		"order 4 as p":                {p, "not a point"},
		"identity, sign of no x":      {"01" + strings.Repeat("00", 30) + "80", "not a point"},
		"large order, y = 3 as p + 3": {"f0" + p[2:], "not a point"},
	} {
		t.Run(name, func(t *testing.T) {
			var point [32]byte
			if n, err := hex.Decode(point[:], []byte(tc.point)); n != 32 || err != nil {
				t.Fatal(n, err)
			}
			wantKeyError(t, keyText("Ed", point), tc.want)
		})
	}
}

// TestZeroKey: forgetting ParseKey must not verify anything, although 32
// zero bytes are a point of small order.
func TestZeroKey(t *testing.T) {
	for _, file := range signatureFiles {
		s := mustParse(t, testdata(t, file))
		s.decoded.KeyId = [8]byte{}
		wantInvalid(t, file, Key{}.CheckComment(s))
		v := Key{}.NewVerifier(s)
		v.Write(testdata(t, "payload"))
		wantInvalid(t, file, v.Verify())
	}
	wantInvalid(t, "zero signature", Key{}.CheckComment(Signature{}))
}

func FuzzParseKey(f *testing.F) {
	file := testdata(f, "key.pub")
	f.Add(file)
	f.Add([]byte(line(file, 2)))
	f.Add(bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n")))
	f.Add([]byte(keyText("Ed", [32]byte{1})))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := ParseKey(text)
		if err != nil {
			if key != (Key{}) || errors.Is(err, ErrInvalid) {
				t.Errorf("key %v with error %v", key, err)
			}
			return
		}
		raw := slices.Concat(key.public.SignatureAlgorithm[:], key.public.KeyId[:], key.public.PublicKey[:])
		encoded := base64.StdEncoding.EncodeToString(raw)
		if !bytes.Contains(text, []byte(encoded)) {
			t.Errorf("key %s is not what the text says", encoded)
		}
		if mustParseKey(t, []byte(encoded)) != key {
			t.Errorf("key %s becomes another one", encoded)
		}
	})
}

func wantKeyError(t *testing.T, text, want string) {
	t.Helper()
	key, err := ParseKey([]byte(text))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
	if key != (Key{}) {
		t.Errorf("got key %v with the error", key)
	}
}

func keyText(algorithm string, point [32]byte) string {
	raw := slices.Concat([]byte(algorithm), []byte("12345678"), point[:])
	return base64.StdEncoding.EncodeToString(raw)
}
