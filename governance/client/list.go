package client

// list.go holds the endpoints to pick from, and what keeps them up to date.

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/weirproxy/weir/governance/balance"
)

// list is what a source told last.
type list struct {
	table *balance.Table // nil if the source has never told anything
	// endpoints has a place for each member of the table; nil for one that the
	// source tells no more, which the table keeps for a while.
	endpoints []*target
	// partial tells that there are such members.
	partial bool
	err     error         // of the source since
	again   time.Duration // the pause until the source is asked again
}

// newList makes endpoints the ones to pick from, unless one makes no sense.
func (t *Transport) newList(endpoints []Endpoint) (*list, error) {
	members := make([]balance.Member, 0, len(endpoints))
	targets := make(map[string]*target, len(endpoints))
	for _, e := range endpoints {
		if targets[e.Address] != nil {
			continue
		}
		target, err := e.parse()
		if err != nil {
			return nil, err
		}
		targets[e.Address] = target
		members = append(members, e.member())
	}
	l := &list{table: t.balancer.Sync(members)}
	l.endpoints = make([]*target, l.table.Len())
	for i := range l.endpoints {
		address := l.table.Member(i).Address
		l.endpoints[i] = targets[address]
		if l.endpoints[i] == nil {
			l.partial = true
		} else {
			l.endpoints[i].upstream = t.pool.Upstream(address)
		}
	}
	return l, nil
}

// pick returns the member for the next attempt of a request that was sent to those
// in tried, or -1.
func (l *list) pick(tried []int) int {
	if l.table == nil {
		return -1
	}
	if tried == nil && !l.partial {
		if i := l.table.Next(); i >= 0 {
			return i
		}
	}
	available := func(i int) bool { return l.endpoints[i] != nil }
	var was func(int) bool
	if tried != nil {
		was = func(i int) bool { return slices.Contains(tried, i) }
	}
	return l.table.Pick(available, was)
}

// errFull is why nobody gets a request though there are endpoints.
var errFull = errors.New("every endpoint that may be asked has as many requests waiting as its breaker allows at a time (max_concurrent)")

// nobody is the error for a request that no endpoint is there for.
func (l *list) nobody() error {
	if l.table != nil && l.table.Full() {
		return &NoEndpointError{RetryAfter: time.Second, Err: errFull}
	}
	return &NoEndpointError{RetryAfter: l.again, Err: l.err}
}

// watcher asks a source again and again.
type watcher struct {
	first  chan struct{} // closed when the source has answered once
	ended  chan struct{}
	cancel context.CancelFunc
}

func (w *watcher) stop() {
	w.cancel()
	<-w.ended
}

// watch begins to ask the source.
func (t *Transport) watch(s Settings) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{first: make(chan struct{}), ended: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(w.ended)
		pause := time.NewTimer(0)
		defer pause.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-pause.C:
			}
			endpoints, err := s.Endpoints.Endpoints(ctx)
			if ctx.Err() != nil {
				return
			}
			known := t.list.Load()
			t.list.Store(t.update(known, endpoints, err, s))
			if known == nil {
				close(w.first)
			}
			pause.Reset(s.PollEvery)
		}
	}()
	return w
}

// update returns the list that follows known, which is nil at first.
func (t *Transport) update(known *list, endpoints []Endpoint, err error, s Settings) *list {
	var l *list
	if err == nil {
		l, err = t.newList(endpoints)
	}
	failing := known != nil && known.err != nil
	switch {
	case err == nil:
		if failing {
			s.Logger.Info("endpoints are told again", slog.Int("endpoints", len(endpoints)))
		}
	case known == nil:
		l = new(list)
	default:
		kept := *known
		l = &kept
	}
	if err != nil && !failing {
		s.Logger.Warn("endpoints are not told; those known last stay in use", slog.Any("error", err))
	}
	l.err, l.again = err, s.PollEvery
	return l
}
