// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/pelletier/go-toml/v2"

	"github.com/clipos/updater/policy"
	"github.com/clipos/updater/updater/internal/fetch"
)

// payloadKind is one of the two parts of a release; the value ends its name
// on the server.
type payloadKind string

const (
	kindCore    payloadKind = "core"
	kindEFIBoot payloadKind = "efiboot"
)

const (
	maxVersionDocumentBytes = 4 << 10
	maxSignatureBytes       = 4 << 10
	maxEFIBootBytes         = 256 << 20
)

// server is the static web root: where things are and what each may be.
type server struct {
	client *fetch.Client
	remote Remote
	osName string
}

// offered asks for the newest version.
func (s *server) offered(ctx context.Context) (policy.Version, error) {
	url := fmt.Sprintf("%s/%s/version", s.remote.UpdateURL, s.osName)
	text, err := s.client.Document(ctx, url, maxVersionDocumentBytes)
	if err != nil {
		return policy.Version{}, err
	}
	v, err := parseVersionDocument(text)
	if err != nil {
		return policy.Version{}, fmt.Errorf("%s: %w", url, err)
	}
	return v, nil
}

// parseVersionDocument reads the one key of the version document. A map and
// not a struct: the decoder would take "Version" for it too, and then a
// document could name two versions.
func parseVersionDocument(text []byte) (policy.Version, error) {
	var document map[string]any
	if err := toml.Unmarshal(text, &document); err != nil {
		return policy.Version{}, fmt.Errorf("%w: not a TOML document: %.80q", ErrInvalidVersion, err.Error())
	}
	version, ok := document["version"].(string)
	if !ok {
		return policy.Version{}, fmt.Errorf("%w: no text under the key version", ErrInvalidVersion)
	}
	return policy.ParseVersion(version)
}

func (s *server) payloadURL(v policy.Version, kind payloadKind) string {
	return fmt.Sprintf("%s/%s/%s-%s", s.remote.DistURL, v, s.osName, kind)
}

// signature fetches a payload's signature file.
func (s *server) signature(ctx context.Context, v policy.Version, kind payloadKind) ([]byte, error) {
	return s.client.Document(ctx, s.payloadURL(v, kind)+".sig", maxSignatureBytes)
}

// declaredBytes asks how long a file is, -1 when the server does not say.
func (s *server) declaredBytes(ctx context.Context, v policy.Version, kind payloadKind) (int64, error) {
	return s.client.Size(ctx, s.payloadURL(v, kind))
}

// sizeBytes asks how long a payload is, -1 when the server does not say. That
// it knows HEAD is not required of a server: an answer other than "not found"
// says nothing about the payload.
func (s *server) sizeBytes(ctx context.Context, v policy.Version, kind payloadKind) (int64, error) {
	size, err := s.declaredBytes(ctx, v, kind)
	if isRefused(err) && !isNotFound(err) {
		return -1, nil
	}
	return size, err
}

// payload fetches into dst what is missing there.
func (s *server) payload(ctx context.Context, v policy.Version, kind payloadKind, dst fetch.Partial, maxBytes int64, progress func(done, total int64)) error {
	return s.client.File(ctx, s.payloadURL(v, kind), dst, maxBytes, progress)
}

// isNotFound tells that the server has no such file.
func isNotFound(err error) bool { return isStatus(err, http.StatusNotFound, http.StatusGone) }

// isAbsent tells the same of a file that need not be there. To whoever may not
// list it, an object store says of a missing object that it is forbidden
// (Amazon S3, HeadObject and GetObject, "Permissions"). Of a file that must be
// there that is an error like any other.
func isAbsent(err error) bool { return isNotFound(err) || isStatus(err, http.StatusForbidden) }

// isRefused tells that the server answered, whatever it was.
func isRefused(err error) bool {
	var status *fetch.StatusError
	return errors.As(err, &status)
}

func isStatus(err error, codes ...int) bool {
	var status *fetch.StatusError
	return errors.As(err, &status) && slices.Contains(codes, status.Code)
}
