// Package supervisor runs the relays of a worker's outboxes, and exchanges them when
// the configuration changes: one after the other, each after its batch, and only
// those that changed.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/relay"
)

// Relay is what runs for an outbox: a *relay.Relay.
type Relay interface {
	// Run delivers until ctx is done, then returns nil, within the time that it has
	// to stop. Another error means that it cannot go on.
	Run(ctx context.Context) error
	// Status may be called before, during and after Run.
	Status() relay.Status
}

// Outbox is an outbox that is to be served.
type Outbox struct {
	// Name identifies the outbox.
	Name string
	// Settings are compared, with reflect.DeepEqual, to tell whether an outbox's
	// relay must be exchanged.
	Settings any
	// New makes a relay. It is called again after each end of the relay.
	New func() (Relay, error)
}

// Status is what the relay of an outbox does.
type Status struct {
	relay.Status
	// Err is why the relay does not run; nil while it does.
	Err error
}

// Supervisor keeps one relay running for each outbox.
type Supervisor struct {
	logger *zap.Logger

	// applying is held while outboxes are exchanged, mu for each look at them.
	applying sync.Mutex
	mu       sync.Mutex
	members  map[string]*member
	stopped  bool
}

// ErrStopped is the error of Apply after Stop.
var ErrStopped = errors.New("the supervisor has stopped")

// New returns a supervisor of no outbox.
func New(logger *zap.Logger) *Supervisor {
	return &Supervisor{logger: logger, members: make(map[string]*member)}
}

// Apply serves these outboxes and no others. The relays of outboxes that are gone are
// stopped, those of changed ones exchanged one by one, those of new ones started; the
// others notice nothing. A relay that is stopped first ends its batch. If ctx is done
// before that, Apply returns its error, and the next one goes on where it ended.
func (s *Supervisor) Apply(ctx context.Context, outboxes []Outbox) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	wanted := make(map[string]bool)
	for _, outbox := range outboxes {
		wanted[outbox.Name] = true
	}
	for _, name := range s.names() {
		if !wanted[name] {
			if err := s.remove(ctx, name); err != nil {
				return err
			}
		}
	}
	for _, outbox := range outboxes {
		if err := s.serve(ctx, outbox); err != nil {
			return err
		}
	}
	return nil
}

// serve starts or exchanges the relay of an outbox.
func (s *Supervisor) serve(ctx context.Context, outbox Outbox) error {
	old := s.member(outbox.Name)
	if old != nil && reflect.DeepEqual(old.outbox.Settings, outbox.Settings) && !old.ending() {
		return nil
	}
	if err := s.remove(ctx, outbox.Name); err != nil {
		return err
	}
	m := newMember(outbox, s.logger.With(zap.String("outbox", outbox.Name)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return fmt.Errorf("serving outbox %s: %w", outbox.Name, ErrStopped)
	}
	s.members[outbox.Name] = m
	go m.run()
	return nil
}

// remove stops the relay of an outbox, if there is one, and waits for its end.
func (s *Supervisor) remove(ctx context.Context, name string) error {
	m := s.member(name)
	if m == nil {
		return nil
	}
	m.cancel()
	select {
	case <-m.done:
	case <-ctx.Done():
		return fmt.Errorf("stopping outbox %s: %w", name, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		delete(s.members, name)
	}
	return nil
}

// Stop stops all relays at once, and waits for their ends until ctx is done. The
// error names the outboxes whose relays had not ended by then.
func (s *Supervisor) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	members := maps.Clone(s.members)
	s.mu.Unlock()
	for _, m := range members {
		m.cancel()
	}
	var late []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		select {
		case <-members[name].done:
			continue
		default:
		}
		select {
		case <-members[name].done:
		case <-ctx.Done():
			late = append(late, name)
		}
	}
	if len(late) > 0 {
		return fmt.Errorf("stopping outboxes %q: %w", late, ctx.Err())
	}
	return nil
}

// Status returns what each outbox's relay does, by the outbox's name.
func (s *Supervisor) Status() map[string]Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Status, len(s.members))
	for name, m := range s.members {
		all[name] = m.status()
	}
	return all
}

func (s *Supervisor) member(name string) *member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members[name]
}

func (s *Supervisor) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.members))
}
