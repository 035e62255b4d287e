// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

import (
	"fmt"
	"os"
)

// Bless takes the boot counter out of an entry's name, as systemd-bless-boot(8)
// does once a boot was good, and returns the name it has then, when that is
// durable. An entry without a counter stays as it is.
func (p *Partition) Bless(file string) (string, error) {
	return p.recount(file, func(n *Name) { n.Counted, n.TriesLeft, n.TriesDone = false, 0, 0 })
}

// Condemn sets the tries left of an entry to none, which also gives a counter
// to an entry without one: the loader lists it last from then on
// (systemd-boot(7), BOOT COUNTING). It returns the name the entry has then,
// when that is durable.
func (p *Partition) Condemn(file string) (string, error) {
	return p.recount(file, func(n *Name) {
		n.TriesDone = max(n.TriesDone, 1)
		n.Counted, n.TriesLeft = true, 0
	})
}

func (p *Partition) recount(file string, change func(*Name)) (string, error) {
	n, err := checkName(p.product, file)
	if err == nil && n.Temporary {
		err = fmt.Errorf("file %s: a temporary name: %w", file, errForeign)
	}
	if err != nil {
		return "", err
	}
	d, _, err := p.open()
	if err != nil {
		return "", err
	}
	defer d.Close()
	// Another spelling of the same counter is the same counter.
	to, was := file, n
	if change(&n); n != was {
		to = n.String()
		err = p.renameOnce(d, file, to)
	} else {
		err = p.flushFile(d, to)
	}
	if err != nil {
		return "", err
	}
	return to, p.flush(d)
}

// renameOnce renames unless that was done: by systemd-bless-boot(8), or by a
// run that was killed before it could flush.
func (p *Partition) renameOnce(d folder, from, to string) error {
	there, err := d.findRegular(from)
	if err != nil {
		return err
	}
	if !there {
		if done, err := d.findRegular(to); err != nil {
			return err
		} else if done {
			return p.flushFile(d, to)
		}
	}
	return p.renameInUse(d, from, to)
}

// flushFile makes an entry durable under the name it has, as far as the file
// goes. It comes before the folder, as in renameInUse.
func (p *Partition) flushFile(d folder, file string) error {
	f, err := d.openFile(file, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.change("flush", file, f.Sync)
}
