// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/clipos/updater/updater"
)

// told drains what is due at now, as short words.
func told(o *outbox, now time.Time) (words []string) {
	for {
		e, _, ok := o.take(now)
		if !ok {
			return words
		}
		switch event := e.event.(type) {
		case nil:
			words = append(words, fmt.Sprintf("%s %v", e.properties[4], e.properties[6]))
		case updater.ProgressEvent:
			words = append(words, fmt.Sprintf("progress %s %v", event.Status.Stage, event.Status.Progress))
		default:
			words = append(words, fmt.Sprintf("%T", event))
		}
	}
}

func at(stage updater.Stage, progress float64) snapshot {
	return newSnapshot(Overview{Overview: updater.Overview{Status: updater.Status{Stage: stage, Progress: progress}}})
}

func reported(stage updater.Stage, progress float64) updater.ProgressEvent {
	return updater.ProgressEvent{Transaction: "t1", Status: updater.Status{Stage: stage, Progress: progress}}
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestOutboxTellsEachStageAtOnce(t *testing.T) {
	o := newOutbox()
	for i, stage := range []updater.Stage{"checking", "fetching", "verifying", "installing", "swapping", "done"} {
		o.putProperties(at(stage, float64(i)/5))
		o.putEvent(reported(stage, float64(i)/5))
	}
	expect(t, told(o, noon),
		"checking 0", "progress checking 0", "fetching 0.2", "progress fetching 0.2", "verifying 0.4", "progress verifying 0.4",
		"installing 0.6", "progress installing 0.6", "swapping 0.8", "progress swapping 0.8", "done 1", "progress done 1")
}

func TestOutboxPacesProgress(t *testing.T) {
	o := newOutbox()
	o.putProperties(at("fetching", 0))
	o.putEvent(reported("fetching", 0))
	expect(t, told(o, noon), "fetching 0", "progress fetching 0")
	for i := 1; i <= 100; i++ {
		o.putProperties(at("fetching", float64(i)/1000))
		o.putEvent(reported("fetching", float64(i)/1000))
		expect(t, told(o, noon.Add(time.Duration(i)*time.Millisecond)))
	}
	if _, wait, _ := o.take(noon.Add(100 * time.Millisecond)); wait != 150*time.Millisecond {
		t.Errorf("waits %v", wait)
	}
	expect(t, told(o, noon.Add(paceInterval)), "fetching 0.1", "progress fetching 0.1")
	if _, wait, _ := o.take(noon.Add(paceInterval)); wait >= 0 {
		t.Errorf("waits %v for nothing", wait)
	}
}

func TestOutboxDropsProgressThatIsPassed(t *testing.T) {
	o := newOutbox()
	o.putProperties(at("fetching", 0))
	o.putEvent(reported("fetching", 0))
	told(o, noon)
	o.putProperties(at("fetching", 0.4))
	o.putEvent(reported("fetching", 0.4))
	o.putProperties(at("verifying", 0.5))
	o.putEvent(reported("verifying", 0.5))
	expect(t, told(o, noon.Add(time.Hour)), "verifying 0.5", "progress verifying 0.5")
	o.putEvent(reported("verifying", 0.6))
	o.putEvent(updater.CompletedEvent{Transaction: "t1"})
	expect(t, told(o, noon.Add(2*time.Hour)), "updater.CompletedEvent")
}

func TestOutboxTellsNothingTwice(t *testing.T) {
	o := newOutbox()
	o.putProperties(at("fetching", math.NaN()))
	o.putProperties(at("fetching", math.NaN()))
	o.putProperties(at("fetching", -1))
	expect(t, told(o, noon), "fetching 0")
}

// A new connection is told what happens only once, the rest it reads.
func TestOutboxRenewed(t *testing.T) {
	o := newOutbox()
	o.putProperties(at("fetching", 0))
	o.putEvent(reported("fetching", 0))
	o.putEvent(updater.CompletedEvent{Transaction: "t1"})
	o.putProperties(at("done", 1))
	o.putEvent(updater.RebootRequiredEvent{Version: "5.0.0"})
	o.putEvent(updater.RolledBackEvent{From: "5.0.0", To: "4.9.0"})
	if newest := o.renew(); newest[4] != "done" {
		t.Errorf("the newest is %v", newest[4])
	}
	expect(t, told(o, noon), "updater.CompletedEvent", "updater.RebootRequiredEvent", "updater.RolledBackEvent")
}

func TestOutboxPutBackComesFirst(t *testing.T) {
	o := newOutbox()
	o.putEvent(updater.CompletedEvent{Transaction: "t1"})
	o.putEvent(updater.RebootRequiredEvent{Version: "5.0.0"})
	e, _, _ := o.take(noon)
	o.putBack(e)
	expect(t, told(o, noon), "updater.CompletedEvent", "updater.RebootRequiredEvent")
}

// While nobody takes, a job costs a bounded number of emissions.
func TestOutboxStaysSmall(t *testing.T) {
	o := newOutbox()
	for i := range 100_000 {
		o.putProperties(at("fetching", float64(i)/100_000))
		o.putEvent(reported("fetching", float64(i)/100_000))
	}
	if n := len(told(o, noon.Add(time.Hour))); n > 4 {
		t.Errorf("%d emissions", n)
	}
}
