package consumer

import (
	"context"
	"crypto/sha1" // what the scripts know keys by
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// memberOf is the member of parked of what waits of a key under that id.
func memberOf(key, id string) string {
	sum := sha1.Sum([]byte(key))
	ms, seq, _ := strings.Cut(id, "-")
	return fmt.Sprintf("%s:%020s-%020s:%s", hex.EncodeToString(sum[:]), ms, seq, id)
}

func zOf(member string) redis.Z { return redis.Z{Member: member} }

// A Redis that has forgotten the last moment, as a replica that was behind, while the lane
// has the owner that it had: what became of a message was not written down, and it is
// handled again, by the same consumer.
func TestOrderedRedisForgetsAMoment(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	var tries atomic.Int64
	begun, end := make(chan struct{}), make(chan struct{})
	run(t, client, func(context.Context, *Message) error {
		if tries.Add(1) == 1 {
			close(begun)
			<-end
			return After(errRefused, time.Hour)
		}
		return nil
	}, ordered())
	post(t, client, "a", 1)
	<-begun
	lane := streamOf(t, laneOf("a"))
	back := client.TxPipeline()
	back.FlushAll(t.Context())
	for _, key := range client.Keys(t.Context(), "*").Val() {
		ttl := max(0, client.PTTL(t.Context(), key).Val())
		back.Restore(t.Context(), key, ttl, client.Dump(t.Context(), key).Val())
	}
	close(end)
	eventually(t, "it waits", func() bool { return client.ZCard(t.Context(), lane.due).Val() == 1 })
	if _, err := back.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is handled again", func() bool { return tries.Load() == 2 })
	assertEmpty(t, client)
}

// Nothing is begun after the lease has run out, as in a process that was stopped.
func TestOrderedBeginsNothingLate(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	post(t, client, "a", 1)
	held := owned(t, client, laneOf("a"))
	held.from = ""
	held.c.handler = func(context.Context, *Message) error {
		t.Error("a handler was called")
		return nil
	}
	found, err := held.take(1)
	if err != nil || len(found.jobs) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	j := found.jobs[0]
	held.c.held.add(held.ctx, j)
	held.holdUntil(time.Now())
	held.c.attend(t.Context(), j)
	if !j.isLost() {
		t.Error("the message is not lost")
	}
}

// A consumer that was heard of in the future, as the clock has been set back since, has
// gone by now for all that is known: its lanes are for the others.
func TestOrderedClockIsSetBack(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	o := ordered()
	o.Lease = 500 * time.Millisecond
	run(t, client, func(context.Context, *Message) error { return nil }, o)
	owners := func() int { return len(client.Keys(t.Context(), "consumer:*:owner").Val()) }
	eventually(t, "all lanes are owned", func() bool { return owners() == Lanes })
	lives := client.Keys(t.Context(), "consumer:{billing}:*:consumers").Val()
	future := redis.Z{Score: float64(time.Now().Add(time.Hour).UnixMilli()), Member: "gone"}
	if err := client.ZAdd(t.Context(), lives[0], future).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it does not count", func() bool { return client.ZCard(t.Context(), lives[0]).Val() == 1 && owners() == Lanes })
}

// A lane whose owner is gone is free in the end also where the lease would last for ever, as
// somebody has taken its end away, or for days, as the clock has been set back.
func TestOrderedLeaseWithoutAnEnd(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	for i, lasts := range []time.Duration{0, 48 * time.Hour} { // 0: no end
		owner := streamOf(t, LaneStreams(events)[i]).owner
		if err := client.HSet(t.Context(), owner, "owner", "gone", "turn", 1).Err(); err != nil {
			t.Fatal(err)
		}
		if lasts > 0 {
			if err := client.PExpire(t.Context(), owner, lasts).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	o := ordered()
	o.Lease = 500 * time.Millisecond
	c := run(t, client, func(context.Context, *Message) error { return nil }, o)
	eventually(t, "all lanes are owned", func() bool { return c.logs.FilterMessageSnippet("the lane is this consumer's").Len() == Lanes })
}

// A message whose end may not be written down stays where it is until that is allowed.
func TestOrderedWithoutARight(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t)
	admin := connect(t, server)
	line := strings.Replace(Rights, "+xadd ", "", 1)
	if err := admin.Do(t.Context(), words("ACL SETUSER restricted on >password ~events:* ~consumer:* -@all "+line)...).Err(); err != nil {
		t.Fatal(err)
	}
	parsed, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	parsed.Username, parsed.Password, parsed.PoolSize = "restricted", "password", 100
	client := redis.NewClient(parsed)
	t.Cleanup(func() { _ = client.Close() })
	post(t, admin, "a", 1)
	c := run(t, client, func(context.Context, *Message) error { return Fatal(errRefused) }, ordered())
	eventually(t, "it is refused", func() bool {
		return c.logs.FilterMessageSnippet("writing down what became of messages").Len() > 0
	})
	lane := streamOf(t, laneOf("a"))
	if found := seenOf(t, admin, lane.name); found.pending != 1 {
		t.Errorf("%+v", found)
	}
	if err := admin.Do(t.Context(), words("ACL SETUSER restricted +xadd")...).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is dead", func() bool { return len(listed(t, deadOf(t, admin, lane.name), Filter{})) == 1 })
	assertEmpty(t, admin)
}

func words(line string) (all []any) {
	for word := range strings.FieldsSeq(line) {
		all = append(all, word)
	}
	return all
}

// What somebody has written into a state as the dead letter of a message may be no id.
func TestOrderedForeignState(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"dead":"abc"}`, `{"dead":"99999999999999999999-1"}`} {
		client := connect(t, testserver.Redis(t))
		s := newSequences()
		var fails atomic.Bool
		fails.Store(true)
		run(t, client, s.handler(func(*Message) error {
			if fails.Load() {
				return After(errRefused, 500*time.Millisecond)
			}
			return nil
		}), ordered())
		lane := streamOf(t, laneOf("a"))
		appended(t, client, lane.dead, "a", "b")
		id := post(t, client, "a", 1)
		eventually(t, "it waits", func() bool { return client.ZCard(t.Context(), lane.due).Val() == 1 })
		if err := client.HSet(t.Context(), lane.state, id, text).Err(); err != nil {
			t.Fatal(err)
		}
		fails.Store(false)
		eventually(t, "it is done", func() bool { return s.of("a") == "[1]" })
		assertEmpty(t, client)
	}
}
