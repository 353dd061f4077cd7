package outbox

// target.go holds what workers deliver to, but for webhooks: Redis Streams.

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// target is what workers deliver to.
type target interface {
	// sink is the part of the configuration that names it, as one line of YAML.
	sink() string
	// journal is all that arrived, in its order.
	journal() []arrival
}

// streams are Redis Streams, one for each topic. What a stream holds is the journal:
// Redis writes it to its disk before it answers, and so it outlives a kill.
type streams struct {
	t      testing.TB
	server *localserver.Redis
	topics int
	client *redis.Client
	// timeout is that of the worker's calls.
	timeout time.Duration
}

// newStreams starts a Redis.
func newStreams(t testing.TB, topics int) *streams {
	t.Helper()
	server := testserver.RedisWith(t, localserver.RedisOptions{AppendFsync: "always"})
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return &streams{t: t, server: server, topics: topics, client: client, timeout: 800 * time.Millisecond}
}

// sink has small chunks, so that a batch takes several calls.
func (s *streams) sink() string {
	return fmt.Sprintf(`redis_stream: {url: %q, stream: "events:{topic}", chunk_messages: 20, dial_timeout: 500ms, timeout: %s}`,
		s.server.URL(), s.timeout)
}

// killAndRestart kills Redis and starts it again after a while.
func (s *streams) killAndRestart(down time.Duration) {
	s.t.Helper()
	if err := s.server.Kill(); err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(down)
	if err := s.server.Restart(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// journal reads the streams, one after the other: a key is in one of them.
func (s *streams) journal() (all []arrival) {
	s.t.Helper()
	for n := range s.topics {
		for _, entry := range s.entries(fmt.Sprintf("events:topic%d", n)) {
			payload, _ := entry.Values["payload"].(string)
			m, err := parsePayload([]byte(payload))
			if err != nil {
				s.t.Errorf("entry %s of a stream: %v", entry.ID, err)
				continue
			}
			all = append(all, arrival{m, true})
		}
	}
	return all
}

// entries are those of a stream, in its order.
func (s *streams) entries(stream string) (all []redis.XMessage) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	from := "-"
	for {
		some, err := s.client.XRangeN(ctx, stream, from, "+", 2000).Result()
		if err != nil {
			s.t.Fatalf("reading stream %s: %v", stream, err)
		}
		if len(some) == 0 {
			return all
		}
		all = append(all, some...)
		from = "(" + some[len(some)-1].ID
	}
}
