// SPDX-License-Identifier: LGPL-2.1-or-later

package test

import (
	"strings"
	"testing"
)

// TestPackageVersions: what git describe may say, from the oldest to the
// newest.
func TestPackageVersions(t *testing.T) {
	need(t, "dpkg", "dpkg")
	last := ""
	for _, tc := range []struct{ version, debian, gentoo string }{
		{"8aa567f", "0~20231114.8aa567f-1", "0_pre20231114"},
		{"v1.2.3-alpha.9", "1.2.3~alpha.9-1", "1.2.3_alpha9"},
		{"v1.2.3-alpha.10", "1.2.3~alpha.10-1", "1.2.3_alpha10"},
		{"v1.2.3-rc.1", "1.2.3~rc.1-1", "1.2.3_rc1"},
		{"v1.2.3-rc.1-4-g8aa567f", "1.2.3~rc.1+4.g8aa567f-1", "1.2.3_rc1_p4"},
		{"v1.2.3", "1.2.3-1", "1.2.3"},
		{"v1.2.3-12-g0aa567f", "1.2.3+12.g0aa567f-1", "1.2.3_p12"},
		{"v1.2.3-12-g0aa567f-dirty", "1.2.3+12.g0aa567f+dirty-1", "1.2.3_p12"},
		{"v1.2.4", "1.2.4-1", "1.2.4"},
	} {
		if got := packageVersion(t, "debian", tc.version); got != tc.debian {
			t.Errorf("%s is %q for Debian, want %q", tc.version, got, tc.debian)
		}
		if got := packageVersion(t, "gentoo", tc.version); got != tc.gentoo {
			t.Errorf("%s is %q for Gentoo, want %q", tc.version, got, tc.gentoo)
		}
		if last != "" {
			command(t, "/", nil, "dpkg", "--compare-versions", last, "lt", tc.debian)
		}
		last = tc.debian
	}
}

func packageVersion(t *testing.T, system, version string) string {
	t.Helper()
	return strings.TrimSuffix(command(t, "../packaging", []string{"SOURCE_DATE_EPOCH=1700000000"}, "./version", system, version), "\n")
}
