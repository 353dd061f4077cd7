package consul

// command_hold.go decides when caddy service-lease holds the lease.

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

const (
	// failuresInARow end the lease: one or two happen to a service that is merely busy.
	failuresInARow = 3
	// releaseTime is what giving the lease back may take beside the drain: a little more
	// than the shortest TTL, for which the lease itself tries when Consul does not answer.
	releaseTime = 12 * time.Second
)

// serviceLease is one run of the command. Its fields are for the goroutine of run alone.
type serviceLease struct {
	client   *api.Client
	settings lease.Settings
	instance lease.Instance
	health   *healthCheck // nil: nobody is asked
	log      *slog.Logger

	held     *lease.Lease // nil: none
	giveUp   context.CancelFunc
	failures int // of the health check, in a row
}

// run holds the lease until a signal comes, and releases it then; a second signal ends
// that. When ctx ends, the lease is given up at once. The error says that the lease
// could not be released and ends by itself.
func (s *serviceLease) run(ctx context.Context, signals <-chan os.Signal) error {
	asking, stopAsking := context.WithCancel(ctx)
	defer stopAsking()
	verdicts := make(chan error)
	if s.health != nil {
		go s.health.watch(asking, verdicts)
	} else if err := s.hold(ctx); err != nil {
		return err
	}
	for {
		select {
		case verdict := <-verdicts:
			if err := s.judge(ctx, verdict); err != nil {
				return err
			}
		case got := <-signals:
			stopAsking()
			return s.leave(got, signals)
		case <-ctx.Done():
			return s.abandon()
		}
	}
}

// hold begins to hold the lease.
func (s *serviceLease) hold(ctx context.Context) error {
	ctx, giveUp := context.WithCancel(ctx)
	held, err := lease.Hold(ctx, s.client, s.settings, s.instance)
	if err != nil {
		giveUp()
		return err
	}
	s.held, s.giveUp = held, giveUp
	return nil
}

// judge draws the consequences of an answer of the service, or of none.
func (s *serviceLease) judge(ctx context.Context, verdict error) error {
	if verdict == nil {
		s.failures = 0
		if s.held != nil {
			return nil
		}
		s.log.Info("the service answers, the lease is taken")
		return s.hold(ctx)
	}
	s.failures++
	switch {
	case s.held == nil && s.failures == 1: // before its first answer
		s.log.Info("the service does not answer yet", slog.Any("error", verdict))
	case s.held != nil && s.failures == failuresInARow:
		s.log.Warn("the service does not answer any more, the lease is given up",
			slog.Int("failures", s.failures), slog.Any("error", verdict))
		if err := s.abandon(); err != nil {
			s.log.Warn("giving up the lease", slog.Any("error", err))
		}
	}
	return nil
}

// abandon ends the lease without a drain: who does not answer has nothing to finish.
func (s *serviceLease) abandon() error {
	if s.held == nil {
		return nil
	}
	held := s.held
	s.held = nil
	s.giveUp()
	return held.Release(context.Background()) // waits for the one attempt that is made
}

// leave releases the lease.
func (s *serviceLease) leave(got os.Signal, signals <-chan os.Signal) error {
	s.log.Info("leaving", slog.String("signal", got.String()))
	if s.held == nil {
		return nil
	}
	defer s.giveUp()
	ctx, cancel := context.WithTimeout(context.Background(), max(0, s.settings.Drain)+releaseTime)
	defer cancel()
	released := make(chan error, 1)
	go func() { released <- s.held.Release(ctx) }()
	select {
	case err := <-released:
		return err
	case got := <-signals:
		return fmt.Errorf("leaving at once on a second signal (%s): the lease ends by itself within %s", got, 2*s.settings.TTL)
	}
}
