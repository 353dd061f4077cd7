package consumer

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency/redisclaim"
)

// withoutMemory has Redis refuse whatever takes memory.
func withoutMemory(t *testing.T, client *redis.Client) {
	t.Helper()
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(t.Context(), "x", "y", 0).Err(); !isCode(err, "OOM") {
		t.Fatalf("there is memory: %v", err)
	}
}

// Without memory a retry whose handler takes long stays its consumer's: else it would be
// taken for one that ends consumers, and so would all entries in hand.
func TestRetryIsKeptWithoutMemory(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	options := quick()
	options.Lease = 2 * time.Second // which a busy machine does not take from a consumer
	begun, release := make(chan struct{}, 1), make(chan struct{})
	var lost atomic.Bool
	c := run(t, client, func(ctx context.Context, m *Message) error {
		if m.Attempt == 1 {
			return errRefused
		}
		begun <- struct{}{}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			lost.Store(true)
			return context.Cause(ctx)
		}
	}, options)
	id := publish(t, client, events, "1")
	<-begun
	leased := c.streams[0].leased
	before := client.ZScore(t.Context(), leased, id).Val()
	withoutMemory(t, client)
	eventually(t, "its lease has been extended", func() bool {
		return lost.Load() || client.ZScore(t.Context(), leased, id).Val() > before+2*float64(options.Lease.Microseconds())
	})
	if lost.Load() {
		t.Error("it is lost")
	}
	close(release)
	allSettled(t, client, events)
}

// Without memory a suspect that may not be taken keeps no other retry from being claimed.
func TestSuspectWithoutMemory(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := streamOf(t, events)
	waitingSuspect(t, client, s, "1-1", 0)
	waitingSuspect(t, client, s, "1-2", 1)
	release := make(chan struct{})
	defer close(release)
	var got record
	run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		if m.ID != "1-3" {
			<-release
		}
		return nil
	}, quick())
	eventually(t, "one suspect is in hand", func() bool { return got.distinct() == 1 })
	due := client.Time(t.Context()).Val().Add(2 * time.Second) // there is no memory then
	waitingSuspect(t, client, s, "1-3", float64(due.UnixMilli()))
	if err := client.HDel(t.Context(), s.state, "1-3").Err(); err != nil { // it is none
		t.Fatal(err)
	}
	withoutMemory(t, client)
	eventually(t, "the other retry is done", func() bool { return got.count("1-3") == 1 })
}

// A Redis that is full of what consumers have not handled lets them handle it, also those
// who claim each message.
func TestBacklogWithoutMemory(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	for _, id := range []string{"1", "2", "3"} {
		publish(t, client, events, id)
	}
	if err := client.XGroupCreate(t.Context(), events, group, "0").Err(); err != nil {
		t.Fatal(err)
	}
	withoutMemory(t, client)
	options := quick()
	var err error
	if options.Idempotency, err = redisclaim.New(client, redisclaim.DefaultSettings()); err != nil {
		t.Fatal(err)
	}
	var got record
	run(t, client, func(_ context.Context, m *Message) error { got.add(m); return nil }, options)
	allSettled(t, client, events)
	if got.distinct() != 3 {
		t.Errorf("handled: %v", got.ids())
	}
}
