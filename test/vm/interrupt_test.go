// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	rounds = flag.Int("rounds", 30, "how many updates are killed, and how many are reset")
	seed   = flag.Uint64("seed", 0, "seed of the random moments; 0 takes another one each time")
)

const (
	// installingFrom is the progress at which disks begin to change.
	installingFrom = 0.64
	// momentSpread is the time within which the moment lies once the progress is
	// reached: signals come at most four times a second.
	momentSpread = time.Second
)

// The daemon is killed at random moments; systemd starts it again.
func TestKilled(t *testing.T) {
	newInterrupter(t).interrupt(func(m *machine) {
		m.run("systemctl", "kill", "--signal=KILL", "updaterd")
	})
}

// The reset button is pressed at random moments, and something good boots.
func TestReset(t *testing.T) {
	newInterrupter(t).interrupt(func(m *machine) {
		m.press()
		m.Logf("%s boots", m.awaitAnyBoot())
	})
}

// interrupter interrupts updates. Each begins with what the one before has left,
// until one is let through.
type interrupter struct {
	*machine
	random *rand.Rand
	// last is the transaction that was interrupted last.
	last string
	// interrupted and late count the rounds in which there was something to be
	// interrupted and those in which there was not, completed the updates that
	// were let through.
	interrupted, late, completed int
}

func newInterrupter(t *testing.T) *interrupter {
	t.Helper()
	s := *seed
	for s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-seed %d", s)
	m := scenario(t)
	m.offer(nextVersion)
	return &interrupter{machine: m, random: rand.New(rand.NewPCG(s, 0))}
}

func (i *interrupter) interrupt(how func(m *machine)) {
	i.Helper()
	for i.interrupted < *rounds {
		if i.late > *rounds {
			i.Fatalf("%d updates were over before they could be interrupted", i.late)
		}
		i.round(how)
		if i.random.IntN(5) == 0 {
			i.complete()
			i.start()
		}
	}
	i.complete()
	i.wantSame("/dev/mainvg/core_"+runningVersion, i.payload(runningVersion, "core"))
	i.Logf("%d updates interrupted, %d too late, %d completed", i.interrupted, i.late, i.completed)
	if i.status().RunningVersion != nextVersion {
		i.reboot(nextVersion)
	}
	i.wantUpdated()
}

// round interrupts one update. An update that was finished by then begins
// anew.
func (i *interrupter) round(how func(m *machine)) {
	i.Helper()
	progress, delay := i.moment()
	seen := i.updateUntil(progress)
	time.Sleep(delay)
	how(i.machine)
	i.settle()
	i.wantWhole()
	if newest := i.newestInHistory(); newest.Result == "interrupted" && newest.Transaction != i.last {
		i.interrupted++
		i.last = newest.Transaction
	} else {
		i.late++
	}
	i.Logf("%2d: %.2f s after %s", i.interrupted, delay.Seconds(), seen)
	if s := i.status(); s.PendingVersion == nextVersion || s.RunningVersion == nextVersion {
		i.start()
	}
}

// moment returns when to interrupt: half of the moments are anywhere, the others
// where disks are changed.
func (i *interrupter) moment() (progress float64, delay time.Duration) {
	progress = i.random.Float64()
	if i.random.IntN(2) == 0 {
		progress = installingFrom + progress*(1-installingFrom)
	}
	return progress, time.Duration(i.random.Int64N(int64(momentSpread)))
}

// complete lets an update through.
func (i *interrupter) complete() {
	i.Helper()
	if i.status().RunningVersion != nextVersion {
		i.update()
		if s := i.status(); s.PendingVersion != nextVersion {
			i.Fatalf("status %+v", s)
		}
	}
	i.wantWhole()
	i.completed++
}

// updateUntil begins an update, waits for its progress, and returns the event
// that told of it, or what was said by an update that ended before.
func (m *machine) updateUntil(progress float64) string {
	m.Helper()
	m.check()
	// Who follows is not waited for.
	const script = `mawk -W interactive -v want="$1" '
		/"event":"progress"/ && match($0, /"progress":[0-9.e-]+/) && substr($0, RSTART + 11, RLENGTH - 11) + 0 >= want + 0 { found = 1; exit }
		END { print; if (!found) { print "it has ended"; while ((getline <"/run/said") > 0) print } }
		' < <(exec updaterctl --json update --follow 2>/run/said)`
	return strings.TrimSpace(m.run("bash", "-c", script, "bash", strconv.FormatFloat(progress, 'f', -1, 64)))
}

// settle waits until the daemon is there and does nothing.
func (m *machine) settle() {
	m.Helper()
	for limit := time.Now().Add(bootLimit); time.Now().Before(limit); time.Sleep(time.Second) {
		result, err := m.try("updaterctl", "--json", "status")
		if err != nil {
			m.Fatal(err)
		}
		if result.Status == 0 && !strings.Contains(string(result.Stdout), `"state":"updating"`) {
			return
		}
	}
	m.Fatal("the daemon does not come to rest")
}

// wantWhole asserts that each boot entry is what was published, and the image
// that it boots too, but for the one from which the machine was started first.
func (m *machine) wantWhole() {
	m.Helper()
	entries := m.entries()
	if !slices.ContainsFunc(entries, func(e string) bool { return entryVersion(e) == runningVersion }) {
		m.Fatalf("no entry of the version before: %q", entries)
	}
	for _, entry := range entries {
		version := entryVersion(entry)
		if version == "" {
			continue // a temporary file is none
		}
		m.wantSame("/mnt/efiboot/EFI/Linux/"+entry, m.payload(version, "efiboot"))
		// The other's is read at the end.
		if version != runningVersion {
			m.wantSame("/dev/mainvg/core_"+version, m.payload(version, "core"))
		}
	}
}

// entryVersion is the version of a boot entry, "" of another file.
func entryVersion(entry string) string {
	name, isEntry := strings.CutSuffix(strings.TrimPrefix(entry, "clipos-"), ".efi")
	if !isEntry {
		return ""
	}
	version, _, _ := strings.Cut(name, "+")
	return version
}
