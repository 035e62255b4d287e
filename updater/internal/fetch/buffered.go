// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"bufio"
	"context"
	"net"
)

// receiveBytes is read from the socket at once. crypto/tls reads a record of
// 16 KiB at a time, header and content apart: a system call for each.
const receiveBytes = 128 << 10

// buffered is a connection whose reading is buffered.
type buffered struct {
	net.Conn
	reader *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.reader.Read(p) }

// dialBuffered returns a function for http.Transport.DialContext.
func dialBuffered(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &buffered{conn, bufio.NewReaderSize(conn, receiveBytes)}, nil
	}
}
