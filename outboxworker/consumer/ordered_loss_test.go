package consumer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// What somebody removes or breaks of a lane's keys is mended or set aside, and nothing
// stays parked behind nothing.
func TestOrderedMends(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		do   func(ctx context.Context, client *redis.Client, lane *stream) error
		want string
		// waits tells that the head keeps its time; aside is how much is set aside.
		waits bool
		aside int64
	}{
		{"due is removed", func(ctx context.Context, client *redis.Client, lane *stream) error {
			return client.Del(ctx, lane.due).Err()
		}, upTo(4), false, 0},
		{"parked is removed", func(ctx context.Context, client *redis.Client, lane *stream) error {
			return client.Del(ctx, lane.parked).Err()
		}, upTo(4), true, 0},
		{"all but the entries are of the wrong type", func(ctx context.Context, client *redis.Client, lane *stream) error {
			var all []error
			for _, key := range []string{lane.due, lane.parked, lane.leased, lane.aside, lane.owner} {
				all = append(all, client.Del(ctx, key).Err(), client.Set(ctx, key, "text", 0).Err())
			}
			return errors.Join(all...)
		}, upTo(4), false, 0},
		{"foreign members", func(ctx context.Context, client *redis.Client, lane *stream) error {
			return errors.Join(client.ZAdd(ctx, lane.due, redis.Z{Member: "foreign"}, redis.Z{Member: "1-1"}).Err(),
				client.ZAdd(ctx, lane.parked, redis.Z{Member: "foreign"}, redis.Z{Member: "\xff"}).Err(),
				client.HSet(ctx, lane.state, "5-5", "{").Err())
		}, upTo(4), true, 2},
		{"the head is discarded", func(ctx context.Context, client *redis.Client, lane *stream) error {
			head := client.ZRange(ctx, lane.due, 0, 0).Val()[0]
			return errors.Join(client.ZRem(ctx, lane.due, head).Err(), client.HDel(ctx, lane.entries, head).Err())
		}, "[1 3 4]", false, 0},
		{"entries is of the wrong type", func(ctx context.Context, client *redis.Client, lane *stream) error {
			return errors.Join(client.Del(ctx, lane.entries).Err(), client.Set(ctx, lane.entries, "text", 0).Err())
		}, "[1]", false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := connect(t, testserver.Redis(t))
			s := newSequences()
			var mu sync.Mutex
			fails := true
			o := ordered()
			handler := s.handler(func(m *Message) error {
				mu.Lock()
				defer mu.Unlock()
				if fails && m.ID == "a/2" {
					return After(errRefused, time.Hour)
				}
				return nil
			})
			c := run(t, client, handler, o)
			for n := range 4 {
				post(t, client, "a", n+1)
			}
			lane := streamOf(t, laneOf("a"))
			eventually(t, "three wait", func() bool {
				return client.ZCard(t.Context(), lane.parked).Val() == 3 && client.ZCard(t.Context(), lane.due).Val() == 1
			})
			mu.Lock()
			fails = false
			mu.Unlock()
			if err := test.do(t.Context(), client, lane); err != nil {
				t.Fatal(err)
			}
			if test.waits { // for an hour, as it should
				eventually(t, "it is mended", func() bool {
					members := client.ZRange(t.Context(), lane.parked, 0, -1).Val()
					return len(members) == 3 && !slices.Contains(members, "foreign") &&
						client.ZCard(t.Context(), lane.aside).Val() == test.aside && client.ZCard(t.Context(), lane.due).Val() == 1
				})
				if err := client.ZAdd(t.Context(), lane.due, redis.Z{Member: client.ZRange(t.Context(), lane.due, 0, 0).Val()[0]}).Err(); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "what is left is done", func() bool { return s.of("a") == test.want })
			post(t, client, "a", 5)
			eventually(t, "the key goes on", func() bool { return strings.HasSuffix(s.of("a"), "5]") })
			c.stop()
			if s.broken != nil {
				t.Error(s.broken)
			}
		})
	}
}

// FLUSHALL takes the lane from its owner, who begins anew with what comes after.
func TestOrderedAfterFlush(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := newSequences()
	o := ordered()
	o.Start = "$"
	run(t, client, s.handler(func(*Message) error { return nil }), o)
	eventually(t, "the lane is owned", func() bool { return client.Exists(t.Context(), streamOf(t, laneOf("a")).owner).Val() == 1 })
	post(t, client, "a", 1)
	eventually(t, "one is done", func() bool { return s.of("a") == "[1]" })
	for n := 2; n < 6; n++ {
		if err := errors.Join(client.FlushAll(t.Context()).Err(), client.ScriptFlush(t.Context()).Err()); err != nil {
			t.Fatal(err)
		}
		post(t, client, "a", n)
		eventually(t, "one more is done", func() bool { return s.of("a") == upTo(n) })
	}
	// The stream alone.
	if err := client.Del(t.Context(), laneOf("a")).Err(); err != nil {
		t.Fatal(err)
	}
	post(t, client, "a", 6)
	eventually(t, "the last is done", func() bool { return s.of("a") == upTo(6) })
	assertEmpty(t, client)
}

// A group that was there, and is gone with its lane's owner, begins at the beginning: also for
// one that never owned the lane, and where new groups begin at the end.
func TestOrderedGroupIsLostWithItsOwner(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	o := ordered()
	o.Start = "$"
	handler := func(context.Context, *Message) error { return nil }
	owner := run(t, client, handler, o)
	other, err := New(client, group, handler, o)
	if err != nil {
		t.Fatal(err)
	}
	other.hard = t.Context()
	lane := other.streams[slices.IndexFunc(other.streams, func(s *stream) bool { return s.name == laneOf("a") })]
	eventually(t, "the lane is owned", func() bool { return client.Exists(t.Context(), lane.owner).Val() == 1 })
	(&share{c: other}).settle(t.Context(), 0)
	owner.stop()
	if err := client.Del(t.Context(), lane.name, lane.owner).Err(); err != nil {
		t.Fatal(err)
	}
	post(t, client, "a", 1)
	tenure, err := other.acquire(t.Context(), lane)
	if err != nil {
		t.Fatal(err)
	}
	tenure.from = "" // there is nothing to take over
	if found, err := tenure.take(10); err != nil || len(found.jobs) != 1 {
		t.Errorf("it has %d messages, %v", len(found.jobs), err)
	}
}

// A Redis that is away for longer than the lease, and comes back.
func TestOrderedRedisAway(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t)
	client := connect(t, server)
	s := newSequences()
	o := ordered()
	o.Lease = 500 * time.Millisecond
	c := run(t, client, s.handler(func(*Message) error { return nil }), o)
	post(t, client, "a", 1)
	eventually(t, "one is done, and all lanes are owned", func() bool {
		return s.of("a") == "[1]" && c.logs.FilterMessageSnippet("the lane is this consumer's").Len() >= Lanes
	})
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lanes are lost", func() bool { return c.logs.FilterMessageSnippet("the lane is lost").Len() >= Lanes })
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	post(t, client, "a", 2)
	eventually(t, "both are done", func() bool { return strings.HasSuffix(s.of("a"), "2]") })
	assertEmpty(t, client)
}
