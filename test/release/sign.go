// SPDX-License-Identifier: LGPL-2.1-or-later

package release

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/clipos/updater/test/keys"
)

// Key is a minisign key pair without a password, as the text of its two
// files.
type Key struct{ Public, Secret string }

// PublishedKey is the pair that signs where no other is asked for.
func PublishedKey() Key { return Key{Public: keys.Public(), Secret: keys.Secret()} }

// NewKey makes a pair that nobody else has.
func NewKey(ctx context.Context) (Key, error) {
	dir, err := os.MkdirTemp("", "key-")
	if err != nil {
		return Key{}, err
	}
	defer os.RemoveAll(dir)
	public, secret := filepath.Join(dir, "public"), filepath.Join(dir, "secret")
	if _, err := minisign.run(ctx, "-G", "-W", "-p", public, "-s", secret); err != nil {
		return Key{}, err
	}
	publicText, err := os.ReadFile(public)
	secretText, err2 := os.ReadFile(secret)
	return Key{Public: string(publicText), Secret: string(secretText)}, errors.Join(err, err2)
}

// Sign writes the signature of the file at path beside it, with .sig
// appended. A legacy signature is of the file itself, else of its BLAKE2b
// hash.
func (k Key) Sign(ctx context.Context, path, comment string, legacy bool) error {
	secret, err := os.CreateTemp("", "key-")
	if err != nil {
		return err
	}
	defer os.Remove(secret.Name())
	_, err = secret.WriteString(k.Secret)
	if err := errors.Join(err, secret.Close()); err != nil {
		return err
	}
	args := []string{"-S", "-s", secret.Name(), "-m", path, "-x", path + ".sig", "-t", comment}
	if legacy {
		args = append(args, "-l")
	}
	_, err = minisign.run(ctx, args...)
	return err
}
