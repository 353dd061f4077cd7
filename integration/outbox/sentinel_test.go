package outbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// pair is a master and a replica that a Sentinel watches, and what arrives of the streams
// that relays write there and consumers post on.
type pair struct {
	*receiver
	servers [2]*localserver.Redis
	address string // of the Sentinel
	asked   *redis.SentinelClient
}

const watchedAs = "shop"

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{receiver: newReceiver(t, time.Second), servers: [2]*localserver.Redis{testserver.Redis(t), testserver.Redis(t)}}
	replica := connectRedis(t, p.servers[1].URL())
	if err := replica.ReplicaOf(t.Context(), "127.0.0.1", fmt.Sprint(p.servers[0].Port())).Err(); err != nil {
		t.Fatal(err)
	}
	p.address = testserver.Sentinel(t, p.servers[0], watchedAs, time.Second)
	p.asked = redis.NewSentinelClient(&redis.Options{Addr: p.address})
	t.Cleanup(func() { _ = p.asked.Close() })
	p.awaitReplica()
	return p
}

// master is the server that is the master by what the Sentinel says; else is the other.
func (p *pair) master() (master, other *localserver.Redis) {
	found, err := p.asked.GetMasterAddrByName(context.Background(), watchedAs).Result()
	if err == nil && len(found) == 2 && found[1] == fmt.Sprint(p.servers[1].Port()) {
		return p.servers[1], p.servers[0]
	}
	return p.servers[0], p.servers[1]
}

func (p *pair) awaitReplica() {
	p.t.Helper()
	within(p.t, "the Sentinel to see the replica follow", func() (bool, string) {
		found, err := p.asked.Replicas(context.Background(), watchedAs).Result()
		if err != nil || len(found) != 1 {
			return false, fmt.Sprint(found, err)
		}
		return found[0]["master-link-status"] == "ok" && found[0]["flags"] == "slave", fmt.Sprint(found)
	})
}

func (p *pair) sink() string {
	return fmt.Sprintf("redis_stream: {sentinel: %s, lanes: true, chunk_messages: 20, dial_timeout: 500ms, timeout: 800ms}", p.sentinel())
}

// section is the section redis of the configurations.
func (p *pair) section() string {
	return fmt.Sprintf("{sentinel: %s, timeout: 1s}", p.sentinel())
}

func (p *pair) sentinel() string {
	return fmt.Sprintf("{master: %s, addresses: [%q]}", watchedAs, p.address)
}

// failover kills the master and waits until the replica is in its place.
func (p *pair) failover() {
	p.t.Helper()
	master, other := p.master()
	if err := master.Kill(); err != nil {
		p.t.Fatal(err)
	}
	within(p.t, "the replica to be the master", func() (bool, string) {
		now, _ := p.master()
		return now == other, "it is not"
	})
}

// The master of both, the relay's timers and the streams, dies under load, and a Sentinel
// makes the replica the master: relay and consumers go on by themselves, and what the
// replica had is posted, each key in order.
func TestSentinelFailsOver(t *testing.T) {
	t.Parallel()
	sentinelFailsOver(t, 1, settings{})
}

func TestSoakSentinelFailsOver(t *testing.T) {
	soak(t)
	sentinelFailsOver(t, 6, settings{keys: 2000, producers: 8, pace: 2 * time.Millisecond})
}

func sentinelFailsOver(t *testing.T, failovers int, s settings) {
	t.Helper()
	p := newPair(t)
	p.refuse = func(m message, attempt int) int {
		if attempt == 1 && m.seq%10 == 0 {
			return 500
		}
		return 0
	}
	s.redis = p.section()
	y := newSystem(t, p, s)
	consume := filepath.Join(t.TempDir(), "consume.yaml")
	if err := os.WriteFile(consume, []byte(fmt.Sprintf(`redis: %s
http: {address: ""}
consumers:
- name: shipping
  streams: ["events:topic0"]
  ordered: true
  lease: 2s
  breaker_messages: 100
  retry: {base: 100ms, cap: 500ms, retries: 20}
  idempotency: {store: none}
  webhook: {url: "http://%s/in", timeout: 1s, concurrency: 16}
`, p.section(), p.receiver.address)), 0o600); err != nil {
		t.Fatal(err)
	}
	consumers := []*worker{startCommand(t, "consume", consume), startCommand(t, "consume", consume)}
	y.all = append(y.all, consumers...)
	y.produce()
	y.start("")
	for n := range failovers {
		if n > 0 { // the one that was the master becomes the replica
			_, other := p.master()
			if err := other.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.awaitReplica()
		}
		y.flow(100)
		y.await("messages to arrive", 20*time.Second, func() bool { return p.got.count() > 50 })
		p.failover()
		// Both recover: what is committed from now on arrives.
		began := y.committed.count()
		y.flow(100)
		since := y.committed.messages()[began:]
		y.await("what was committed after the failover to be accepted", 30*time.Second, func() bool {
			return len(missing(since, p.journal())) == 0
		})
	}
	p.settle(y)
	for _, w := range consumers {
		w.terminate()
	}
	y.checkLogs()
}

// settle waits until nothing is left anywhere, and checks what was promised.
func (p *pair) settle(y *system) {
	p.t.Helper()
	y.producers.end()
	y.await("the outbox to be empty", time.Minute, func() bool {
		c, err := y.database.counts()
		return err == nil && c.left() == 0
	})
	master, _ := p.master()
	client := connectRedis(p.t, master.URL())
	within(p.t, "the lanes to have nothing left", func() (bool, string) {
		found := p.left(client)
		return found == "", found
	})
	var kept []message
	for _, lane := range consumer.LaneStreams("events:topic0") {
		entries, err := client.XRange(context.Background(), lane, "-", "+").Result()
		if err != nil {
			p.t.Fatal(err)
		}
		for _, entry := range entries {
			payload, _ := entry.Values["payload"].(string)
			m, err := parsePayload([]byte(payload))
			if err != nil {
				p.t.Fatal(err)
			}
			kept = append(kept, m)
		}
	}
	e := &evidence{committed: kept, arrived: p.journal()}
	y.database.rest(e)
	for _, problem := range append(append(e.lost(), e.disorder()...), e.deaths()...) {
		p.t.Error(problem)
	}
	all := y.committed.messages()
	p.t.Logf("of %d messages Redis kept %d; %d were never accepted; %d arrivals", len(all), len(kept), len(missing(all, p.journal())), p.got.count())
}

// left says what is unread, pending or waiting in the lanes, or dead.
func (p *pair) left(client *redis.Client) (all string) {
	ctx := context.Background()
	for n, lane := range consumer.LaneStreams("events:topic0") {
		base := fmt.Sprintf("consumer:{%d}:shipping:%s:", n, lane)
		stream, err := client.XInfoStream(ctx, lane).Result()
		if err != nil {
			if !strings.Contains(err.Error(), "no such key") { // else no message has this lane
				all += fmt.Sprintf("%s: %v; ", lane, err)
			}
			continue
		}
		groups, err := client.XInfoGroups(ctx, lane).Result()
		waits, waitsErr := client.HLen(ctx, base+"entries").Result()
		dead, deadErr := client.XLen(ctx, base+"dead").Result()
		if failed := errors.Join(err, waitsErr, deadErr); failed != nil || len(groups) != 1 {
			all += fmt.Sprintf("%s: %d groups, %v; ", lane, len(groups), failed)
			continue
		}
		// Redis 7.0 counts a lag wrong after a failover, but knows where the group is.
		g := groups[0]
		if g.LastDeliveredID != stream.LastGeneratedID || g.Pending > 0 || waits > 0 || dead > 0 {
			all += fmt.Sprintf("%s: %d entries up to %s, read up to %s, %d pending, %d wait, %d dead; ",
				lane, stream.Length, stream.LastGeneratedID, g.LastDeliveredID, g.Pending, waits, dead)
		}
	}
	return all
}
