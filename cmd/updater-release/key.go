// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/term"

	"github.com/clipos/updater/cmd/internal/console"
	"github.com/clipos/updater/cmd/updater-release/internal/signing"
)

// Where the keys are when nothing else is said.
const (
	defaultKey    = "updater.key"
	defaultPubkey = "updater.pub"
)

// keyOptions are those of whoever signs.
type keyOptions struct {
	key, passwordFile string
}

func (o *keyOptions) define(flags *flag.FlagSet) {
	flags.StringVar(&o.key, "key", defaultKey, "")
	flags.StringVar(&o.passwordFile, "password-file", "", "")
}

// load reads the secret key, and asks for its password if it has one.
func (o *keyOptions) load(ctx context.Context, s *session) (*signing.Key, error) {
	k, err := signing.Load(o.key, func() (string, error) { return o.password(ctx, s, "Password of "+o.key+": ") })
	if errors.Is(err, signing.ErrReadable) {
		return nil, hinted{err, "chmod 600 " + o.key}
	}
	return k, err
}

// password reads the password from the file that was given for it, or from the
// terminal. There is no other way: arguments and environment are seen by others.
func (o *keyOptions) password(ctx context.Context, s *session, prompt string) (string, error) {
	if o.passwordFile != "" {
		return signing.FirstLine(o.passwordFile)
	}
	terminal, isFile := s.in.(*os.File)
	if !isFile || !console.IsTerminal(terminal) {
		return "", hinted{errors.New("no terminal to ask for the password"), "--password-file FILE, which may be /dev/fd/3"}
	}
	return askPassword(ctx, terminal, s.log, prompt)
}

// askPassword reads a line without showing it.
func askPassword(ctx context.Context, terminal *os.File, w io.Writer, prompt string) (string, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err := errors.Join(err, ctx.Err()); err != nil {
		return "", err
	}
	fmt.Fprint(w, prompt)
	defer fmt.Fprintln(w)
	var text []byte
	read := make(chan error, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		text = line
		read <- err
	}()
	select {
	case err := <-read:
		return string(text), err
	case <-ctx.Done():
		// A signal does not end the read, which begins again. It is left to
		// itself, as the program ends.
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}

// keygen makes a key pair.
func keygen(flags *flag.FlagSet) action {
	var o keyOptions
	o.define(flags)
	pubkey := flags.String("pubkey", defaultPubkey, "")
	without := flags.Bool("no-password", false, "")
	flags.BoolVar(without, "W", false, "") // as minisign has it
	return func(ctx context.Context, s *session) error {
		password, err := o.newPassword(ctx, s, *without)
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		k, err := signing.Generate(o.key, *pubkey, password)
		if errors.Is(err, fs.ErrExist) {
			return hinted{err, "a key is never overwritten; --key FILE --pubkey FILE for other names"}
		}
		if err != nil {
			return err
		}
		return s.out.Answer(struct {
			KeyID  string `json:"key_id"`
			Key    string `json:"key"`
			Pubkey string `json:"pubkey"`
		}{k.ID(), o.key, *pubkey}, fmt.Sprintf("key %s: keep %s to yourself, clients need %s", k.ID(), o.key, *pubkey))
	}
}

// newPassword is that of a key to be made, "" for none.
func (o *keyOptions) newPassword(ctx context.Context, s *session, without bool) (string, error) {
	if without {
		return "", nil
	}
	password, err := o.password(ctx, s, "New password of "+o.key+": ")
	switch {
	case err != nil:
		return "", err
	case password == "":
		return "", hinted{errors.New("no password"), "--no-password makes a key without one"}
	case o.passwordFile != "":
		return password, nil
	}
	again, err := o.password(ctx, s, "Once more: ")
	if err == nil && again != password {
		err = errors.New("the passwords differ")
	}
	return password, err
}
