// SPDX-License-Identifier: LGPL-2.1-or-later

package lvm

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"
)

// sectorBytes is LVM's unit of account, whatever the drive's own sectors are.
const sectorBytes = 512

// sizeSyntax is a decimal number and one of the units of lvcreate(8),
// "Size[UNIT]". LVM also takes signs, exponents, hexadecimal numbers and
// trailing letters, which here are mistakes. At most twenty digits: more
// cannot fit, and an exact number of a megabyte of digits would be slow.
var sizeSyntax = regexp.MustCompile(`^([0-9]{1,20}(?:\.[0-9]{1,20})?)([bBsSkKmMgGtTpPeE])$`)

// unitBytes is base two whatever the case: capitals stand for powers of ten
// only in LVM's output.
var unitBytes = map[string]int64{
	"b": 1, "s": sectorBytes, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50, "e": 1 << 60,
}

// ParseSize reads the size of a new volume, in bytes, the way lvcreate's
// --size does, but demands a unit: "4G", "1.5g", "8192s", "4096b". Like there,
// a fraction of a sector is cut off, a number of bytes must be whole sectors,
// and zero is refused.
func ParseSize(s string) (int64, error) {
	parts := sizeSyntax.FindStringSubmatch(s)
	if parts == nil {
		return 0, fmt.Errorf("size %.40q: not a number and a unit (b, s, k, m, g, t, p or e)", s)
	}
	number, _ := new(big.Rat).SetString(parts[1]) // the syntax above is within Rat's
	unit := strings.ToLower(parts[2])
	number.Mul(number, big.NewRat(unitBytes[unit], sectorBytes))
	if unit == "b" && !number.IsInt() {
		return 0, fmt.Errorf("size %q: not a multiple of %d bytes", s, sectorBytes)
	}
	sectors := new(big.Int).Quo(number.Num(), number.Denom())
	switch {
	case sectors.Sign() == 0:
		return 0, fmt.Errorf("size %q: zero", s)
	case !sectors.IsInt64() || sectors.Int64() > math.MaxInt64/sectorBytes:
		return 0, fmt.Errorf("size %q: too large", s)
	}
	return sectors.Int64() * sectorBytes, nil
}
