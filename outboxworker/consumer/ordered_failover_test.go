package consumer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// A failover leads to a replica that lacks the last moment, with the lanes owned as they were
// then. What it has is handled, each key in order, and so is what comes now. What was handled
// in that moment is perhaps handled again: in order, too.
func TestOrderedFailoverToAReplicaThatIsBehind(t *testing.T) {
	master, replica := testserver.Redis(t), testserver.Redis(t)
	client, other := newLeading(t, master), connect(t, replica)
	if err := other.ReplicaOf(t.Context(), "127.0.0.1", fmt.Sprint(master.Port())).Err(); err != nil {
		t.Fatal(err)
	}
	s := newSequences()
	o := ordered()
	o.Concurrency = 4
	run(t, client.Client, s.handler(func(m *Message) error {
		time.Sleep(2 * time.Millisecond) // the work
		if m.Attempt == 1 && len(m.ID)%2 == 0 {
			return errRefused
		}
		return nil
	}), o)
	p := poster{t: t, client: client.Client, sent: make(map[string]int)}
	p.post(500 * time.Millisecond)
	eventually(t, "the replica has all lanes, owned", func() bool {
		return len(other.Keys(t.Context(), "consumer:*:owner").Val()) == Lanes && len(keptOf(t, other)) > 0
	})
	if err := other.ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	kept := keptOf(t, other)
	p.post(time.Second)
	if n := p.count(); len(kept) == 0 || len(kept) >= n {
		t.Fatalf("the replica has %d of %d messages: it must lack some and have some", len(kept), n)
	}
	before, lacks := p.count(), p.count()-len(kept)
	failOver(t, client, master, replica)
	first := maps.Clone(p.sent)
	p.post(500 * time.Millisecond)
	for key, n := range p.sent {
		for i := first[key] + 1; i <= n; i++ {
			kept = append(kept, message{key, i})
		}
	}
	eventually(t, "all that the replica had is handled, and all that came later", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !slices.ContainsFunc(kept, func(m message) bool { return !slices.Contains(s.done[m.key], m.n) })
	})
	assertEmpty(t, other)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.broken) > 0 {
		t.Error(s.broken)
	}
	handled := 0
	for key, done := range s.done {
		handled += len(done)
		back := 0
		for i := 1; i < len(done); i++ {
			if done[i] < done[i-1] {
				back++
			}
		}
		if back > 1 {
			t.Errorf("key %s goes back %d times, and there was one failover: %v", key, back, done)
		}
	}
	t.Logf("of %d messages before the failover the replica lacked %d; %d were sent and %d handled",
		before, lacks, p.count(), handled)
}

type message struct {
	key string
	n   int
}

// poster posts messages of some keys, numbered for each.
type poster struct {
	t      *testing.T
	client *redis.Client
	sent   map[string]int
}

func (p *poster) post(while time.Duration) {
	p.t.Helper()
	const keys = 20
	for until := time.Now().Add(while); time.Now().Before(until); {
		for k := range keys {
			key := fmt.Sprint("k", k)
			args := &redis.XAddArgs{Stream: laneOf(key), Values: []any{
				"id", fmt.Sprintf("%s/%d", key, p.sent[key]+1), "topic", "orders", "key", key, "payload", "p"}}
			eventually(p.t, "Redis takes a message", func() bool { return p.client.XAdd(context.Background(), args).Err() == nil })
			p.sent[key]++
		}
		time.Sleep(20 * time.Millisecond) // the pace
	}
}

func (p *poster) count() (n int) {
	for _, sent := range p.sent {
		n += sent
	}
	return n
}

// keptOf is what is in the lanes.
func keptOf(t *testing.T, client *redis.Client) (all []message) {
	t.Helper()
	for _, name := range LaneStreams(events) {
		entries, err := client.XRange(t.Context(), name, "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			var m message
			m.key, _ = entry.Values["key"].(string)
			text, _ := entry.Values["id"].(string)
			if _, err := fmt.Sscanf(text, m.key+"/%d", &m.n); err != nil {
				t.Fatal(err)
			}
			all = append(all, m)
		}
	}
	return all
}
