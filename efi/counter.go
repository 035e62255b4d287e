// SPDX-License-Identifier: LGPL-2.1-or-later

package efi

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
	if err != nil {
		return "", err
	}
	// Another spelling of the same counter is the same counter.
	was := n
	if change(&n); n == was {
		return file, nil
	}
	d, _, err := p.open()
	if err != nil {
		return "", err
	}
	defer d.Close()
	to := n.String()
	if err := d.checkRename(file, to); err != nil {
		return "", err
	}
	err = p.change("rename", file, func() error { return d.renameNew(file, to) })
	if err != nil {
		return "", noSpace(file, err)
	}
	return to, p.flush(d)
}
