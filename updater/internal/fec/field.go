// SPDX-License-Identifier: LGPL-2.1-or-later

package fec

import (
	"crypto/subtle"
	"encoding/binary"
)

// fieldPolynomial of GF(256) without x^8, which falls out of a byte.
const fieldPolynomial = 0x1d

// horner makes each value value * x + the byte of p, for an x whose products
// are given. What all images have is parity of two bytes, with x 1 and 2.
func horner(values, p []byte, products *[256]byte) {
	values = values[:len(p)]
	switch products[1] {
	case 1:
		subtle.XORBytes(values, values, p)
	case 2:
		hornerOf2(values, p)
	default:
		for i, b := range p {
			values[i] = products[values[i]] ^ b
		}
	}
}

func hornerOf2(values, p []byte) {
	for len(p) >= 8 {
		word := doubleEach(binary.LittleEndian.Uint64(values)) ^ binary.LittleEndian.Uint64(p)
		binary.LittleEndian.PutUint64(values, word)
		values, p = values[8:], p[8:]
	}
	for i, b := range p {
		values[i] = multiply(2, values[i]) ^ b
	}
}

// doubleEach multiplies each of eight bytes by 2.
func doubleEach(word uint64) uint64 {
	const lowBits, highBit = 0x7f7f7f7f7f7f7f7f, 0x0101010101010101
	return word&lowBits<<1 ^ word>>7&highBit*fieldPolynomial
}

// productsOf are those of a with every element.
func productsOf(a byte) *[256]byte {
	var products [256]byte
	for b := range products {
		products[b] = multiply(a, byte(b))
	}
	return &products
}

func multiply(a, b byte) byte {
	var product byte
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			product ^= a
		}
		high := a >> 7
		a = a<<1 ^ high*fieldPolynomial
	}
	return product
}

// power is 2^n. 2 generates all 255 elements but zero.
func power(n int) byte {
	result := byte(1)
	for range n % 255 {
		result = multiply(2, result)
	}
	return result
}

func inverse(a byte) byte {
	result := byte(1)
	for range 254 {
		result = multiply(result, a)
	}
	return result
}

// inverseVandermonde makes coefficients, the highest first, of the values of a
// polynomial at 2^0, 2^1, … 2^(n-1): Gauss-Jordan elimination, with 1 for
// itself everywhere where others subtract.
func inverseVandermonde(n int) [][]byte {
	rows := make([][]byte, n)
	for i := range rows {
		rows[i] = make([]byte, 2*n)
		for j := range n {
			rows[i][j] = power(i * (n - 1 - j))
		}
		rows[i][n+i] = 1
	}
	for column := range n {
		// Any square part of a Vandermonde matrix with distinct powers leads to
		// a pivot; which row has it does not matter.
		pivot := column
		for rows[pivot][column] == 0 {
			pivot++
		}
		rows[column], rows[pivot] = rows[pivot], rows[column]
		scale(rows[column], inverse(rows[column][column]))
		for i, row := range rows {
			if i != column {
				addMultiple(row, rows[column], row[column])
			}
		}
	}
	for i := range rows {
		rows[i] = rows[i][n:]
	}
	return rows
}

func scale(row []byte, factor byte) {
	for i := range row {
		row[i] = multiply(row[i], factor)
	}
}

func addMultiple(row, other []byte, factor byte) {
	for i := range row {
		row[i] ^= multiply(other[i], factor)
	}
}
