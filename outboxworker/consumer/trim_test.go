package consumer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// Three groups read and acknowledge at random while the stream is trimmed: nothing that a
// group has not read, or has pending, is ever gone.
func TestTrim(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	// Small nodes are trimmed soon.
	if err := client.ConfigSet(t.Context(), "stream-node-max-entries", "4").Err(); err != nil {
		t.Fatal(err)
	}
	options := quick()
	options.Keep = 0
	c, err := New(client, group, func(context.Context, *Message) error { return nil }, options)
	if err != nil {
		t.Fatal(err)
	}
	c.hard = t.Context()
	s := c.streams[0]
	ctx := t.Context()
	if err := c.trim(ctx, s); !isMissing(err) {
		t.Errorf("no stream: %v", err)
	}
	groups := []string{"a", "b", "c"}
	needs := make(map[string]map[string]bool) // by group
	for _, g := range groups {
		needs[g] = make(map[string]bool)
		if err := client.XGroupCreateMkStream(ctx, events, g, "0").Err(); err != nil {
			t.Fatal(err)
		}
	}
	pending := make(map[string][]string)
	trimmed := int64(0)
	for range 2000 {
		g := groups[rand.IntN(len(groups))]
		switch rand.IntN(5) {
		case 0, 1:
			id := publish(t, client, events, "1")
			for _, g := range groups {
				needs[g][id] = true
			}
		case 2:
			found, err := client.XReadGroup(ctx, &redis.XReadGroupArgs{Group: g, Consumer: "x", Streams: []string{events, ">"}, Count: rand.Int64N(5) + 1, Block: -1}).Result()
			if err == nil {
				for _, m := range found[0].Messages {
					pending[g] = append(pending[g], m.ID)
				}
			}
		case 3:
			for range min(len(pending[g]), 4) {
				i := rand.IntN(min(len(pending[g]), 5))
				id := pending[g][i]
				pending[g] = append(pending[g][:i], pending[g][i+1:]...)
				if err := client.XAck(ctx, events, g, id).Err(); err != nil {
					t.Fatal(err)
				}
				delete(needs[g], id)
			}
		case 4:
			before := client.XLen(ctx, events).Val()
			if err := c.trim(ctx, s); err != nil {
				t.Fatal(err)
			}
			trimmed += before - client.XLen(ctx, events).Val()
		}
	}
	there := make(map[string]bool)
	for _, m := range client.XRange(ctx, events, "-", "+").Val() {
		there[m.ID] = true
	}
	for g, ids := range needs {
		for id := range ids {
			if !there[id] {
				t.Errorf("group %s needs %s, which is gone", g, id)
			}
		}
	}
	t.Logf("%d entries were trimmed", trimmed)
	if trimmed == 0 {
		t.Error("nothing was trimmed")
	}

	// All is read and acknowledged: what is left is a part of a node.
	for _, g := range groups {
		for {
			found, err := client.XReadGroup(ctx, &redis.XReadGroupArgs{Group: g, Consumer: "x", Streams: []string{events, ">"}, Block: -1}).Result()
			if err != nil {
				break
			}
			for _, m := range found[0].Messages {
				pending[g] = append(pending[g], m.ID)
			}
		}
		if len(pending[g]) > 0 {
			if err := client.XAck(ctx, events, g, pending[g]...).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A group that has read nothing, and the least age, keep everything.
	length := client.XLen(ctx, events).Val()
	c.options.Keep = time.Hour
	keeps := func(why string) {
		t.Helper()
		if err := c.trim(ctx, s); err != nil {
			t.Fatal(err)
		}
		if n := client.XLen(ctx, events).Val(); n != length {
			t.Errorf("%s: %d of %d entries are left", why, n, length)
		}
	}
	keeps("entries are young")
	c.options.Keep = 0
	if err := client.XGroupCreate(ctx, events, "new", "0").Err(); err != nil {
		t.Fatal(err)
	}
	keeps("a group has read nothing")
	if err := client.XGroupDestroy(ctx, events, "new").Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.trim(ctx, s); err != nil {
		t.Fatal(err)
	}
	if n := client.XLen(ctx, events).Val(); n > 4 {
		t.Errorf("%d entries are left", n)
	}
	for _, g := range groups {
		if err := client.XGroupDestroy(ctx, events, g).Err(); err != nil {
			t.Fatal(err)
		}
	}
	length = client.XLen(ctx, events).Val()
	keeps("there is no group")
}

// Ids are numbers of up to 64 bits, which are compared as such.
func TestTrimLargeIDs(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	if err := client.ConfigSet(t.Context(), "stream-node-max-entries", "1").Err(); err != nil {
		t.Fatal(err)
	}
	options := quick()
	options.Keep = 0
	c, err := New(client, group, func(context.Context, *Message) error { return nil }, options)
	if err != nil {
		t.Fatal(err)
	}
	c.hard = t.Context()
	ids := []string{"9-9", "9-10", "10-0", "10-9007199254740993", "10-18446744073709551615", "11-18446744073709551614"}
	for i, last := range ids {
		client.Del(t.Context(), events)
		for _, id := range ids {
			if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: events, ID: id, Values: []any{"a", "b"}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := client.XGroupCreate(t.Context(), events, group, last).Err(); err != nil {
			t.Fatal(err)
		}
		if err := c.trim(t.Context(), c.streams[0]); err != nil {
			t.Fatal(err)
		}
		left := []string{}
		for _, m := range client.XRange(t.Context(), events, "-", "+").Val() {
			left = append(left, m.ID)
		}
		// Of an id whose number is too large to count on, the entry itself stays.
		want := ids[i+1:]
		if len(last) > 17 {
			want = ids[i:]
		}
		if fmt.Sprint(left) != fmt.Sprint(want) {
			t.Errorf("after %s: %v are left, want %v", last, left, want)
		}
	}
}
