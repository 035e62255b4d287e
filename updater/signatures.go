// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipos/updater/updater/internal/fetch"
	"github.com/clipos/updater/updater/internal/minisig"
)

// signed is an accepted version whose two signature files were made by our
// key for this very version. Of the payloads nothing is known yet.
type signed struct {
	accepted
	signatures map[payloadKind]minisig.Signature
}

// kinds is the order in which payloads are fetched: the small one first, so
// that what is wrong with it is known before the large one is asked for.
var kinds = []payloadKind{kindEFIBoot, kindCore}

// fetchSignatures is step 2.
func (r *run) fetchSignatures(ctx context.Context, a accepted) (signed, error) {
	s := signed{a, map[payloadKind]minisig.Signature{}}
	var missing []error
	for _, kind := range kinds {
		text, err := r.server.signature(ctx, a.version, kind)
		switch {
		case isNotFound(err):
			missing = append(missing, fmt.Errorf("%s: no signature: %w", kind, err))
			continue
		case errors.Is(err, fetch.ErrTooLarge):
			return signed{}, fmt.Errorf("%s: %w", kind, means(ErrSignatureInvalid, err))
		case err != nil:
			return signed{}, fmt.Errorf("%s: %w", kind, err)
		}
		if s.signatures[kind], err = r.config.checkSignature(text, a.version.String()); err != nil {
			return signed{}, fmt.Errorf("signature of %s: %w", kind, err)
		}
	}
	if len(missing) > 0 {
		return signed{}, r.missing(ctx, a, missing)
	}
	return s, nil
}

// missing tells a release that is not there from one without signatures.
func (r *run) missing(ctx context.Context, a accepted, missing []error) error {
	if len(missing) == len(kinds) {
		if _, err := r.server.sizeBytes(ctx, a.version, kindCore); isNotFound(err) {
			if a.asked {
				return fmt.Errorf("%s: %w: the server does not have it", a.version, ErrUnknownVersion)
			}
			return fmt.Errorf("release %s is announced but not there: %w", a.version, err)
		}
	}
	return means(ErrSignatureInvalid, missing[0])
}

// checkSignature parses a signature file and checks all that can be checked
// without the payload: who made it, and for which version.
func (c *Config) checkSignature(text []byte, version string) (minisig.Signature, error) {
	s, err := minisig.Parse(text)
	if err != nil {
		return minisig.Signature{}, err
	}
	if !s.Prehashed() && c.Trust.PrehashedOnly {
		return minisig.Signature{}, fmt.Errorf("%w: made in the legacy format, and trust.prehashed_only is true", ErrSignatureInvalid)
	}
	if err := c.key.CheckComment(s); err != nil {
		return minisig.Signature{}, err
	}
	// Compared as text: versions that differ in build metadata compare as equal.
	if s.Comment() != version {
		return minisig.Signature{}, fmt.Errorf("%w: the signature says %.80q, the release is %q", ErrVersionMismatch, s.Comment(), version)
	}
	return s, nil
}
