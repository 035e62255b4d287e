// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"fmt"
	"io"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/internal/minisig"
)

// Judge decides about the files of a release as an update does, with what is
// safe by default and without a machine: it is for whoever publishes releases,
// who wants to know what clients will say.
type Judge struct{ config Config }

// NewJudge returns the judge of a product's releases, signed with the key in
// the text of a file pubkey. rootHashParameter is trust.root_hash_parameter of
// config.toml, mostly "".
func NewJudge(product string, key []byte, rootHashParameter string) (*Judge, error) {
	j := &Judge{}
	j.config.Trust = TrustConfig{PrehashedOnly: true, ContentBinding: true}
	if err := parseOSName(&j.config.OSName)(product); err != nil {
		return nil, fmt.Errorf("product: %w", err)
	}
	if err := parseParameter(&j.config.Trust.RootHashParameter)(rootHashParameter); err != nil {
		return nil, fmt.Errorf("root hash parameter: %w", err)
	}
	var err error
	j.config.key, err = minisig.ParseKey(key)
	return j, err
}

// KeyID names the key, as minisign prints it.
func (j *Judge) KeyID() string { return j.config.key.String() }

// HasKeyOf tells whether both believe the same key.
func (j *Judge) HasKeyOf(other *Judge) bool { return j.config.key == other.config.key }

// SignedFile takes the bytes of a file as they pass and tells whether they are
// those that were signed.
type SignedFile interface {
	io.Writer
	// Verify judges the bytes written so far. Its errors wrap
	// ErrSignatureInvalid.
	Verify() error
}

// Signature checks the text of a signature file: who made it, and for which
// version. Its errors wrap ErrSignatureInvalid or ErrVersionMismatch.
func (j *Judge) Signature(text []byte, v policy.Version) (SignedFile, error) {
	s, err := j.config.checkSignature(text, v.String())
	if err != nil {
		return nil, err
	}
	return j.config.key.NewVerifier(s), nil
}

// Content checks that two payloads are the product's, of that version, and made
// for each other. Its errors wrap ErrContentMismatch.
func (j *Judge) Content(v policy.Version, core, efiboot *io.SectionReader) error {
	if efiboot.Size() > maxEFIBootBytes {
		return fmt.Errorf("%w: efiboot: %d bytes, at most %d are accepted", ErrResponseTooLarge, efiboot.Size(), maxEFIBootBytes)
	}
	return j.config.checkPayloads(v, core, efiboot)
}

// ParseVersionDocument reads what a server answers when it is asked for the
// version, as an update does.
func ParseVersionDocument(text []byte) (policy.Version, error) {
	if len(text) > maxVersionDocumentBytes {
		return policy.Version{}, fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrResponseTooLarge, len(text), maxVersionDocumentBytes)
	}
	return parseVersionDocument(text)
}
