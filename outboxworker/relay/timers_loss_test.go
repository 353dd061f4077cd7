package relay

// timers_loss_test.go: Redis loses the timers, all or some, at the worst time. PostgreSQL
// knows what waits, so nothing is lost, keys keep their order, and there are timers again.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// load is how much flows while harm is done.
type load struct {
	keys, each int
	every      time.Duration // between two messages of all keys, and between two harms
}

var short = load{keys: 10, each: 5, every: 200 * time.Millisecond}

// soak is the full count.
func soak(t *testing.T) load {
	t.Helper()
	if os.Getenv("WEIR_SOAK") != "1" {
		t.Skip("the full count runs with WEIR_SOAK=1")
	}
	return load{keys: 100, each: 100, every: 200 * time.Millisecond}
}

// harmed has messages refused twice while harm is done, and checks that all arrive in order
// and that retries are on time afterwards.
func (f *timedFixture) harmed(l load, harmful func()) {
	f.Helper()
	f.got.Set(refuseOnce(2))
	f.startTimed()
	f.up("1")
	ctx, stop := context.WithCancel(f.Context())
	defer stop()
	wait := harm(ctx, l.every, harmful)
	for n := range l.each {
		for key := range l.keys {
			f.Enqueue(fmt.Sprint("k", key), fmt.Sprintf("often-%d", n))
		}
		sleep(ctx, l.every, nil)
	}
	stop()
	wait()
	f.delivered(l.keys, l.each)
	f.recovers()
}

func flushAll(t *testing.T, l load) {
	f := newTimedFixture(t)
	f.harmed(l, func() {
		if err := f.client.FlushAll(t.Context()).Err(); err != nil {
			t.Error(err)
		}
	})
	if n := f.metric("outbox_timers_rebuilds_total"); n < 2 {
		t.Errorf("the timers were rebuilt %v times", n)
	}
}

func TestRedisIsFlushed(t *testing.T)     { flushAll(t, short) }
func TestSoakRedisIsFlushed(t *testing.T) { flushAll(t, soak(t)) }

func scriptFlush(t *testing.T, l load) {
	f := newTimedFixture(t)
	l.every /= 4
	l.each *= 4
	f.harmed(l, func() {
		if err := f.client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Error(err)
		}
	})
	if n := f.metric("outbox_timers_rebuilds_total"); n != 1 {
		t.Errorf("the timers were rebuilt %v times, want once at the start", n)
	}
}

func TestScriptsAreFlushed(t *testing.T)     { scriptFlush(t, short) }
func TestSoakScriptsAreFlushed(t *testing.T) { scriptFlush(t, soak(t)) }

// A Redis that keeps nothing is killed and comes back empty.
func killed(t *testing.T, l load) {
	f := newTimedFixture(t)
	f.harmed(l, func() {
		if err := errors.Join(f.redis.Kill(), f.redis.Restart(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if n := f.metric("outbox_timers_rebuilds_total"); n < 2 {
		t.Errorf("the timers were rebuilt %v times", n)
	}
}

func TestRedisIsKilled(t *testing.T)     { killed(t, short) }
func TestSoakRedisIsKilled(t *testing.T) { killed(t, soak(t)) }

// A failover leads to a server that knows nothing.
func failoverToEmpty(t *testing.T, l load) {
	f := newTimedFixture(t)
	other := testserver.Redis(t)
	servers := []*localserver.Redis{f.redis, other}
	n := 0
	f.harmed(l, func() {
		n++
		next := servers[n%2]
		client := newClient(t, address(next))
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Error(err)
		}
		f.to.lead(address(next))
	})
}

func TestFailoverToAnEmptyReplica(t *testing.T)     { failoverToEmpty(t, short) }
func TestSoakFailoverToAnEmptyReplica(t *testing.T) { failoverToEmpty(t, soak(t)) }

// A failover leads to a replica that lacks the last second: it knows the epoch, so nobody
// rebuilds, and what it lacks the sweep adds.
func TestFailoverToAReplicaThatIsBehind(t *testing.T) {
	f := newTimedFixture(t)
	replica := testserver.Redis(t)
	client := newClient(t, address(replica))
	if err := client.ReplicaOf(t.Context(), "127.0.0.1", fmt.Sprint(f.redis.Port())).Err(); err != nil {
		t.Fatal(err)
	}
	f.got.Set(refuseOnce(2))
	f.startTimed()
	f.up("1")
	key := "retry:{shop.outbox}:epoch"
	f.Eventually("1", func() string { return fmt.Sprint(client.Exists(t.Context(), key).Val()) })
	before := client.Get(t.Context(), key).Val()

	// From here on the replica hears nothing. The waits are longer than it lags, so
	// that there are timers that it lacks.
	if err := client.ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, attempts, message_id, topic, key, type, payload, created_at)
		SELECT 1000000 + i, hashtextextended('far' || i, 0) & 7, 'retry', now() + interval '50 seconds', 1, gen_random_uuid(), 't', 'far' || i, '', 'x', now()
		FROM generate_series(1, 50) i`)
	for n := range short.each {
		for key := range short.keys {
			f.Enqueue(fmt.Sprint("k", key), fmt.Sprintf("often-%d", n))
		}
		sleep(t.Context(), short.every, nil)
	}
	if err := f.redis.Kill(); err != nil {
		t.Fatal(err)
	}
	f.up("0")
	f.to.lead(address(replica))
	// Timers that are set meanwhile are in the set too, but only the sweep counts.
	counted := func() string {
		timers, err := client.ZCard(t.Context(), "retry:{shop.outbox}:due").Result()
		return fmt.Sprint(timers >= 50 && f.metric("outbox_timers_missing_total") >= 50, err)
	}
	f.Eventually("true <nil>", counted)
	f.Exec("UPDATE outbox.deferred SET due_at = now() WHERE id > 1000000")
	f.delivered(short.keys, short.each)
	f.recovers()
	if after := client.Get(t.Context(), key).Val(); after != before || before == "" {
		t.Errorf("the epoch was %q and is %q", before, after)
	}
}
