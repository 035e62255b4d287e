// SPDX-License-Identifier: LGPL-2.1-or-later

// Package minisig tells whether a payload is the one a release engineer
// signed, for payloads of any size and in constant memory.
//
// # Who takes part
//
// The release engineer signs each payload with minisign(1) and publishes
// "<payload>.sig" beside it. The machine has the public key in its read-only
// root file system. Whatever lies between them, server, mirror, network or
// cache, may lie: a signature file is hostile until CheckComment has passed
// and a payload until Verify has.
//
// # The file
//
// Four lines, described at https://jedisct1.github.io/minisign/:
//
//	untrusted comment: <anything>
//	base64(algorithm[2] ‖ key id[8] ‖ signature[64])
//	trusted comment: <the version of the release>
//	base64(global signature[64])
//
// With algorithm "ED" (prehashed) the signature is Ed25519 over
// BLAKE2b-512(payload), with "Ed" (legacy) over the payload itself. The
// global signature is Ed25519 over signature ‖ trusted comment.
//
// # The order
//
//  1. ParseKey when the configuration is loaded.
//  2. Parse and CheckComment when the .sig is there, before the payload is
//     asked for: the holder of the key signed some file with this comment.
//  3. NewVerifier, the payload's bytes as they pass, then Verify.
//
// # What is not signed
//
// No signature covers the algorithm, the name of the payload, its size or
// the product. Hence two attacks that verify in minisign itself:
//
//   - "ED" rewritten to "Ed" makes a genuine prehashed signature a valid
//     legacy one of the 64 bytes of the payload's digest. Callers refuse
//     legacy signatures unless told otherwise (Signature.Prehashed), and
//     Verify refuses them for payloads under 4 KiB.
//   - Two payloads signed with the same comment can be swapped. That is for
//     the caller to find, in what the payloads say themselves.
//
// # What is done here
//
// Decoding and the prehashed check are go-minisign's. Added are what a
// daemon needs and go-minisign leaves to its callers: limits, strictness
// (base64 has exactly one spelling, so no byte of a signature can change
// unnoticed; NUL and stray CR are refused), refusal of keys that anybody can
// sign for, and verification without holding the payload in memory.
package minisig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid is what every refusal of a signature or of a payload wraps.
var ErrInvalid = errors.New("signature invalid")

// The values of the algorithm bytes; a public key has that of legacy
// signatures, whatever it is used for.
const (
	algorithmPrehashed = "ED"
	algorithmLegacy    = "Ed"
)

// What comment lines begin with; exactly one space belongs to it.
const (
	untrustedPrefix = "untrusted comment: "
	trustedPrefix   = "trusted comment: "
)

// splitLines splits text at its line feeds and takes one carriage return off
// lines that end in it, as minisign(1) does. A NUL and any further carriage
// return are errors: two programs could see different lines there.
func splitLines(text string) ([]string, error) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		if strings.ContainsAny(line, "\r\x00") {
			return nil, fmt.Errorf("line %d: NUL or carriage return inside", i+1)
		}
		lines[i] = line
	}
	return lines, nil
}

// isCanonical tells whether s is the one way to write some bytes in base64:
// go-minisign, like minisign(1), ignores the unused bits of the last digit.
func isCanonical(s string) bool {
	_, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil
}
