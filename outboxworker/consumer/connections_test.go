package consumer

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// A consumer of more streams than its client may have connections is not held up by those in
// which nothing happens.
func TestFewConnections(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t)
	parsed, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	parsed.PoolSize = 10 // what a client has by default for one processor
	client := redis.NewClient(parsed)
	t.Cleanup(func() { _ = client.Close() })
	options := quick()
	for i := range 29 {
		options.Streams = append(options.Streams, fmt.Sprint("idle", i))
	}
	const messages = 500
	for i := range messages {
		publish(t, client, events, fmt.Sprint(i))
	}
	var got record
	c := run(t, client, func(_ context.Context, m *Message) error { got.add(m); return nil }, options)
	began := time.Now()
	eventually(t, "all are handled", func() bool { return got.distinct() == messages })
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	allSettled(t, connect(t, server), events)
	publish(t, connect(t, server), "idle7", "last")
	eventually(t, "what comes later is handled", func() bool { return got.count("last") == 1 })
	c.stop()
}
