package consumer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// Of an ordered group the first of a key is made due, and those behind it come in order.
func TestRunNowOrdered(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	s := newSequences()
	var mu sync.Mutex
	mended := false
	o := patient(ordered())
	run(t, client, s.handler(func(*Message) error {
		mu.Lock()
		defer mu.Unlock()
		if mended {
			return nil
		}
		return errRefused
	}), o)
	for n := range 5 {
		post(t, client, "a", n+1)
	}
	lane := streamOf(t, laneOf("a"))
	r := retriesOf(t, client, lane.name)
	eventually(t, "four are parked", func() bool { return len(listedRetries(t, r, Filter{State: StateParked})) == 4 })
	heads := listedRetries(t, r, Filter{})
	if len(heads) != 1 || heads[0].Message.ID != "a/1" || heads[0].State != StateRetry {
		t.Errorf("%+v", heads)
	}
	for i, parked := range listedRetries(t, r, Filter{State: StateParked}) {
		if parked.Message.ID != fmt.Sprint("a/", i+2) || !parked.Due.IsZero() || parked.Attempts != 0 || time.Since(parked.Since).Abs() > time.Minute {
			t.Errorf("parked: %+v", parked)
		}
	}
	if counts, err := r.Counts(t.Context()); err != nil || counts.Retry != 1 || counts.Parked != 4 {
		t.Errorf("%+v, %v", counts, err)
	}
	changed, err := r.RunNow(t.Context(), Filter{State: StateParked}, Change{})
	if err != nil || changed.Changed != 0 || changed.Skipped["parked"] != 4 {
		t.Errorf("%+v, %v", changed, err)
	}
	mu.Lock()
	mended = true
	mu.Unlock()
	if changed, err = r.RunNow(t.Context(), Filter{}, Change{}); err != nil || changed.Changed != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
	eventually(t, "all are done", func() bool { return s.of("a") == upTo(5) })
	assertEmpty(t, client)
}

// What is due and is not the first of its key is parked: a lane's owner would not take it.
func TestRunNowOfAFollower(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	o := patient(ordered())
	c := run(t, client, func(context.Context, *Message) error { return errRefused }, o)
	first, second := post(t, client, "a", 1), post(t, client, "a", 2)
	lane := streamOf(t, laneOf("a"))
	eventually(t, "both wait", func() bool { return client.ZCard(t.Context(), lane.parked).Val() == 2 })
	c.stop()
	if err := client.ZAdd(t.Context(), lane.due, redis.Z{Score: 4e12, Member: second}).Err(); err != nil {
		t.Fatal(err)
	}
	r := retriesOf(t, client, lane.name)
	if found := listedRetries(t, r, Filter{}); len(found) != 1 || found[0].EntryID != first {
		t.Errorf("%+v", found)
	}
	if found := listedRetries(t, r, Filter{State: StateParked}); len(found) != 1 || found[0].EntryID != second {
		t.Errorf("%+v", found)
	}
	if changed, err := r.RunNow(t.Context(), Filter{State: StateParked}, Change{}); err != nil || changed.Changed != 0 || changed.Skipped["parked"] != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
	// An operator discards the first: the place of it is left, and does not count.
	if err := client.HDel(t.Context(), lane.entries, first).Err(); err != nil {
		t.Fatal(err)
	}
	if changed, err := r.RunNow(t.Context(), Filter{}, Change{}); err != nil || changed.Changed != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
}

// Order is kept, and nothing is handled by two at once, while operators make due what waits.
func TestRunNowBesideOrderedConsumers(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	s := newSequences()
	o := patient(ordered())
	o.Retries = 1000
	handler := s.handler(func(*Message) error {
		if rand.IntN(3) == 0 {
			return errRefused
		}
		return nil
	})
	for range 2 {
		run(t, client, handler, o)
	}
	const keys, each = 12, 10
	for n := range each {
		for k := range keys {
			post(t, client, fmt.Sprint("k", k), n+1)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var operators sync.WaitGroup
	defer operators.Wait()
	defer stop()
	for i := range 2 {
		operators.Go(func() {
			for ctx.Err() == nil {
				for _, name := range LaneStreams(events) {
					f := Filter{State: []string{StateRetry, StateParked}[i]}
					if _, err := retriesOf(t, client, name).RunNow(ctx, f, Change{}); err != nil && ctx.Err() == nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for k := range keys {
		key := fmt.Sprint("k", k)
		eventually(t, key+" is done in order", func() bool { return s.of(key) == upTo(each) })
	}
	assertEmpty(t, client)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, broken := range s.broken {
		t.Error(broken)
	}
}
