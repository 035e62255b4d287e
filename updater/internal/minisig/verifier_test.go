// SPDX-License-Identifier: LGPL-2.1-or-later

package minisig

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/edwards25519"
	"golang.org/x/crypto/blake2b"
)

func TestVerifier(t *testing.T) {
	key, payload := mustParseKey(t, testdata(t, "key.pub")), testdata(t, "payload")
	for _, file := range signatureFiles {
		t.Run(file, func(t *testing.T) {
			v := key.NewVerifier(mustParse(t, testdata(t, file)))
			wantInvalid(t, "nothing written", v.Verify())
			for _, r := range []io.Reader{
				bytes.NewReader(payload), iotest.OneByteReader(bytes.NewReader(payload)),
			} {
				v.Reset()
				if n, err := io.Copy(v, r); err != nil || n != v.Len() || n != int64(len(payload)) {
					t.Fatalf("copied %d, %v; Len %d", n, err, v.Len())
				}
				if err := v.Verify(); err != nil {
					t.Error(err)
				}
				if err := v.Verify(); err != nil {
					t.Errorf("second time: %v", err)
				}
			}
			v.Write([]byte{0})
			wantInvalid(t, "one byte more", v.Verify())
			if v.Reset(); v.Len() != 0 {
				t.Errorf("Len after Reset: %d", v.Len())
			}
		})
	}
}

func TestVerifierRefusesOtherPayloads(t *testing.T) {
	key, payload := mustParseKey(t, testdata(t, "key.pub")), testdata(t, "payload")
	flipped := func(i int) []byte {
		p := slices.Clone(payload)
		p[i] ^= 0x80
		return p
	}
	for name, p := range map[string][]byte{
		"nothing":        nil,
		"first bit":      flipped(0),
		"a bit inside":   flipped(len(payload) / 2),
		"last byte":      flipped(len(payload) - 1),
		"truncated":      payload[:len(payload)-1],
		"head missing":   payload[1:],
		"extended":       append(slices.Clone(payload), 0),
		"twice":          append(slices.Clone(payload), payload...),
		"a page of NULs": make([]byte, minLegacyBytes),
	} {
		for _, file := range signatureFiles {
			wantInvalid(t, file+", "+name, check(key, testdata(t, file), p))
		}
	}
}

// TestVerifyChecksComment: Verify alone is enough, whoever forgets
// CheckComment.
func TestVerifyChecksComment(t *testing.T) {
	key := mustParseKey(t, testdata(t, "key.pub"))
	for _, file := range signatureFiles {
		v := key.NewVerifier(mustParse(t, replaceLine(testdata(t, file), 3, trustedPrefix+"6.0.0")))
		v.Write(testdata(t, "payload"))
		wantInvalid(t, file, v.Verify())
	}
}

// TestPrehashedRewrittenAsLegacy is the attack of the package comment, with
// the real minisign to show that it is one.
func TestPrehashedRewrittenAsLegacy(t *testing.T) {
	s := newSigner(t)
	payload := testdata(t, "payload")
	genuine := s.sign(t, payload, false)
	rewritten := rewriteAlgorithm(genuine, algorithmLegacy)
	digest := blake2b.Sum512(payload)
	if err := s.accepts(t, rewritten, digest[:]); err != nil {
		t.Fatalf("minisign is not taken in: %v", err)
	}

	parsed := mustParse(t, rewritten)
	if parsed.Prehashed() {
		t.Error("Prehashed does not show it")
	}
	if err := s.key.CheckComment(parsed); err != nil {
		t.Errorf("CheckComment would be enough: %v", err)
	}
	wantInvalid(t, "64 bytes", check(s.key, rewritten, digest[:]))
	wantInvalid(t, "digest and a page", check(s.key, rewritten, append(digest[:], make([]byte, minLegacyBytes)...)))
	wantInvalid(t, "the payload itself", check(s.key, rewritten, payload))
	if err := check(s.key, genuine, payload); err != nil {
		t.Errorf("genuine signature afterwards: %v", err)
	}
	wantInvalid(t, "legacy rewritten as prehashed",
		check(s.key, rewriteAlgorithm(s.sign(t, payload, true), algorithmPrehashed), payload))
}

// TestCheckDigestKeepsSignature: the copy with the changed algorithm does
// not leave its function.
func TestCheckDigestKeepsSignature(t *testing.T) {
	s := mustParse(t, testdata(t, "payload.sig"))
	v := mustParseKey(t, testdata(t, "key.pub")).NewVerifier(s)
	v.Write(testdata(t, "payload"))
	if err := v.Verify(); err != nil {
		t.Fatal(err)
	}
	if v.signature != s || !v.signature.Prehashed() {
		t.Error("the signature was changed")
	}
}

// TestIsSigned compares the streaming check with crypto/ed25519, which has
// the same payload whole.
func TestIsSigned(t *testing.T) {
	order, err := hex.DecodeString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, minLegacyBytes)
	genuine := ed25519.Sign(private, payload)
	forgeries := map[string][]byte{
		"genuine":       genuine,
		"S not reduced": slices.Concat(genuine[:sizeR], addLittleEndian(genuine[sizeR:], order)),
		"zero":          make([]byte, ed25519.SignatureSize),
		"R identity":    slices.Concat(edwards25519.NewIdentityPoint().Bytes(), make([]byte, 32)),
		"all bits":      bytes.Repeat([]byte{0xff}, ed25519.SignatureSize),
	}
	for i := range genuine {
		forged := slices.Clone(genuine)
		forged[i] ^= 1 << (i % 8)
		forgeries["bit in byte "+hex.EncodeToString([]byte{byte(i)})] = forged
	}
	for name, signature := range forgeries {
		var s Signature
		copy(s.decoded.Signature[:], signature)
		var k Key
		copy(k.public.PublicKey[:], public)
		v := k.NewVerifier(s)
		v.Write(payload)
		got := isSigned(public, signature, v.hash.Sum(nil))
		want := ed25519.Verify(public, payload, signature)
		if got != want || want != (name == "genuine") {
			t.Errorf("%s: got %t, crypto/ed25519 says %t", name, got, want)
		}
	}
}

// TestConstantMemory writes 64 MiB: neither the number nor the size of what
// is allocated may have to do with that.
func TestConstantMemory(t *testing.T) {
	key := mustParseKey(t, testdata(t, "key.pub"))
	chunk := make([]byte, 1<<20)
	for _, file := range signatureFiles {
		s := mustParse(t, testdata(t, file))
		v := key.NewVerifier(s)
		if n := testing.AllocsPerRun(64, func() { v.Write(chunk) }); n != 0 {
			t.Errorf("%s: %v allocations for each Write", file, n)
		}
		allocated := allocatedBytes(func() {
			v := key.NewVerifier(s)
			for range 64 {
				v.Write(chunk)
			}
			wantInvalid(t, file, v.Verify())
		})
		if allocated > 64<<10 {
			t.Errorf("%s: allocated %d bytes for a payload of 64 MiB", file, allocated)
		}
	}
}

// TestLargePayload sends more than 4 GiB (1 GiB with -short) of mostly
// nothing through a Verifier and, at the same time, through b2sum.
func TestLargePayload(t *testing.T) {
	chunks := 4<<10 + 1
	if testing.Short() {
		chunks = 1<<10 + 1
	}
	b2sum := exec.Command(tool(t, "b2sum", "coreutils"))
	var out bytes.Buffer
	b2sum.Stdout = &out
	stdin, err := b2sum.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b2sum.Start(); err != nil {
		t.Fatal(err)
	}
	fed := make(chan error, 1)
	go func() { fed <- errors.Join(writeChunks(stdin, chunks), stdin.Close()) }()

	v := mustParseKey(t, testdata(t, "key.pub")).NewVerifier(mustParse(t, testdata(t, "payload.sig")))
	if err := errors.Join(writeChunks(v, chunks), <-fed, b2sum.Wait()); err != nil {
		t.Fatal(err)
	}
	if want := int64(chunks) << 20; v.Len() != want {
		t.Errorf("got length %d, want %d", v.Len(), want)
	}
	want, _, _ := strings.Cut(out.String(), " ")
	if got := hex.EncodeToString(v.hash.Sum(nil)); got != want {
		t.Errorf("got digest %s, b2sum says %s", got, want)
	}
}

// writeChunks writes so many times 1 MiB, each another one.
func writeChunks(w io.Writer, chunks int) error {
	chunk := make([]byte, 1<<20)
	for i := range chunks {
		binary.LittleEndian.PutUint64(chunk, uint64(i))
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkVerifier(b *testing.B) {
	key := mustParseKey(b, testdata(b, "key.pub"))
	chunk := make([]byte, 1<<20)
	for name, file := range map[string]string{"prehashed": "payload.sig", "legacy": "payload-legacy.sig"} {
		b.Run(name, func(b *testing.B) {
			v := key.NewVerifier(mustParse(b, testdata(b, file)))
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			for b.Loop() {
				v.Write(chunk)
			}
		})
	}
}

// rewriteAlgorithm changes the algorithm bytes of a signature file, and
// nothing else.
func rewriteAlgorithm(text []byte, algorithm string) []byte {
	s, err := Parse(text)
	if err != nil {
		panic(err)
	}
	copy(s.decoded.SignatureAlgorithm[:], algorithm)
	return s.decoded.Encode()
}

// allocatedBytes is how much f allocates, freed or not.
func allocatedBytes(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func addLittleEndian(a, b []byte) []byte {
	sum := make([]byte, len(a))
	carry := 0
	for i := range a {
		carry += int(a[i]) + int(b[i])
		sum[i] = byte(carry)
		carry >>= 8
	}
	return sum
}
