// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// recorded is a progress with what it reported.
func recorded() (*progress, *[]Status) {
	var all []Status
	return newProgress(func(s Status) { all = append(all, s) }), &all
}

func about(got, want, tolerance float64) bool {
	return got >= want*(1-tolerance) && got <= want*(1+tolerance)
}

// Whatever is counted, and in whatever order, an update never goes back.
func TestProgressNeverGoesBack(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			p, all := recorded()
			for _, sh := range shares {
				p.enter("5.0.0", sh.stage)
				for range r.IntN(40) {
					total := r.Int64N(1<<40) * r.Int64N(2)
					p.bytes(r.Int64N(1<<41), total)
					time.Sleep(time.Duration(r.Int64N(int64(time.Second))))
				}
			}
			last := 0.0
			for i, s := range *all {
				if s.Progress < last || s.Progress > 1 {
					t.Fatalf("seed %d: progress went from %v to %v in %+v", seed, last, s.Progress, s)
				}
				last = s.Progress
				if s.Remaining < 0 || s.BytesPerSecond < 0 || s.Version != "5.0.0" {
					t.Fatalf("seed %d: report %d is %+v", seed, i, s)
				}
			}
			if last != 1 {
				t.Errorf("seed %d: progress ends at %v", seed, last)
			}
		})
	}
}

func TestProgressOfStages(t *testing.T) {
	p, all := recorded()
	sum := 0.0
	for i, sh := range shares {
		p.enter("5.0.0", sh.stage)
		s := (*all)[len(*all)-1]
		want := Status{Version: "5.0.0", Stage: sh.stage, Progress: s.Progress, Cancelable: sh.stage != StageSwapping && sh.stage != StageDone}
		if s != want || !about(s.Progress, sum, 1e-9) {
			t.Errorf("stage %d begins with %+v, want %+v at %v", i, s, want, sum)
		}
		p.bytes(50, 100)
		p.bytes(100, 100)
		sum += sh.share
		if s := (*all)[len(*all)-1]; sh.share > 0 && (!about(s.Progress, sum, 1e-9) || s.BytesDone != 100 || s.BytesTotal != 100 || s.Stage != sh.stage) {
			t.Errorf("stage %d ends with %+v, want %v", i, s, sum)
		}
	}
	if !about(sum, 1, 1e-9) {
		t.Errorf("the shares are %v in all", sum)
	}
}

func TestProgressHalfOfAStage(t *testing.T) {
	p, _ := recorded()
	p.enter("5.0.0", StageFetching)
	p.bytes(25, 100)
	if want := 0.01 + 0.63/4; !about(p.status.Progress, want, 1e-9) {
		t.Errorf("a quarter of the download is %v, want %v", p.status.Progress, want)
	}
	// Not known how much: the bytes are told, no more.
	p.enter("5.0.0", StageInstalling)
	before := p.status.Progress
	p.bytes(1<<30, 0)
	if s := p.status; s.Progress != before || s.BytesDone != 1<<30 || s.BytesTotal != 0 || s.Remaining != 0 {
		t.Errorf("%+v", s)
	}
}

const megabyte = 1_000_000

// move counts at a rate for a while, as often as interval says.
func move(p *progress, from, total, perSecond int64, span, interval time.Duration) int64 {
	done := from
	for end := time.Now().Add(span); time.Now().Before(end); {
		time.Sleep(interval)
		done += int64(float64(perSecond) * interval.Seconds())
		p.bytes(done, total)
	}
	return done
}

func TestProgressRate(t *testing.T) {
	for _, interval := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, 700 * time.Millisecond, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := recorded()
			p.enter("5.0.0", StageFetching)
			// What an earlier run left is no rate.
			const left, total = 500 * megabyte, 1000 * megabyte
			p.bytes(left, total)
			if s := p.status; s.BytesPerSecond != 0 || s.Remaining != 0 {
				t.Errorf("every %s: %+v from one count", interval, s)
			}
			done := move(p, left, total, 10*megabyte, 20*time.Second, interval)
			s := p.status
			if !about(float64(s.BytesPerSecond), 10*megabyte, 0.02) || !about(s.Remaining.Seconds(), float64(total-done)/(10*megabyte), 0.02) {
				t.Errorf("every %s: %d bytes per second, %s remaining after %d bytes", interval, s.BytesPerSecond, s.Remaining, done)
			}
		})
	}
}

// An old rate counts half after two seconds, however often is counted.
func TestProgressRateFollows(t *testing.T) {
	for _, interval := range []time.Duration{100 * time.Millisecond, 250 * time.Millisecond, time.Second, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := recorded()
			p.enter("5.0.0", StageFetching)
			p.bytes(0, 1000*megabyte)
			done := move(p, 0, 1000*megabyte, 10*megabyte, 10*time.Second, interval)
			move(p, done, 1000*megabyte, 0, 2*time.Second, interval)
			if got := p.status.BytesPerSecond; !about(float64(got), 5*megabyte, 0.05) {
				t.Errorf("every %s: two seconds without a byte leave %d bytes per second", interval, got)
			}
			done = move(p, done, 1000*megabyte, 20*megabyte, 20*time.Second, interval)
			if got := p.status.BytesPerSecond; !about(float64(got), 20*megabyte, 0.02) {
				t.Errorf("every %s: %d bytes per second after %d", interval, got, done)
			}
		})
	}
}

// A download that stands still says so, and no nonsense about when it ends.
func TestProgressStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, all := recorded()
		p.enter("5.0.0", StageFetching)
		p.bytes(0, 1<<50)
		done := move(p, 0, 1<<50, megabyte, 5*time.Second, 100*time.Millisecond)
		move(p, done, 1<<50, 0, 2*time.Minute, time.Second)
		if s := p.status; s.BytesPerSecond != 0 || s.Remaining != 0 || s.BytesDone != done {
			t.Errorf("%+v", s)
		}
		for _, s := range *all {
			if s.Remaining < 0 || s.Remaining > 1000*time.Hour {
				t.Errorf("%s remaining", s.Remaining)
			}
		}
	})
}

// Each stage has its own rate, and a stage that is entered once more keeps
// what was reached.
func TestProgressEntersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := recorded()
		p.enter("5.0.0", StageInstalling)
		p.bytes(0, 100*megabyte)
		move(p, 0, 100*megabyte, 10*megabyte, 5*time.Second, 100*time.Millisecond)
		before := p.status.Progress
		p.enter("5.0.0", StageFetching)
		if s := p.status; s.Progress != before || s.BytesDone != 0 || s.BytesTotal != 0 || s.BytesPerSecond != 0 || s.Remaining != 0 {
			t.Errorf("%+v, progress was %v", s, before)
		}
		p.bytes(0, 100*megabyte)
		if s := p.status; s.Progress != before || s.BytesPerSecond != 0 || s.Remaining != 0 {
			t.Errorf("%+v, progress was %v", s, before)
		}
	})
}

// What is counted in one instant is no rate without end.
func TestProgressInOneInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := recorded()
		p.enter("5.0.0", StageFetching)
		for i := range int64(100) {
			p.bytes(i*megabyte, 200*megabyte)
		}
		if s := p.status; s.BytesPerSecond != 0 || s.Remaining != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(10 * time.Second)
		p.bytes(100*megabyte, 200*megabyte)
		if s := p.status; s.BytesPerSecond != 10*megabyte || s.Remaining != 10*time.Second {
			t.Errorf("%+v", s)
		}
	})
}

// More than was announced is no negative time.
func TestProgressBeyondTheTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := recorded()
		p.enter("5.0.0", StageFetching)
		p.bytes(0, 100)
		time.Sleep(time.Second)
		p.bytes(1000, 100)
		if s := p.status; s.Remaining != 0 || s.Progress > 0.6401 {
			t.Errorf("%+v", s)
		}
	})
}

// Fetched once more from the beginning: the rate goes on, without a jump.
func TestProgressBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := recorded()
		p.enter("5.0.0", StageFetching)
		p.bytes(0, 1000*megabyte)
		move(p, 0, 1000*megabyte, 10*megabyte, 10*time.Second, 100*time.Millisecond)
		before := p.status.Progress
		p.bytes(0, 1000*megabyte)
		move(p, 0, 1000*megabyte, 10*megabyte, time.Second, 100*time.Millisecond)
		if s := p.status; !about(float64(s.BytesPerSecond), 10*megabyte, 0.02) || s.Progress != before || s.BytesDone != 10*megabyte {
			t.Errorf("%+v, progress was %v", s, before)
		}
	})
}

// Many counts make few reports, but the last one is always told, and the same
// numbers again are a sign of life.
func TestProgressReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, all := recorded()
		p.enter("5.0.0", StageFetching)
		for i := range int64(10_000) {
			time.Sleep(time.Millisecond)
			p.bytes(i, 10_000)
		}
		if n := len(*all); n < 90 || n > 101 {
			t.Errorf("ten seconds make %d reports", n)
		}
		p.bytes(10_000, 10_000)
		if s := (*all)[len(*all)-1]; s.BytesDone != 10_000 {
			t.Errorf("the last report is %+v", s)
		}
		before := len(*all)
		for range 5 {
			time.Sleep(time.Second)
			p.bytes(9_999, 10_000)
		}
		if n := len(*all) - before; n != 5 {
			t.Errorf("five signs of life make %d reports", n)
		}
		p.bytes(9_999, 10_000)
		if n := len(*all) - before; n != 5 {
			t.Errorf("one at once makes %d reports", n)
		}
	})
}
