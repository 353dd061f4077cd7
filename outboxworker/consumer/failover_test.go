package consumer

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// leading is a client that is led to whichever server is the master, as by Sentinel.
type leading struct {
	*redis.Client
	master atomic.Pointer[localserver.Redis]
}

func newLeading(t *testing.T, master *localserver.Redis) *leading {
	t.Helper()
	l := new(leading)
	l.master.Store(master)
	options, err := redis.ParseURL(master.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", l.master.Load().Port()))
	}
	l.Client = redis.NewClient(options)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// A failover leads to a replica that lacks the last second. What it has is handled, also what
// the old master had seen the end of; what it lacks and had not been handled is lost; and
// what comes now is handled.
func TestFailoverToAReplicaThatIsBehind(t *testing.T) {
	t.Parallel()
	master, replica := testserver.Redis(t), testserver.Redis(t)
	client, other := newLeading(t, master), connect(t, replica)
	if err := other.ReplicaOf(t.Context(), "127.0.0.1", fmt.Sprint(master.Port())).Err(); err != nil {
		t.Fatal(err)
	}
	got := failsTwice(t, client)
	eventually(t, "the replica has the group", func() bool {
		groups, err := other.XInfoGroups(t.Context(), events).Result()
		return err == nil && len(groups) == 1
	})

	sent := appendFor(t, client.Client, 500*time.Millisecond, 0)
	eventually(t, "the replica has some", func() bool { return other.XLen(t.Context(), events).Val() > 0 })
	if err := other.ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	kept, err := other.XRange(t.Context(), events, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	sent = appendFor(t, client.Client, time.Second, sent)
	if len(kept) == 0 || len(kept) >= sent {
		t.Fatalf("the replica has %d of %d messages: it must lack some and have some", len(kept), sent)
	}
	failOver(t, client, master, replica)
	all := appendFor(t, client.Client, 200*time.Millisecond, sent)

	eventually(t, "all that the replica had is handled, and all that came later", func() bool {
		done := doneIDs(got)
		for _, entry := range kept {
			if id, _ := entry.Values["id"].(string); !done[id] {
				return false
			}
		}
		for n := sent; n < all; n++ {
			if !done[fmt.Sprint(n)] {
				return false
			}
		}
		return true
	})
	settledAlive(t, other)
	t.Logf("of %d messages before the failover the replica had %d; %d were lost, and %d of %d done more than once",
		sent, len(kept), all-got.distinct(), len(got.ids())-got.distinct(), all)
}

// A failover leads to a server that has nothing: the group is made again, and reads what
// comes from then on, from its beginning.
func TestFailoverToAnEmptyReplica(t *testing.T) {
	t.Parallel()
	master, replica := testserver.Redis(t), testserver.Redis(t)
	client := newLeading(t, master)
	got := failsTwice(t, client)
	sent := appendFor(t, client.Client, 500*time.Millisecond, 0)
	failOver(t, client, master, replica)
	all := appendFor(t, client.Client, 200*time.Millisecond, sent)
	eventually(t, "all that came later is handled", func() bool {
		done := doneIDs(got)
		for n := sent; n < all; n++ {
			if !done[fmt.Sprint(n)] {
				return false
			}
		}
		return true
	})
	settledAlive(t, connect(t, replica))
	t.Logf("of %d messages before the failover %d were lost", sent, all-got.distinct())
}

// failsTwice runs a consumer that begins with what comes, and is done with each message at
// its third attempt.
func failsTwice(t *testing.T, client *leading) *record {
	t.Helper()
	got := new(record)
	options := quick()
	options.Start, options.Lease, options.Concurrency, options.Retries = "$", 500*time.Millisecond, 4, 1000
	run(t, client.Client, func(_ context.Context, m *Message) error {
		if m.Attempt < 3 {
			return errRefused
		}
		got.add(m)
		return nil
	}, options)
	eventually(t, "the group is there", func() bool {
		groups, err := client.XInfoGroups(t.Context(), events).Result()
		return err == nil && len(groups) == 1
	})
	return got
}

// appendFor appends messages for a while, numbered from first, and returns the next number.
func appendFor(t *testing.T, client *redis.Client, while time.Duration, first int) int {
	t.Helper()
	n := first
	for until := time.Now().Add(while); time.Now().Before(until); n++ {
		if err := appendOnce(client, fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func failOver(t *testing.T, client *leading, master, replica *localserver.Redis) {
	t.Helper()
	if err := master.Kill(); err != nil {
		t.Fatal(err)
	}
	client.master.Store(replica)
}

func doneIDs(got *record) map[string]bool {
	done := make(map[string]bool)
	for _, id := range got.ids() {
		done[id] = true
	}
	return done
}

// settledAlive waits until nothing is left, and checks that nothing died.
func settledAlive(t *testing.T, client *redis.Client) {
	t.Helper()
	allSettled(t, client, events)
	if s := seenOf(t, client, events); s.dead != 0 {
		t.Errorf("%+v", s)
	}
}
