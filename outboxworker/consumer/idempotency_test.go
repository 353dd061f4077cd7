package consumer

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency/redisclaim"
)

func claims(t *testing.T, client redis.UniversalClient, settings redisclaim.Settings) *redisclaim.Store {
	t.Helper()
	store, err := redisclaim.New(client, settings)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// A message that is in the stream twice has its effect once, also when both are handled
// at the same time.
func TestSameMessageTwice(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	options := quick()
	settings := redisclaim.DefaultSettings()
	settings.Lease = 2 * time.Second // for which a message waits that another has
	options.Idempotency = claims(t, client, settings)
	const count = 50
	for i := range count {
		for range 3 {
			publish(t, client, events, fmt.Sprint(i))
		}
	}
	var got record
	var failures atomic.Int32
	c := run(t, client, func(_ context.Context, m *Message) error {
		if m.Attempt == 1 && failures.Add(1)%4 == 0 {
			return errRefused // no effect
		}
		got.add(m)
		return nil
	}, options)
	eventually(t, "all are handled", func() bool { return got.distinct() == count })
	allSettled(t, client, events)
	c.stop()
	if n := len(got.ids()); n != count {
		t.Errorf("%d effects, want %d", n, count)
	}
	if s := seenOf(t, client, events); s.dead != 0 {
		t.Errorf("%+v", s)
	}
}

// Without the store nothing is handled or counted, and the consumer pauses.
func TestStoreIsAway(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	server := testserver.Redis(t)
	other := connect(t, server)
	options := quick()
	options.Retries = 0
	options.Idempotency = claims(t, other, redisclaim.DefaultSettings())
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		publish(t, client, events, fmt.Sprint(i))
	}
	var got record
	c := run(t, client, func(_ context.Context, m *Message) error { got.add(m); return nil }, options)
	eventually(t, "it pauses", func() bool { return c.Status().Paused > 0 })
	if len(got.ids()) != 0 {
		t.Error("something was handled")
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are handled", func() bool { return len(got.ids()) == 20 })
	allSettled(t, client, events)
	if s := seenOf(t, client, events); s.dead != 0 {
		t.Errorf("%+v", s)
	}
}

// A message whose claim another has comes back and is not done.
func TestClaimIsBusy(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	settings := redisclaim.DefaultSettings()
	settings.Lease = 300 * time.Millisecond
	store := claims(t, client, settings)
	options := quick()
	options.Idempotency, options.Retries = store, 0
	began := time.Now()
	if _, _, err := store.Begin(t.Context(), group, "1"); err != nil { // by a handler that vanishes
		t.Fatal(err)
	}
	publish(t, client, events, "1")
	var got record
	run(t, client, func(_ context.Context, m *Message) error { got.add(m); return nil }, options)
	eventually(t, "it is handled", func() bool { return len(got.ids()) == 1 })
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("it was handled after %s, within the claim", took)
	}
	allSettled(t, client, events)
	if got.messages[0].Attempt != 1 {
		t.Errorf("attempt %d", got.messages[0].Attempt)
	}
}
