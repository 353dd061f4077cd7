package consumer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// Entries of which no message can be made go to the dead letters as they are, and the
// others are handled.
func TestMalformedEntries(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	many := []any{"id", "many", "topic", "orders"}
	for i := range 10_000 {
		many = append(many, fmt.Sprint("field", i), "value")
	}
	malformed := map[string][]any{
		"the entry has no field id":                                                    {"topic", "orders", "payload", "secret"},
		"the entry has no field topic":                                                 {"id", "1", "payload", "secret"},
		"the entry has no field payload":                                               many,
		"the entry's topic is empty":                                                   {"id", "1", "topic", "", "payload", "secret"},
		"the message cannot be claimed: its id is empty":                               {"id", "", "topic", "orders", "payload", "secret"},
		"the message cannot be claimed: its id is not UTF-8 without NUL":               {"id", "a\x00b", "topic", "orders", "payload", "\xff\xfe"},
		"the message cannot be claimed: its id has 300 bytes, 255 at most are allowed": {"id", strings.Repeat("9", 300), "topic", "orders", "payload", ""},
		"the entry's headers are not a JSON object":                                    {"id", "1", "topic", "orders", "payload", "", "headers", `["secret"]`},
		"the entry's created_at is not a time":                                         {"id", "1", "topic", "orders", "payload", "", "created_at", "secret"},
		"the entry has 100032 bytes, 100000 at most are allowed":                       {"id", "1", "topic", "orders", "payload", strings.Repeat("x", 100_000+33-22)},
	}
	ids := make(map[string]string)
	for want, fields := range malformed {
		ids[want] = appended(t, client, events, fields...)
	}
	publish(t, client, events, "fine")
	options := quick()
	options.MaxBytes = 100_000
	// With all those fields the entry is too large; it has no payload either.
	ids["the entry has 138907 bytes, 100000 at most are allowed"] = ids["the entry has no field payload"]
	malformed["the entry has 138907 bytes, 100000 at most are allowed"] = many
	delete(malformed, "the entry has no field payload")

	var got record
	c := run(t, client, func(_ context.Context, m *Message) error { got.add(m); return nil }, options)
	dead := deadOf(t, client, events)
	eventually(t, "all are dead", func() bool { return len(listed(t, dead, Filter{})) == len(malformed) })
	allSettled(t, client, events)
	c.stop()
	if n := len(got.ids()); n != 1 {
		t.Errorf("%d were handled", n)
	}
	noSecrets(t, c.logs)
	for _, d := range listed(t, dead, Filter{Class: "malformed"}) {
		if ids[d.Error] != d.EntryID {
			t.Errorf("dead: %s %s", d.EntryID, d.Error)
		}
		entry, err := client.XRange(t.Context(), c.streams[0].dead, d.ID, d.ID).Result()
		if err != nil || len(entry) != 1 {
			t.Fatal(entry, err)
		}
		fields := malformed[d.Error]
		if len(fields) > 1000 {
			if len(entry[0].Values["fields_msgpack"].(string)) < 100_000 {
				t.Error("the fields are not kept")
			}
			continue
		}
		for i := 0; i < len(fields); i += 2 {
			if entry[0].Values[fields[i].(string)] != fields[i+1] {
				t.Errorf("the field %s is not kept", fields[i])
			}
		}
	}
	if n := len(listed(t, dead, Filter{Class: "malformed"})); n != len(malformed) {
		t.Errorf("%d are malformed, want %d", n, len(malformed))
	}

	// A replay brings the same fields back, and they are malformed again.
	changed, err := dead.Replay(t.Context(), Filter{Class: "malformed"}, Change{})
	if err != nil || changed.Changed != len(malformed) {
		t.Fatal(changed, err)
	}
	run(t, client, func(context.Context, *Message) error { return nil }, options)
	eventually(t, "all are dead again", func() bool {
		found := listed(t, dead, Filter{})
		return len(found) == len(malformed) && found[0].Replays == 1 && found[len(found)-1].Replays == 1
	})
	for _, d := range listed(t, dead, Filter{}) {
		if ids[d.Error] != d.EntryID || d.Replaying {
			t.Errorf("dead again: %s %s, %v", d.EntryID, d.Error, d.Replaying)
		}
	}
}

// Members that belong to no entry are set aside, and scores that nobody of us writes
// neither hide an entry nor make it late for ever.
func TestForeignMembers(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := streamOf(t, events)
	for i, member := range []string{"", "0", "secret-word", "1-1", strings.Repeat("9", 1<<16), "dead:1-1"} {
		score := []float64{0, math.Inf(-1), -1e308, 12.5}[i%4]
		if err := client.ZAdd(t.Context(), s.due, redis.Z{Score: score, Member: member}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i, member := range []string{"a", "b", "c"} {
		if err := client.ZAdd(t.Context(), s.leased, redis.Z{Score: []float64{math.Inf(-1), math.Inf(1), 5}[i], Member: member}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	// Of these there are entries, but nothing of us wrote them.
	for id, blob := range map[string]string{"x": "secret", "y": "", "z": "\xff\xff\xff"} {
		about := map[string]string{"x": "[1,", "y": `{"attempts":1e999,"replays":nan}`, "z": `{"entry":1,"deep":[{}]}`}[id]
		if err := errors.Join(client.HSet(t.Context(), s.entries, id, blob).Err(), client.HSet(t.Context(), s.state, id, about).Err(),
			client.ZAdd(t.Context(), s.due, redis.Z{Member: id}).Err()); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, client, events, "1")
	var got record
	c := run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		if m.Attempt == 1 {
			return errRefused
		}
		return nil
	}, quick())
	eventually(t, "the message is done", func() bool { return len(got.ids()) == 2 })
	allSettled(t, client, events)
	c.stop()
	if n := client.ZCard(t.Context(), s.aside).Val(); n != 9 {
		t.Errorf("%d members were set aside, want 9", n)
	}
	if found := listed(t, deadOf(t, client, events), Filter{Class: "malformed"}); len(found) != 3 {
		t.Errorf("dead: %+v", found)
	}
	if c.logs.FilterMessageSnippet("set aside").Len() == 0 {
		t.Error("it is not reported")
	}
	noSecrets(t, c.logs)
}

// A key of the wrong type is renamed, and what was there is not lost but renamed with it.
func TestWrongTypes(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := streamOf(t, events)
	var got record
	options := quick()
	options.Retries = 1
	c := run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		if m.ID == "fatal" {
			return Fatal(errRefused)
		}
		if m.Attempt == 1 {
			return errRefused
		}
		return nil
	}, options)
	for i, key := range []string{s.due, s.leased, s.entries, s.state, s.aside, s.dead} {
		if err := errors.Join(client.Del(t.Context(), key).Err(), client.Set(t.Context(), key, "secret", 0).Err()); err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprint(i)
		publish(t, client, events, id)
		eventually(t, "a message is done after "+key, func() bool { return got.count(id) >= 2 })
	}
	if err := errors.Join(client.Del(t.Context(), s.dead).Err(), client.Set(t.Context(), s.dead, "secret", 0).Err()); err != nil {
		t.Fatal(err)
	}
	publish(t, client, events, "fatal")
	eventually(t, "a message is dead", func() bool { return client.XLen(t.Context(), s.dead).Val() == 1 })
	allSettled(t, client, events)
	renamed, err := client.Keys(t.Context(), s.base+"wrong:*").Result()
	if err != nil || len(renamed) != 7 {
		t.Errorf("renamed: %v, %v", renamed, err)
	}

	// The stream itself is somebody else's: it is said, and tried again now and then.
	if err := errors.Join(client.Del(t.Context(), events).Err(), client.Set(t.Context(), events, "secret", 0).Err()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is said", func() bool {
		return c.logs.FilterMessage("a consumer cannot go on at present: reading the stream").Len() > 0
	})
	if err := client.Del(t.Context(), events).Err(); err != nil {
		t.Fatal(err)
	}
	publish(t, client, events, "after")
	eventually(t, "it goes on", func() bool { return got.count("after") == 2 })
	noSecrets(t, c.logs)
}

// A claim that fails as a key is of the wrong type leaves leases that have run out.
func TestClaimOfWrongType(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := streamOf(t, events)
	keys := []string{s.due, s.leased, s.entries, s.state, s.aside}
	for _, key := range []string{s.due, s.entries, s.state, s.aside} {
		if err := errors.Join(client.Del(t.Context(), keys...).Err(), client.Set(t.Context(), key, "text", 0).Err(),
			client.ZAdd(t.Context(), s.leased, redis.Z{Score: 1, Member: "1-1"}).Err()); err != nil {
			t.Fatal(err)
		}
		if err := claimScript.Run(t.Context(), client, keys, 1, 1, 1, 1, 1).Err(); !isCode(err, "WRONGTYPE") {
			t.Errorf("%s: %v", key, err)
		}
		if n := client.ZCard(t.Context(), s.leased).Val(); n != 1 {
			t.Errorf("%s: the lease is gone", key)
		}
	}
}

// What waits and has lost its time, its lease or its state, as somebody has removed a
// key, is tried again.
func TestRemovedKeys(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := streamOf(t, events)
	options := quick()
	options.Backoff = fixed(time.Hour)
	var got record
	c := run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		if m.Attempt == 1 && len(got.ids()) == 1 {
			return errRefused
		}
		return nil
	}, options)
	publish(t, client, events, "1")
	eventually(t, "it waits", func() bool { return seenOf(t, client, events).waiting == 1 })
	if err := client.Del(t.Context(), s.due, s.state).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.repair(t.Context(), c.streams[0]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is handled", func() bool { return len(got.ids()) == 2 })
	allSettled(t, client, events)
	if c.logs.FilterMessageSnippet("somebody has removed a key").Len() != 1 {
		t.Error("it is not reported")
	}
}

// fixed is always the same wait.
type fixed time.Duration

func (f fixed) Wait(int) time.Duration { return time.Duration(f) }

// An entry that somebody removed from the stream while it was handled is kept by whoever
// has it, and one that nobody has is reported.
func TestEntriesThatAreRemoved(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	id := publish(t, client, events, "1")
	var got record
	c := run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		if m.Attempt > 1 {
			return nil
		}
		return errors.Join(errRefused, client.XDel(context.Background(), events, m.EntryID).Err())
	}, quick())
	eventually(t, "it is handled again", func() bool { return len(got.ids()) == 2 })
	allSettled(t, client, events)
	c.stop()
	if m := got.messages[1]; m.ID != "1" || string(m.Payload) != "secret-1" || m.EntryID != id {
		t.Errorf("%+v", m)
	}

	gone := publish(t, client, events, "2")
	if err := client.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: group, Consumer: "dead", Streams: []string{events, ">"}}).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.XDel(t.Context(), events, gone).Err(); err != nil {
		t.Fatal(err)
	}
	options := quick()
	options.Lease = 100 * time.Millisecond
	c = run(t, client, func(_ context.Context, m *Message) error { got.add(m); return nil }, options)
	eventually(t, "it is reported", func() bool { return c.logs.FilterMessageSnippet("removed from the stream").Len() == 1 })
	allSettled(t, client, events)
}

// The same if the consumer gives signs of life before its handler ends, and with what no
// handler has begun with when the consumer stops.
func TestRemovedWhileHandled(t *testing.T) {
	t.Parallel()
	for _, lease := range []time.Duration{4 * time.Second, time.Hour} { // no machine stalls for longer
		client := connect(t, testserver.Redis(t))
		options := quick()
		options.Lease, options.ForgetAfter, options.Concurrency, options.Backoff = lease, lease, 1, fixed(time.Hour)
		begun, end := make(chan struct{}), make(chan struct{})
		c := run(t, client, func(context.Context, *Message) error {
			begun <- struct{}{}
			<-end
			return errRefused
		}, options)
		publish(t, client, events, "slow")
		<-begun
		publish(t, client, events, "waits")
		eventually(t, "it has both", func() bool { return c.held.len() == 2 })
		if err := client.XTrimMaxLen(t.Context(), events, 0).Err(); err != nil {
			t.Fatal(err)
		}
		// Any XAUTOCLAIM ends what is not in the stream, also where it takes nothing.
		if err := client.XAutoClaimJustID(t.Context(), &redis.XAutoClaimArgs{
			Stream: events, Group: group, Consumer: "other", Start: "0-0", MinIdle: time.Hour,
		}).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "they are pending no more", func() bool { return seenOf(t, client, events).pending == 0 })
		called := keepCalls(t, client)
		eventually(t, "it has given signs of life", func() bool { return lease > time.Minute || keepCalls(t, client) > called+2 })
		go c.stop()
		eventually(t, "what has not begun waits", func() bool { return seenOf(t, client, events).waiting == 1 })
		close(end)
		c.stop()
		if s := seenOf(t, client, events); s.waiting != 2 || s.pending != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// keepCalls counts what signs of life end with, of entries that are in the stream no more.
func keepCalls(t *testing.T, client *redis.Client) int {
	t.Helper()
	info, err := client.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(info, "cmdstat_xrange:calls=")
	text, _, _ = strings.Cut(text, ",")
	n, _ := strconv.Atoi(text)
	return n
}

// What is taken over at once is bounded in bytes; the rest follows.
func TestTakeoverOfLargeEntries(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	const count = 20
	for i := range count {
		appended(t, client, events, "id", i, "topic", "orders", "payload", strings.Repeat("x", 1<<20))
	}
	c, err := New(client, group, func(context.Context, *Message) error { return nil }, quick())
	if err != nil {
		t.Fatal(err)
	}
	s := c.streams[0]
	if _, err := c.createGroup(t.Context(), s, "0"); err != nil {
		t.Fatal(err)
	}
	if err := client.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: group, Consumer: "dead", Streams: []string{events, ">"}}).Err(); err != nil {
		t.Fatal(err)
	}
	c.options.Lease = 0
	all := 0
	for cursor := firstPending; ; {
		found, err := c.takeOverOnce(t.Context(), s, cursor)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(found.jobs); n > readBytes>>20 {
			t.Errorf("%d were taken over at once", n)
		}
		all += len(found.jobs)
		if cursor = found.next; cursor == "" {
			break
		}
	}
	if all != count {
		t.Errorf("%d were taken over", all)
	}
}
