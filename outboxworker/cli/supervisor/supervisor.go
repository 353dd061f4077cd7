// Package supervisor keeps the relays of a worker's outboxes running, or its consumers,
// and exchanges them when the configuration changes: one after the other, each after its
// batch, and only those that changed.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"
)

// Runner is what runs for a service: a *relay.Relay or a *consumer.Consumer. S is what
// it tells about itself.
type Runner[S any] interface {
	// Run works until ctx is done, then returns nil, within the time that it has to
	// stop. Another error means that it cannot go on.
	Run(ctx context.Context) error
	// Status may be called before, during and after Run.
	Status() S
}

// Service is what is to be served: an outbox, or the streams of a group.
type Service[S any] struct {
	// Name identifies the service.
	Name string
	// Settings are compared, with reflect.DeepEqual, to tell whether a service's
	// runner must be exchanged.
	Settings any
	// New makes a runner. It is called again after each end of the runner.
	New func() (Runner[S], error)
}

// Status is what the runner of a service does.
type Status[S any] struct {
	// Runner is what the runner says; the zero value while there is none.
	Runner S
	// Err is why the runner does not run; nil while it does.
	Err error
}

// Supervisor keeps one runner running for each service.
type Supervisor[S any] struct {
	kind   string
	logger *zap.Logger

	// applying is held while services are exchanged, mu for each look at them.
	applying sync.Mutex
	mu       sync.Mutex
	members  map[string]*member[S]
	stopped  bool
}

// ErrStopped is the error of Apply after Stop.
var ErrStopped = errors.New("the supervisor has stopped")

// New returns a supervisor of no service. kind is what logs and errors call one, as
// outbox or consumer.
func New[S any](kind string, logger *zap.Logger) *Supervisor[S] {
	return &Supervisor[S]{kind: kind, logger: logger, members: make(map[string]*member[S])}
}

// Apply serves these services and no others. The runners of services that are gone are
// stopped, those of changed ones exchanged one by one, those of new ones started; the
// others notice nothing. A runner that is stopped first ends its batch. If ctx is done
// before that, Apply returns its error, and the next one goes on where it ended.
func (s *Supervisor[S]) Apply(ctx context.Context, services []Service[S]) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	wanted := make(map[string]bool)
	for _, service := range services {
		wanted[service.Name] = true
	}
	for _, name := range s.names() {
		if !wanted[name] {
			if err := s.remove(ctx, name); err != nil {
				return err
			}
		}
	}
	for _, service := range services {
		if err := s.serve(ctx, service); err != nil {
			return err
		}
	}
	return nil
}

// serve starts or exchanges the runner of a service.
func (s *Supervisor[S]) serve(ctx context.Context, service Service[S]) error {
	old := s.member(service.Name)
	if old != nil && reflect.DeepEqual(old.service.Settings, service.Settings) && !old.ending() {
		return nil
	}
	if err := s.remove(ctx, service.Name); err != nil {
		return err
	}
	m := newMember(service, s.logger.With(zap.String(s.kind, service.Name)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return fmt.Errorf("serving %s %s: %w", s.kind, service.Name, ErrStopped)
	}
	s.members[service.Name] = m
	go m.run()
	return nil
}

// remove stops the runner of a service, if there is one, and waits for its end.
func (s *Supervisor[S]) remove(ctx context.Context, name string) error {
	m := s.member(name)
	if m == nil {
		return nil
	}
	m.cancel()
	select {
	case <-m.done:
	case <-ctx.Done():
		return fmt.Errorf("stopping %s %s: %w", s.kind, name, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		delete(s.members, name)
	}
	return nil
}

// Stop stops all runners at once, and waits for their ends until ctx is done. The
// error names the services whose runners had not ended by then.
func (s *Supervisor[S]) Stop(ctx context.Context) error {
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
		return fmt.Errorf("stopping %s %s: %w", s.kind, strings.Join(late, ", "), ctx.Err())
	}
	return nil
}

// Status returns what each service's runner does, by the service's name.
func (s *Supervisor[S]) Status() map[string]Status[S] {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Status[S], len(s.members))
	for name, m := range s.members {
		all[name] = m.status()
	}
	return all
}

func (s *Supervisor[S]) member(name string) *member[S] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members[name]
}

func (s *Supervisor[S]) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.members))
}
