// SPDX-License-Identifier: LGPL-2.1-or-later

// Package fec computes the forward error correction of dm-verity, as
// veritysetup(8) --fec-device makes it, while the data streams through.
//
// # The code
//
// Reed-Solomon over GF(256) with the field polynomial 0x11d. A codeword has
// 255 bytes, the last p of them parity, and as a polynomial, its first byte the
// highest coefficient, the roots 2^0, 2^1, … 2^(p-1).
//
// The input is blocks. With R rounds, which is their number divided by 255-p
// and rounded up, codeword j of round r takes byte j of the blocks r, r+R,
// r+2R, …, and zeros behind the last. So the byte at offset o of the input
// belongs to codeword o mod (R * block size), and the bytes of each codeword
// come in its order. The output is the parity of all codewords in theirs.
//
// # How it is computed
//
// Not by the division that the usual encoder does byte by byte: for each root
// x the value at x of what has come so far is kept, by Horner's rule
// (value * x + byte). With the usual two bytes of parity x is 1 and 2, so this
// works on many codewords at once. At the end, the parity is the polynomial
// of degree p-1 that makes all values zero: p linear equations, the same for
// every codeword, solved once.
//
// The code is described in the kernel's drivers/md/dm-verity-fec.c and
// Documentation/admin-guide/device-mapper/verity.rst, the order of bytes in
// cryptsetup's lib/verity/verity_fec.c.
package fec

// The parity bytes that a codeword may have, by the kernel and cryptsetup
// (DM_VERITY_FEC_MAX_RSN and DM_VERITY_FEC_MIN_RSN).
const (
	MinParityBytes = 2
	MaxParityBytes = 24
)

// codewordBytes is DM_VERITY_FEC_RSM.
const codewordBytes = 255

// ParityBytes is how many bytes of parity so many blocks have.
func ParityBytes(blocks, blockBytes int64, parity int) int64 {
	return codewords(blocks, blockBytes, parity) * int64(parity)
}

func codewords(blocks, blockBytes int64, parity int) int64 {
	perRound := int64(codewordBytes - parity)
	return (blocks + perRound - 1) / perRound * blockBytes
}

// Encoder computes the parity of what is written to it.
type Encoder struct {
	parity    int
	codewords int
	// values has, for each root in turn, the value of every codeword; products
	// has the products of the root.
	values     [][]byte
	products   []*[256]byte
	inputBytes int64
}

// NewEncoder takes up as much memory as the parity has bytes.
func NewEncoder(blocks, blockBytes int64, parity int) *Encoder {
	e := &Encoder{parity: parity, codewords: int(codewords(blocks, blockBytes, parity))}
	for root := range parity {
		e.values = append(e.values, make([]byte, e.codewords))
		e.products = append(e.products, productsOf(power(root)))
	}
	return e
}

// Write takes the next bytes of the input; there may be no more in all than
// the blocks that were announced.
func (e *Encoder) Write(p []byte) {
	for len(p) > 0 {
		at := int(e.inputBytes % int64(e.codewords))
		n := min(len(p), e.codewords-at)
		for root, values := range e.values {
			horner(values[at:at+n], p[:n], e.products[root])
		}
		e.inputBytes += int64(n)
		p = p[n:]
	}
}

// Parity hands the parity of what was written to write, in pieces.
func (e *Encoder) Parity(write func(p []byte) error) error {
	// Codewords before have one byte more than the others.
	rows, before := e.inputBytes/int64(e.codewords), int(e.inputBytes%int64(e.codewords))
	if err := e.solve(0, before, int(rows)+1, write); err != nil {
		return err
	}
	return e.solve(before, e.codewords, int(rows), write)
}

// solve writes the parity of the codewords from begin to end, all of which
// have had so many bytes.
func (e *Encoder) solve(begin, end, inputBytes int, write func(p []byte) error) error {
	const chunk = 4096 // codewords
	contributions := e.contributions(inputBytes)
	out := make([]byte, 0, chunk*e.parity)
	for ; begin < end; begin += chunk {
		out = out[:0]
		for codeword := begin; codeword < min(begin+chunk, end); codeword++ {
			for i := range e.parity {
				var sum byte
				for root, values := range e.values {
					sum ^= contributions[i][root][values[codeword]]
				}
				out = append(out, sum)
			}
		}
		if err := write(out); err != nil {
			return err
		}
	}
	return nil
}

// contributions has, for each parity byte and each root, what each value of
// the input contributes.
func (e *Encoder) contributions(inputBytes int) [][]*[256]byte {
	matrix := inverseVandermonde(e.parity)
	result := make([][]*[256]byte, e.parity)
	for i := range result {
		for root := range e.parity {
			// Where the input ends early there are zeros, and behind it stands
			// the parity: each moves the input up by a power of the root.
			up := power(root * (codewordBytes - inputBytes))
			result[i] = append(result[i], productsOf(multiply(matrix[i][root], up)))
		}
	}
	return result
}
