// SPDX-License-Identifier: LGPL-2.1-or-later

package desktop

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// display is an X server without a screen, whose picture is in a file.
type display struct {
	name, file string
}

// startDisplay starts Xvfb until the test ends; black or white is the
// background.
func startDisplay(t *testing.T, background string) *display {
	t.Helper()
	dir := t.TempDir()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "560x240x24", "-fbdir", dir,
		"-nolisten", "tcp", "-noreset", background)
	cmd.ExtraFiles = []*os.File{write}
	start(t, cmd, "xvfb")
	write.Close()
	number, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb does not start: %v", err)
	}
	return &display{name: ":" + strings.TrimSpace(number), file: filepath.Join(dir, "Xvfb_screen0")}
}

// picture is what is on the screen.
func (d *display) picture(t *testing.T) *image.RGBA {
	t.Helper()
	data, err := os.ReadFile(d.file)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := parseXWD(data)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// parseXWD reads a picture as Xvfb keeps it: the X window dump format, version
// 7 (XWDFile.h), with 32 bits for each pixel.
func parseXWD(data []byte) (*image.RGBA, error) {
	field := func(i int) int { return int(binary.BigEndian.Uint32(data[4*i:])) }
	if len(data) < 100 || field(1) != 7 {
		return nil, errors.New("no window dump")
	}
	header, width, height := field(0), field(4), field(5)
	order, bits, line, colours := field(7), field(11), field(12), field(19)
	begin := header + colours*12
	if bits != 32 || order != 0 || len(data) < begin+line*height || line < 4*width {
		return nil, fmt.Errorf("unexpected: %d bits, byte order %d, %d bytes", bits, order, len(data))
	}
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p := data[begin+y*line+4*x:]
			picture.SetRGBA(x, y, color.RGBA{p[2], p[1], p[0], 0xff})
		}
	}
	return picture, nil
}

// differs tells whether two pictures do, and where: the smallest rectangle.
func differs(a, b *image.RGBA) (where image.Rectangle) {
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			if a.At(x, y) != b.At(x, y) {
				where = where.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return where
}

// cropped is the part of a picture that is not background, which the last pixel
// is, with a margin.
func cropped(picture *image.RGBA) image.Image {
	background := picture.RGBAAt(picture.Rect.Max.X-1, picture.Rect.Max.Y-1)
	plain := image.NewRGBA(picture.Rect)
	for y := range picture.Rect.Dy() {
		for x := range picture.Rect.Dx() {
			plain.SetRGBA(x, y, background)
		}
	}
	return picture.SubImage(differs(picture, plain).Inset(-8))
}

// save writes a picture as PNG.
func save(t *testing.T, name string, picture image.Image) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(file, picture); err != nil {
		t.Fatal(err)
	}
}
