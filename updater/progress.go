// SPDX-License-Identifier: LGPL-2.1-or-later

package updater

import (
	"math"
	"time"
)

// share is the part of the whole update that a stage takes; what moves bytes
// is most of it. In the order of the stages.
var shares = []struct {
	stage Stage
	share float64
}{
	{StageChecking, 0.01},
	{StageFetching, 0.63},
	{StageVerifying, 0.01},
	{StageInstalling, 0.34},
	{StageSwapping, 0.01},
	{StageDone, 0},
}

const (
	// reportInterval is how often moving bytes are worth a report.
	reportInterval = 100 * time.Millisecond
	// rateHalfLife is how soon an old rate counts half.
	rateHalfLife = 2 * time.Second
	// maxRemaining is the longest estimate; a longer one says nothing.
	maxRemaining = 1000 * time.Hour
)

// progress turns counted bytes into a Status. It is used by one goroutine.
type progress struct {
	report   func(Status)
	status   Status
	reported time.Time
	// before is the progress at the beginning of the stage.
	before, share float64
	// counted is BytesDone at the last measurement of the rate, -1 before the
	// stage's first.
	counted  int64
	measured time.Time
	rate     float64
}

func newProgress(report func(Status)) *progress {
	return &progress{report: report, status: Status{Cancelable: true}}
}

// enter begins a stage and reports it.
func (p *progress) enter(version string, s Stage) {
	p.before = 0
	for _, sh := range shares {
		if sh.stage == s {
			p.share = sh.share
			break
		}
		p.before += sh.share
	}
	if s == StageDone {
		p.before = 1
	}
	if reached := p.status.Progress; reached > p.before {
		// Fetching begins again, in another form: what is left to go is shared
		// out anew, or the bar would stand still for all of it.
		p.share *= (1 - reached) / (1 - p.before)
		p.before = reached
	}
	p.rate, p.counted, p.measured = 0, -1, time.Time{}
	p.status = Status{
		Version:    version,
		Stage:      s,
		Progress:   p.before,
		Cancelable: s != StageSwapping && s != StageDone,
	}
	p.send()
}

// bytes reports how much of the stage's total, 0 when not known, is done.
// Called again with the same numbers it is a sign of life.
func (p *progress) bytes(done, total int64) {
	p.measure(done)
	s := &p.status
	s.BytesDone, s.BytesTotal = done, total
	s.BytesPerSecond = int64(p.rate)
	s.Remaining = 0
	if total > 0 {
		s.Progress = max(s.Progress, p.before+p.share*min(1, float64(done)/float64(total)))
		s.Remaining = p.remaining(total - done)
	}
	if time.Since(p.reported) >= reportInterval || done == total {
		p.send()
	}
}

// measure keeps a moving average of the rate. The first count of a stage may
// be what an earlier run left, so it only sets the mark.
func (p *progress) measure(done int64) {
	now := time.Now()
	elapsed := now.Sub(p.measured)
	if p.counted < 0 || done < p.counted {
		p.counted, p.measured = done, now
		return
	}
	if elapsed < reportInterval {
		return
	}
	recent := float64(done-p.counted) / elapsed.Seconds()
	weight := 1 - math.Exp2(-elapsed.Seconds()/rateHalfLife.Seconds())
	if p.rate == 0 {
		weight = 1
	}
	p.rate += weight * (recent - p.rate)
	p.counted, p.measured = done, now
}

// remaining is how long so many bytes take at the present rate, 0 when that
// cannot be said.
func (p *progress) remaining(bytes int64) time.Duration {
	if p.rate < 1 || bytes <= 0 {
		return 0
	}
	// Compared before the conversion, which a stalled download overflows.
	nanoseconds := float64(bytes) / p.rate * float64(time.Second)
	if nanoseconds > float64(maxRemaining) {
		return 0
	}
	return time.Duration(nanoseconds)
}

func (p *progress) send() {
	p.reported = time.Now()
	p.report(p.status)
}
