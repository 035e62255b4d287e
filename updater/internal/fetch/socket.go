// SPDX-License-Identifier: LGPL-2.1-or-later

package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// FetcherURL is the address under which a fetcher has the server, for
// [NewSocketTransport] alone: nothing is looked up and no TLS is spoken.
const FetcherURL = "https://updater-fetch"

// fetcherMargin is how much later than the fetcher we give up waiting for the
// server, so that it is the fetcher that says why.
const fetcherMargin = 10 * time.Second

// relayTransport asks a fetcher.
type relayTransport struct{ http *http.Transport }

// NewSocketTransport returns a transport that leaves network, TLS and the
// server's HTTP to a fetcher, and reaches that by the Unix socket at path. An
// answer is to be judged as if it came from the server.
//
// The socket is looked at before each connection: it, and its folders up to
// root, must belong to root or to whom this process runs as, with nobody else
// able to put another one in its place, and so must who listens on it.
func NewSocketTransport(path, root string, l Limits) http.RoundTripper {
	l = l.orDefault()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialTrusted(ctx, path, root) }
	return &relayTransport{&http.Transport{
		// To net/http this is a connection that has its TLS behind it.
		DialTLSContext: dial,
		DialContext:    dial,
		// For the fetcher: name and connection, handshake, header.
		ResponseHeaderTimeout:  2*l.ConnectTimeout + l.HeaderTimeout + fetcherMargin,
		MaxResponseHeaderBytes: 2 * maxHeaderBytes, // the server's, and what the fetcher adds
		ReadBufferSize:         receiveBytes,
		Protocols:              onlyHTTP1(),
		DisableCompression:     true,
		DisableKeepAlives:      true,
	}}
}

// RoundTrip implements http.RoundTripper. What the fetcher tells of a failure
// becomes the error that it was there.
func (t *relayTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.http.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	err = told(resp.Header)
	if err == nil {
		resp.ContentLength, err = toldLength(resp.Header)
	}
	if err != nil {
		resp.Body.Close() //nolint:errcheck // nobody wants it
		return nil, err
	}
	resp.Body = toldBody{resp.Body, &resp.Trailer}
	return resp, nil
}

// CloseIdleConnections ends connections that are still being made.
func (t *relayTransport) CloseIdleConnections() { t.http.CloseIdleConnections() }

func dialTrusted(ctx context.Context, path, root string) (net.Conn, error) {
	if err := checkSocket(path, root); err != nil {
		return nil, err
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := CheckPeer(c); err != nil {
		c.Close() //nolint:errcheck // nothing was said
		return nil, &toldError{ErrConfig, quote(path) + ": " + err.Error()}
	}
	return c, nil
}

// checkSocket refuses a socket that somebody else could have put there. One that
// is not there may come: the network is unavailable.
func checkSocket(path, root string) error {
	want := uint32(unix.S_IFSOCK)
	for name := path; ; name = filepath.Dir(name) {
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return &net.OpError{Op: "dial", Net: "unix", Err: &os.PathError{Op: "stat", Path: name, Err: err}}
		}
		if why := untrusted(st, want); why != nil {
			return &toldError{ErrConfig, quote(name) + ": " + why.Error()}
		}
		if name == filepath.Clean(root) || name == filepath.Dir(name) {
			return nil
		}
		want = unix.S_IFDIR
	}
}

// untrusted says why something is not of the kind wanted, or not root's alone.
// Who may write to a socket does not matter: that is to connect to it.
func untrusted(st unix.Stat_t, want uint32) error {
	switch {
	case st.Mode&unix.S_IFMT != want && want == unix.S_IFSOCK:
		return errors.New("not a socket")
	case st.Mode&unix.S_IFMT != want:
		return errors.New("not a folder")
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("belongs to user %d, must belong to root", st.Uid)
	case want == unix.S_IFDIR && st.Mode&0o022 != 0:
		return fmt.Errorf("mode %04o lets others write", st.Mode&0o7777)
	}
	return nil
}

// CheckPeer refuses a connection whose other end is neither root's nor that of
// whom this process runs as (unix(7), SO_PEERCRED). Of one that was accepted
// that is who connected, of one that was dialled who began to listen: the
// service manager, where that made the socket.
func CheckPeer(c net.Conn) error {
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return errors.New("not a Unix socket")
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	if peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		return fmt.Errorf("its other end belongs to user %d, must belong to root", peer.Uid)
	}
	return nil
}
