// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/clipos/updater/cmd/updater-release/internal/channels"
	"github.com/clipos/updater/cmd/updater-release/internal/publish"
	"github.com/clipos/updater/cmd/updater-release/internal/signing"
	"github.com/clipos/updater/cmd/updater-release/internal/webroot"
	"github.com/clipos/updater/updater"
)

// root is the web root and, when there is a file of them, its channels.
func (s *session) root() (*webroot.Root, *channels.File, error) {
	inside, err := webroot.New(s.webroot, "").Holds(s.channels)
	switch {
	case err != nil:
		return nil, nil, err
	case inside:
		return nil, nil, hinted{fmt.Errorf("%s lies in the web root, where everybody could read which machines it lists", s.channels), "--channels FILE, one outside of " + s.webroot}
	}
	file, err := channels.Load(s.channels)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.product == "":
		return nil, nil, hinted{fmt.Errorf("%s: not there, and no product is given", s.channels), "--product NAME, the os_name of the product's config.toml; promote writes the file"}
	case errors.Is(err, fs.ErrNotExist):
		return webroot.New(s.webroot, s.product), nil, nil
	case err != nil:
		return nil, nil, err
	case s.product != "" && s.product != file.Product:
		return nil, nil, fmt.Errorf("%s is for product %q, not %.40q", s.channels, file.Product, s.product)
	}
	return webroot.New(s.webroot, file.Product), file, nil
}

// workOptions bound what long work takes.
type workOptions struct {
	memory    int64
	workers   int
	parameter string
}

// workerBytes is what a worker takes, zstd's memory included. The most is what
// makepatch.Compress takes: one thread at level 19 with a window of 32 MiB was
// measured to take 278 MiB, each more less than that. A patch takes 200.
const workerBytes = 300 << 20

func (o *workOptions) define(flags *flag.FlagSet) {
	flags.Func("memory", "", func(text string) (err error) {
		o.memory, err = parseBytes(text)
		return err
	})
	flags.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "")
	flags.StringVar(&o.parameter, "root-hash-parameter", "", "")
}

// bounded is how many workers the memory is enough for, and at least one.
func (o *workOptions) bounded() int {
	workers := o.workers
	if o.memory > 0 {
		workers = min(workers, int(o.memory/workerBytes))
	}
	return max(1, workers)
}

// parseBytes reads a number of bytes with one of the units K, M and G, powers
// of 1024.
func parseBytes(text string) (int64, error) {
	shift := 0
	digits := strings.TrimRight(text, "KMG")
	if len(digits) < len(text) {
		shift = 10 * (1 + strings.IndexByte("KMG", text[len(digits)]))
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || len(text) > len(digits)+1 {
		return 0, errors.New("not a number of bytes with unit K, M or G, as 2G")
	}
	return int64(n) << shift, nil
}

// judge reads the public key.
func (s *session) judge(product, pubkey string, o workOptions) (*updater.Judge, error) {
	text, err := os.ReadFile(pubkey)
	if err != nil {
		return nil, err
	}
	j, err := updater.NewJudge(product, text, o.parameter)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pubkey, err)
	}
	return j, nil
}

// signerJudge is the judge of what key signs, by the public key that clients
// have. Where that is not at hand it is the key's own, unless it is required:
// nobody is offered what no client may believe.
func (s *session) signerJudge(product string, key *signing.Key, pubkey string, required bool, o workOptions) (*updater.Judge, error) {
	own, err := updater.NewJudge(product, key.Public(), o.parameter)
	if err != nil {
		return nil, err
	}
	trusted, err := s.judge(product, pubkey, o)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !required:
		return own, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, hinted{err, "--pubkey FILE, the public key that clients have"}
	case err != nil:
		return nil, err
	case !trusted.HasKeyOf(own):
		return nil, hinted{
			fmt.Errorf("the secret key is %s, and clients believe %s alone, the one in %s", own.KeyID(), trusted.KeyID(), pubkey),
			"--key FILE, the secret key of that one; or --pubkey FILE, when clients have another",
		}
	}
	return trusted, nil
}

// publisher is who changes the web root.
func (s *session) publisher(root *webroot.Root, judge *updater.Judge, o workOptions) *publish.Publisher {
	return &publish.Publisher{
		Root: root, ChannelsFile: s.channels, Judge: judge,
		Workers: o.bounded(), Warn: s.warn, Progress: s.progress(),
	}
}

// explain adds what can be done about an error.
func explain(err error) error {
	switch {
	case errors.Is(err, publish.ErrNotThere):
		return hinted{err, "updater-release add, and updater-release list"}
	case errors.Is(err, publish.ErrOlder):
		return hinted{err, "--allow-older withdraws a version: machines that have it stay with it"}
	case errors.Is(err, publish.ErrTakesAway):
		return hinted{err, "finish that rollout first; or --allow-older withdraws it: machines that have the version stay with it"}
	case errors.Is(err, publish.ErrBootOrder):
		return hinted{err, "a version that systemd-boot orders behind it, or --boot-order set-default"}
	case errors.Is(err, webroot.ErrBusy):
		return hinted{err, "wait for the other updater-release"}
	case errors.Is(err, channels.ErrUnknownChannel):
		return hinted{err, "write its table [channel.NAME] to the channels file, with its machines"}
	}
	return err
}
