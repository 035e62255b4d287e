// SPDX-License-Identifier: LGPL-2.1-or-later

// Package keys holds the minisign key pair that signs releases in tests. Its
// secret half is published here, so nothing but a test may trust it.
package keys

import _ "embed"

// The two files as the minisign program wrote them; the secret key has no
// password.
var (
	//go:embed updater-test.pub
	public string
	//go:embed updater-test.key
	secret string
)

// Public is the text of the public key file.
func Public() string { return public }

// Secret is the text of the secret key file.
func Secret() string { return secret }
