package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

func finderOf(t testing.TB, client redis.UniversalClient, name string) *Finder {
	t.Helper()
	f, err := NewFinder(client, name, group)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// places are where a search finds messages, sorted.
func places(t testing.TB, f *Finder, s Search) string {
	t.Helper()
	result, err := f.Find(t.Context(), s, 100)
	if err != nil || result.Truncated || len(result.Unsearched) > 0 {
		t.Errorf("%+v: %+v, %v", s, result, err)
		return ""
	}
	found := []string{}
	for _, one := range result.Found {
		text := string(one.Place) + " " + one.Message.ID
		if one.Place == Waiting {
			text += " " + one.State
		}
		if one.Replaying {
			text += " replaying"
		}
		found = append(found, text)
	}
	slices.Sort(found)
	return strings.Join(found, ", ")
}

// A message is found wherever a group has it, by each of its ids.
func TestFind(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	o := patient(quick())
	held := make(chan struct{})
	c := run(t, client, func(ctx context.Context, m *Message) error {
		switch {
		case strings.HasPrefix(m.ID, "held"):
			select {
			case <-held:
			case <-ctx.Done():
			}
			return ctx.Err()
		case strings.HasPrefix(m.ID, "dead") && m.Replays == 0:
			return Fatal(errRefused)
		case m.ID == "done":
			return nil
		}
		return errRefused
	}, o)
	entries := make(map[string]string)
	for _, id := range []string{"held", "waits", "dead", "dead again", "done"} {
		entries[id] = publish(t, client, events, id)
	}
	f := finderOf(t, client, events)
	d := deadOf(t, client, events)
	for id, want := range map[string]string{"held": "pending held", "waits": "waiting waits retry", "dead": "dead dead"} {
		eventually(t, id+" is where it should be", func() bool { return places(t, f, Search{ID: id}) == want })
		key := "k" + id
		for name, s := range map[string]Search{"key": {Key: &key}, "biz id": {BizID: "b" + id}} {
			if have := places(t, f, s); have != want {
				t.Errorf("%s by %s: %q, want %q", id, name, have, want)
			}
		}
		if id != "held" {
			want = "acknowledged " + id + ", " + want
		}
		if have := places(t, f, Search{ID: entries[id]}); have != want {
			t.Errorf("%s by its entry: %q, want %q", id, have, want)
		}
	}
	if have := places(t, f, Search{ID: "done"}); have != "" {
		t.Errorf("what is done: %q", have)
	}
	eventually(t, "the entry of what is done is known", func() bool { return places(t, f, Search{ID: entries["done"]}) == "acknowledged done" })

	letter := listed(t, d, Filter{MessageIDs: []string{"dead again"}})[0].ID
	if changed, err := d.Replay(t.Context(), Filter{IDs: []string{letter}}, Change{}); err != nil || changed.Changed != 1 {
		t.Fatal(changed, err)
	}
	eventually(t, "it failed again", func() bool {
		again := listedRetries(t, retriesOf(t, client, events), Filter{IDs: []string{entries["dead again"]}})
		return len(again) == 1 && again[0].Attempts == 1 && again[0].Letter == letter && again[0].Message.Replays == 1
	})
	if have := places(t, f, Search{ID: "dead again"}); have != "dead dead again replaying, waiting dead again retry" {
		t.Errorf("what is replayed: %q", have)
	}
	close(held)
	c.stop()
	unread := publish(t, client, events, "unread")
	if have := places(t, f, Search{ID: unread}); have != "unread unread" {
		t.Errorf("what nobody has read: %q", have)
	}
	if have := places(t, f, Search{ID: "unread"}); have != "" {
		t.Errorf("what nobody has read, by its own id: %q", have)
	}
	for _, id := range []string{"0-0", "99999999999999999999-1", "1-99999999999999999999", "'", "*", "dead:1-1"} {
		if have := places(t, f, Search{ID: id}); have != "" {
			t.Errorf("%s: %q", id, have)
		}
	}
	if have := places(t, finderOf(t, client, "missing"), Search{ID: unread}); have != "" {
		t.Errorf("in a stream that is not there: %q", have)
	}
}

// What a consumer has taken to be handled again, and what is parked, say so.
func TestFindTellsStates(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	r := delay(t, client, 2)
	c, err := New(client, group, func(context.Context, *Message) error { return nil }, quick())
	if err != nil {
		t.Fatal(err)
	}
	if err := client.ZAdd(t.Context(), r.stream.due, redis.Z{Score: 1, Member: listedRetries(t, r, Filter{MessageIDs: []string{"0"}})[0].name}).Err(); err != nil {
		t.Fatal(err)
	}
	if taken, err := c.claim(t.Context(), c.streams[0]); err != nil || len(taken.jobs) != 1 {
		t.Fatal(taken, err)
	}
	f := finderOf(t, client, events)
	if have := places(t, f, Search{ID: "0"}); have != "waiting 0 handling" {
		t.Errorf("%q", have)
	}

	o := patient(ordered())
	run(t, client, func(context.Context, *Message) error { return errRefused }, o)
	post(t, client, "a", 1)
	post(t, client, "a", 2)
	key := "a"
	lane := finderOf(t, client, laneOf("a"))
	eventually(t, "one is parked", func() bool {
		return places(t, lane, Search{Key: &key}) == "waiting a/1 retry, waiting a/2 parked"
	})
}

// Of many the first are found, and when there is no time it is told where nobody looked.
func TestFindIsBounded(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	delay(t, client, 300)
	f := finderOf(t, client, events)
	key := "k7"
	result, err := f.Find(t.Context(), Search{Key: &key}, 30)
	if err != nil || len(result.Found) != 30 || result.Truncated {
		t.Errorf("%d are found, %v, %v", len(result.Found), result.Truncated, err)
	}
	if result, err = f.Find(t.Context(), Search{Key: &key}, 29); err != nil || len(result.Found) != 29 || !result.Truncated {
		t.Errorf("%d are found, %v, %v", len(result.Found), result.Truncated, err)
	}
	if text := fmt.Sprintf("%+v", result); strings.Contains(text, "secret") {
		t.Errorf("a payload or header: %s", text)
	}
	over, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	if result, err = f.Find(over, Search{Key: &key}, 100); err != nil || fmt.Sprint(result.Unsearched) != "[pending waiting dead]" {
		t.Errorf("%+v, %v", result, err)
	}
	if result, err = f.Find(over, Search{ID: "1-1"}, 100); err != nil || fmt.Sprint(result.Unsearched) != "[unread pending waiting dead]" {
		t.Errorf("%+v, %v", result, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err = f.Find(ended, Search{Key: &key}, 100); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	for _, s := range []Search{{}, {ID: "1", BizID: "2"}, {ID: "1", Key: &key}} {
		if _, err := f.Find(t.Context(), s, 1); err == nil {
			t.Errorf("%+v is searched for", s)
		}
	}
}

// Entries that are pending and were removed from the stream, and large ones, are found.
func TestFindPending(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	ctx := t.Context()
	if err := client.XGroupCreateMkStream(ctx, events, group, "0").Err(); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 3<<20)
	var last string
	for i := range 8 {
		last = appended(t, client, events, "id", i, "topic", "orders", "key", "k", "payload", large)
	}
	if err := client.XReadGroup(ctx, &redis.XReadGroupArgs{Group: group, Consumer: "c", Streams: []string{events, ">"}}).Err(); err != nil {
		t.Fatal(err)
	}
	f, key := finderOf(t, client, events), "k"
	result, err := f.Find(ctx, Search{Key: &key}, 100)
	if err != nil || len(result.Found) != 8 || result.Found[7].EntryID != last || result.Found[7].PayloadBytes != 3<<20 || time.Since(result.Found[7].Since).Abs() > time.Minute {
		t.Errorf("%+v, %v", result, err)
	}
	if err := client.XDel(ctx, events, last).Err(); err != nil {
		t.Fatal(err)
	}
	if have := places(t, f, Search{ID: last}); have != "pending " {
		t.Errorf("what was removed from the stream: %q", have)
	}
}
