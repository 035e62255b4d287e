// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clipos/updater/updater"
)

// A lost bus is dialled again after redialMin, twice that, and so on up to
// redialMax, each shifted by up to a half at random.
const (
	redialMin = 250 * time.Millisecond
	redialMax = 30 * time.Second
)

// pulseInterval lies between two questions to the bus whether it still listens;
// it has as long for the answer.
const pulseInterval = 30 * time.Second

// farewellLimit is how long a bus that takes nothing can delay the end of Run.
const farewellLimit = 500 * time.Millisecond

var errBusLost = errors.New("bus connection lost")

// Options are what a service needs to know.
type Options struct {
	// Address of the bus, "unix:path=…" or [SystemBus].
	Address string
	// DaemonVersion is shown as a property.
	DaemonVersion string
	// Log takes what goes wrong.
	Log *slog.Logger
}

// Service is org.clipos.Updater1 on a bus.
type Service struct {
	options    Options
	controller Controller
	authoriser authoriser
	doors      *gate
	calls      *gate
	queries    *gate
	reads      *gate
	checks     *rate
	lists      *rate
	job        job
	outbox     *outbox
	pulse      time.Duration
	// former is the connection that owned the name last.
	former identity
	// publishing is held while a state becomes current and goes to the outbox.
	publishing sync.Mutex
	// current is what the properties are read from; nil until the first
	// Publish or Run.
	current atomic.Pointer[snapshot]
}

// New makes a service; it is on the bus while Run runs.
func New(o Options, c Controller) *Service {
	return &Service{
		options:    o,
		controller: c,
		authoriser: newPolkit(),
		doors:      newGate(doorSlots, o.Log),
		calls:      newGate(callSlots, o.Log),
		queries:    newGate(querySlots, o.Log),
		reads:      newGate(readSlots, o.Log),
		checks:     newRate(),
		lists:      newRate(),
		outbox:     newOutbox(),
		pulse:      pulseInterval,
	}
}

// Publish makes o the state that the properties show and tells everybody what
// changed. It never waits. Calls are to come one after another, oldest first.
func (s *Service) Publish(o updater.Overview) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.publish(o)
}

func (s *Service) publish(o updater.Overview) {
	now := newSnapshot(Overview{s.options.DaemonVersion, o})
	s.current.Store(&now)
	s.outbox.putProperties(now)
}

// publishFirst publishes the controller's state unless it did so itself.
func (s *Service) publishFirst() {
	// Asked before the lock: the controller may hold one of its own in Publish.
	o := s.controller.Overview()
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.current.Load() == nil {
		s.publish(o)
	}
}

// Emit tells everybody e. It never waits; while there is no bus, everything but
// progress is kept until there is.
func (s *Service) Emit(e updater.Event) {
	s.outbox.putEvent(e)
}

// Run puts the service on the bus, calls ready once the name is owned for the
// first time, and keeps the service there until ctx ends; then it says what is
// left to say and returns nil. The error is of the first attempt alone:
// [ErrNoBus], [ErrNameTaken] or what the bus answered.
func (s *Service) Run(ctx context.Context, ready func()) error {
	s.publishFirst()
	l, err := s.open(ctx)
	if err == nil {
		ready()
		s.stay(ctx, l)
	}
	if ctx.Err() == nil {
		return err
	}
	return nil // whatever stopped open, it was the end of ctx
}

// Vacant tells, without taking part in anything yet, that the bus is there and
// nobody serves the name: [ErrNoBus] or [ErrNameTaken] otherwise.
func (s *Service) Vacant(ctx context.Context) error {
	client, err := Dial(ctx, s.options.Address)
	if err != nil {
		return err
	}
	defer client.Close()
	var owned bool
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	switch err := client.bus.callBus(ctx, "NameHasOwner", &owned, BusName); {
	case err != nil:
		return clientError(ctx, err)
	case owned:
		return ErrNameTaken
	}
	return nil
}

// stay keeps the service on the bus until ctx ends.
func (s *Service) stay(ctx context.Context, l *link) {
	for l != nil {
		err := s.tellAll(ctx, l)
		l.bus.close()
		if err == nil {
			return
		}
		s.options.Log.Warn("off the bus, dialling again", "error", err)
		l = s.reopen(ctx)
	}
}

// reopen dials until the service is on the bus again; nil when ctx ends first.
func (s *Service) reopen(ctx context.Context) *link {
	for delay := redialMin; ; delay = min(2*delay, redialMax) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay/2 + rand.N(delay)): //nolint:gosec // spread, not secrecy
		}
		l, err := s.open(ctx)
		if err == nil {
			s.options.Log.Info("on the bus again")
			return l
		}
		s.options.Log.Debug("still off the bus", "error", err)
	}
}

// tellAll tells on l what the outbox hands out, until the link is lost, which
// is the error, or ctx ends, which is not.
func (s *Service) tellAll(ctx context.Context, l *link) error {
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(farewellLimit, l.bus.close) })
	defer stop()
	go l.keepAlive(ctx, s.pulse)
	for {
		e, wait, ok := s.outbox.take(time.Now())
		if ok {
			if err := l.tell(e); err != nil {
				s.outbox.putBack(e)
				return err
			}
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := s.await(ctx, l, wait); err != nil {
			return err
		}
	}
}

// await returns when there may be something to tell or ctx has ended, or with
// an error when the link is lost.
func (s *Service) await(ctx context.Context, l *link, wait time.Duration) error {
	var due <-chan time.Time
	if wait >= 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-s.outbox.wake:
	case <-due:
	case <-l.lost:
		return errNameLost
	case <-l.bus.Context().Done():
		return errBusLost
	}
	return nil
}
