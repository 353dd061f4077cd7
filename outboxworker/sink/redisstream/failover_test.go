package redisstream

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// The master fails under load, and the sink follows the Sentinel to the replica. No message
// is to blame, none is appended twice, and none is missing that was delivered, if the
// replica was in step.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	kill := func(p *pair) error { return p.servers[0].Kill() }
	demote := func(p *pair) error { return p.sentinel.Failover(p.t.Context(), watchedAs).Err() }
	for name, test := range map[string]struct {
		fail   func(*pair) error
		inStep bool
	}{
		"the master dies":              {kill, true},
		"the master becomes a replica": {demote, true},
		"the same while messages come": {demote, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newPair(t).failover(test.fail, test.inStep)
		})
	}
}

// failover has the master fail under load.
func (p *pair) failover(fail func(*pair) error, inStep bool) {
	t := p.t
	t.Helper()
	l := startLoad(t, p.settings())
	p.eventually("messages are delivered", func() bool { return l.count() > 1000 })
	if inStep {
		// What comes from now on waits, and gets no answer.
		if err := p.clients[0].Do(t.Context(), "CLIENT", "PAUSE", "60000", "WRITE").Err(); err != nil {
			t.Fatal(err)
		}
		p.eventually("the replica is in step", func() bool {
			return p.info(0, "replication", "master_repl_offset") == p.info(1, "replication", "master_repl_offset")
		})
	}
	before, began := l.count(), time.Now()
	if err := fail(p); err != nil {
		t.Fatal(err)
	}
	p.eventually("the replica is the master", func() bool { return p.info(1, "replication", "role") == "master" })
	promoted := time.Since(began)
	p.eventually("messages are delivered again", func() bool { return l.count() > before+2000 })
	l.end()

	positions, twice := p.positions()
	for _, id := range twice {
		t.Errorf("%s is there twice", id)
	}
	lost := l.missing(positions)
	t.Logf("the replica was the master after %s; of %d delivered messages, %d of them before, %d are missing", promoted, l.count(), before, lost)
	if inStep && lost > 0 {
		t.Errorf("%d messages were delivered and are not there", lost)
	}
	l.checkOrder(positions)
}

// pair is a master and a replica that a Sentinel watches.
type pair struct {
	t        *testing.T
	servers  [2]*localserver.Redis
	clients  [2]*redis.Client
	address  string // of the Sentinel
	sentinel *redis.SentinelClient
}

const watchedAs = "orders"

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t}
	for i := range p.servers {
		p.servers[i] = testserver.Redis(t)
		_, p.clients[i] = open(t, p.servers[i], nil)
	}
	if err := p.clients[1].ReplicaOf(t.Context(), "127.0.0.1", fmt.Sprint(p.servers[0].Port())).Err(); err != nil {
		t.Fatal(err)
	}
	p.address = testserver.Sentinel(t, p.servers[0], watchedAs, time.Second)
	p.sentinel = redis.NewSentinelClient(&redis.Options{Addr: p.address})
	t.Cleanup(func() { _ = p.sentinel.Close() })
	p.eventually("the Sentinel sees the replica follow", func() bool {
		found, err := p.sentinel.Replicas(t.Context(), watchedAs).Result()
		return err == nil && len(found) == 1 && found[0]["master-link-status"] == "ok" && found[0]["flags"] == "slave"
	})
	return p
}

func (p *pair) settings() Settings {
	s := DefaultSettings()
	s.Sentinel = &Sentinel{Master: watchedAs, Addresses: []string{p.address}}
	s.ChunkMessages, s.DialTimeout, s.Timeout = 20, 500*time.Millisecond, time.Second
	return s
}

func (p *pair) info(server int, section, field string) string {
	_, after, _ := strings.Cut(p.clients[server].Info(p.t.Context(), section).Val(), "\n"+field+":")
	value, _, _ := strings.Cut(after, "\r\n")
	return value
}

func (p *pair) eventually(what string, holds func() bool) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("not true within 30s: %s", what)
		}
	}
}

// positions are where messages are in their streams of the new master, and which are there
// more than once.
func (p *pair) positions() (at map[string]int, twice []string) {
	p.t.Helper()
	at = make(map[string]int)
	for _, stream := range []string{"events:even", "events:odd"} {
		entries, err := p.clients[1].XRange(p.t.Context(), stream, "-", "+").Result()
		if err != nil {
			p.t.Fatal(err)
		}
		for i, entry := range entries {
			id := entry.Values["id"].(string)
			if _, there := at[id]; there {
				twice = append(twice, id)
			}
			at[id] = i
		}
	}
	return at, twice
}

// load is batches that workers deliver at once. Each message is new: none is tried again.
type load struct {
	t       *testing.T
	end     func()
	mu      sync.Mutex
	workers [3][]*sink.Batch
	n       int
}

func startLoad(t *testing.T, settings Settings) *load {
	t.Helper()
	to, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	l := &load{t: t}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for worker := range l.workers {
		running.Go(func() {
			for ctx.Err() == nil {
				b := many(100, 8)
				for i := range b.Messages {
					b.Messages[i].Topic = [...]string{"even", "odd"}[i%2] // as the key's number
				}
				to.Deliver(context.WithoutCancel(ctx), b)
				if !l.add(worker, b) {
					time.Sleep(10 * time.Millisecond) // as a relay pauses, but shorter
				}
			}
		})
	}
	l.end = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(func() {
		l.end()
		if err := to.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// add notes what became of a batch, and tells whether anything of it was delivered.
func (l *load) add(worker int, b *sink.Batch) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.n
	for i, r := range b.Results {
		switch r.Outcome {
		case sink.Delivered:
			l.n++
		case sink.Unreachable, sink.NotSent:
		default:
			l.t.Errorf("message %d is %s: %v", i, r.Outcome, r.Err)
		}
	}
	if l.n > before {
		l.workers[worker] = append(l.workers[worker], b)
	}
	return l.n > before
}

// count is how many messages were delivered.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// each calls do for each message that was delivered, those of a worker in their order.
func (l *load) each(do func(worker int, m *sink.Message)) {
	for worker, batches := range l.workers {
		for _, b := range batches {
			for i, r := range b.Results {
				if r.Outcome == sink.Delivered {
					do(worker, &b.Messages[i])
				}
			}
		}
	}
}

func (l *load) missing(positions map[string]int) (n int) {
	l.each(func(_ int, m *sink.Message) {
		if _, there := positions[m.ID.String()]; !there {
			n++
		}
	})
	return n
}

// checkOrder checks that a worker's messages of a key are in the order in which they were
// delivered.
func (l *load) checkOrder(positions map[string]int) {
	l.t.Helper()
	last := make(map[string]int)
	l.each(func(worker int, m *sink.Message) {
		at, there := positions[m.ID.String()]
		if !there {
			return
		}
		key := strconv.Itoa(worker) + m.Key
		if before, some := last[key]; some && at < before {
			l.t.Errorf("of worker %d and %s, entry %d was delivered after entry %d", worker, m.Key, at, before)
		}
		last[key] = at
	})
}
