package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// bury makes dead letters: messages with these ids, of two topics and two errors.
func bury(t *testing.T, client redis.UniversalClient, count int) *DeadLetters {
	t.Helper()
	options := quick()
	options.Retries = 0
	c := run(t, client, func(_ context.Context, m *Message) error {
		if strings.HasSuffix(m.ID, "3") {
			return Fatal(Class(fmt.Errorf("order %s is unknown", m.ID), "unknown"))
		}
		return errRefused
	}, options)
	pipe := client.Pipeline()
	for i := range count {
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: events, Values: []any{
			"id", i, "topic", []string{"orders", "bills"}[i%2], "key", fmt.Sprint("k", i%10), "payload", "secret", "biz_id", fmt.Sprint("b", i),
		}})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are dead", func() bool { return client.XLen(t.Context(), streamOf(t, events).dead).Val() == int64(count) })
	c.stop()
	return deadOf(t, client, events)
}

func ids(found []Dead) []string {
	ids := []string{}
	for _, d := range found {
		ids = append(ids, d.Message.ID)
	}
	slices.Sort(ids)
	return ids
}

func TestListDead(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	d := bury(t, client, 20)
	all := listed(t, d, Filter{})
	key := "k3"
	for name, test := range map[string]struct {
		filter Filter
		want   string
	}{
		"topic":       {Filter{Topic: "bills"}, "[1 11 13 15 17 19 3 5 7 9]"},
		"key":         {Filter{Key: &key}, "[13 3]"},
		"class":       {Filter{Class: "unknown"}, "[13 3]"},
		"fingerprint": {Filter{Fingerprint: all[slices.IndexFunc(all, func(d Dead) bool { return d.Message.ID == "13" })].Fingerprint}, "[13 3]"},
		"text":        {Filter{Text: "order 13 is"}, "[13]"},
		"ids":         {Filter{IDs: []string{all[1].ID, all[0].ID, all[1].ID, "1-1", "foreign"}}, fmt.Sprint(ids(all[:2]))},
		"message ids": {Filter{MessageIDs: []string{"5", "7", "99"}}, "[5 7]"},
		"biz id":      {Filter{BizID: "b5"}, "[5]"},
		"all of them": {Filter{Topic: "bills", Class: "failed", MessageIDs: []string{"5", "3"}}, "[5]"},
		"since":       {Filter{Since: time.Now().Add(time.Hour)}, "[]"},
		"until":       {Filter{Until: time.Now().Add(-time.Hour)}, "[]"},
	} {
		if have := fmt.Sprint(ids(listed(t, d, test.filter))); have != test.want {
			t.Errorf("%s: %s, want %s", name, have, test.want)
		}
	}

	// Page by page, and without payloads.
	var pages []Dead
	for after := ""; ; {
		found, next, err := d.List(t.Context(), Filter{}, after, 7, false)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
		if after = next; after == "" {
			break
		}
	}
	if fmt.Sprint(ids(pages)) != fmt.Sprint(ids(all)) || pages[0].Message.Payload != nil || pages[0].PayloadBytes != 6 || string(all[0].Message.Payload) != "secret" {
		t.Errorf("pages: %d, %+v", len(pages), pages[0])
	}
	if found, next, err := d.List(t.Context(), Filter{}, "", 0, false); err != nil || len(found) != 0 || next != "" {
		t.Errorf("a page of none: %+v, %q, %v", found, next, err)
	}
	groups, err := d.Groups(t.Context(), Filter{})
	if err != nil || len(groups) != 2 || groups[0].Count != 18 || groups[1].Count != 2 || groups[1].Class != "unknown" ||
		fmt.Sprint(groups[0].Topics, groups[1].Topics) != "[bills orders] [bills]" || groups[0].First.After(groups[0].Last) {
		t.Errorf("groups: %+v, %v", groups, err)
	}
}

// A replayed message keeps its dead letter, marked, until it is done; if it dies again,
// another takes its place; and it is not replayed for ever.
func TestReplay(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	d := bury(t, client, 4)
	counted, err := d.Replay(t.Context(), Filter{}, Change{DryRun: true})
	if err != nil || counted.Matched != 4 || counted.Changed != 0 || seenOf(t, client, events).waiting != 0 {
		t.Errorf("dry run: %+v, %v", counted, err)
	}
	by := Change{Actor: "ann", Reason: "fixed", Run: "r1"}
	for want, have := range map[int]int{4: 0, 0: 4} {
		changed, err := d.Replay(t.Context(), Filter{}, by)
		if err != nil || changed.Matched != 4 || changed.Changed+changed.Skipped["replaying"] != 4 {
			t.Errorf("%+v, %v (%d, %d)", changed, err, want, have)
		}
	}
	if found := listed(t, d, Filter{}); len(found) != 4 || !found[0].Replaying {
		t.Errorf("%+v", found)
	}

	var got record
	var fixed atomic.Bool
	options := quick()
	options.Retries = 1
	run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		if m.ID == "3" && !fixed.Load() {
			return errors.New("order 3 is still unknown")
		}
		return nil
	}, options)
	eventually(t, "three are done, one is dead again", func() bool {
		found := listed(t, d, Filter{})
		return len(found) == 1 && !found[0].Replaying
	})
	allSettled(t, client, events)
	again := listed(t, d, Filter{})[0]
	if again.Message.ID != "3" || again.Replays != 1 || again.Attempts != 3 || again.Error != "order 3 is still unknown" || string(again.Message.Payload) != "secret" {
		t.Errorf("dead again: %+v", again)
	}
	for _, m := range got.messages {
		if m.Replays != 1 || m.ID != "3" && m.Attempt != 1 {
			t.Errorf("handled: %+v", m)
		}
	}
	for n := 2; n <= 5; n++ {
		if changed, err := d.Replay(t.Context(), Filter{}, by); err != nil || changed.Changed != 1 {
			t.Fatalf("replay %d: %+v, %v", n, changed, err)
		}
		eventually(t, "it is dead again", func() bool {
			found := listed(t, d, Filter{})
			return len(found) == 1 && !found[0].Replaying && found[0].Replays == n
		})
	}
	if changed, err := d.Replay(t.Context(), Filter{}, by); err != nil || changed.Changed != 0 || changed.Skipped["replays"] != 1 {
		t.Errorf("a sixth replay: %+v, %v", changed, err)
	}
	fixed.Store(true)
	if changed, err := d.Replay(t.Context(), Filter{}, Change{MaxReplays: 6}); err != nil || changed.Changed != 1 {
		t.Errorf("a forced replay: %+v, %v", changed, err)
	}
	eventually(t, "it is done", func() bool { return len(listed(t, d, Filter{})) == 0 })
	allSettled(t, client, events)
	if left := client.HLen(t.Context(), d.stream.replaying).Val() + client.HLen(t.Context(), d.stream.entries).Val() + client.HLen(t.Context(), d.stream.state).Val(); left != 0 {
		t.Errorf("%d things are left", left)
	}
	lines, err := d.Audit(t.Context(), "", 100)
	if err != nil || len(lines) != 6 || lines[5].Action != "replay" || lines[5].Actor != "ann" || lines[5].Reason != "fixed" ||
		lines[5].Run != "r1" || len(lines[5].IDs) != 4 || lines[5].Filter != "{}" || time.Since(lines[5].At) > time.Minute || lines[0].Filter != `{"max_replays":6}` {
		t.Errorf("audit: %+v, %v", lines, err)
	}
	older, err := d.Audit(t.Context(), lines[3].ID, 1)
	if err != nil || len(older) != 1 || older[0].ID != lines[4].ID {
		t.Errorf("before %s: %+v, %v", lines[3].ID, older, err)
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	d := bury(t, client, 30)
	if changed, err := d.Replay(t.Context(), Filter{MessageIDs: []string{"1"}}, Change{}); err != nil || changed.Changed != 1 {
		t.Fatal(changed, err)
	}
	changed, err := d.Discard(t.Context(), Filter{Topic: "bills"}, Change{Actor: "ann"})
	if err != nil || changed.Changed != 15 || len(listed(t, d, Filter{})) != 15 {
		t.Errorf("%+v, %v", changed, err)
	}
	if s := seenOf(t, client, events); s.waiting != 0 || s.dead != 15 {
		t.Errorf("the replay goes on: %+v", s)
	}
	limited, err := d.Discard(t.Context(), Filter{}, Change{Limit: 4})
	if err != nil || limited.Changed != 4 || len(listed(t, d, Filter{})) != 11 {
		t.Errorf("%+v, %v", limited, err)
	}
	// A foreign entry is listed as such, cannot be replayed, and can be discarded.
	appended(t, client, d.stream.dead, "a", "b")
	if changed, err := d.Replay(t.Context(), Filter{Class: "foreign"}, Change{}); err != nil || changed.Skipped["foreign"] != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
	if changed, err := d.Discard(t.Context(), Filter{Class: "foreign"}, Change{}); err != nil || changed.Changed != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
	// Without memory, dead letters can be removed all the same.
	if err := client.ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(t.Context(), "full", "", 0).Err(); !isCode(err, "OOM") {
		t.Fatalf("Redis has memory: %v", err)
	}
	if changed, err := d.Discard(t.Context(), Filter{}, Change{Limit: 1}); err != nil || changed.Changed != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
	if lines, err := d.Audit(t.Context(), "", 100); err != nil || len(lines) != 5 || lines[3].Action != "discard" || lines[3].Filter != `{"topic":"bills"}` {
		t.Errorf("audit: %+v, %v", lines, err)
	}
	if _, err := d.Discard(t.Context(), Filter{}, Change{Rate: -1}); err == nil {
		t.Error("a negative rate")
	}
}

// What looks like a dead letter may have numbers that are none.
func TestReplayOfForeignNumbers(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	d := deadOf(t, client, events)
	for _, number := range []string{"nan", "inf", "1e999", "-1e300"} {
		appended(t, client, d.stream.dead, "dead_entry", "1-1", "dead_attempts", number, "dead_class", "", "dead_error", "",
			"dead_fingerprint", "", "dead_replays", number, "dead_first_failed_at", number, "id", number, "topic", "orders", "payload", "")
	}
	if changed, err := d.Replay(t.Context(), Filter{}, Change{}); err != nil || changed.Changed != 4 {
		t.Fatalf("%+v, %v", changed, err)
	}
	run(t, client, func(context.Context, *Message) error { return nil }, quick())
	eventually(t, "all are done", func() bool { return len(listed(t, d, Filter{})) == 0 })
}

// A command keeps its rate, and what it has done when it is stopped stays.
func TestReplayAtARate(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	d := bury(t, client, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan Changed)
	began := time.Now()
	go func() {
		changed, err := d.Replay(ctx, Filter{}, Change{Rate: 20})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		done <- changed
	}()
	eventually(t, "ten are replayed", func() bool { return client.HLen(t.Context(), d.stream.replaying).Val() >= 10 })
	took := time.Since(began)
	cancel()
	changed := <-done
	if n := client.HLen(t.Context(), d.stream.replaying).Val(); int(n) != changed.Changed || n == 100 {
		t.Errorf("%d are replayed, %+v", n, changed)
	}
	if took < 300*time.Millisecond {
		t.Errorf("ten took %s", took)
	}
	// Nobody waits for the last.
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if one, err := d.Replay(ctx, Filter{MessageIDs: []string{"99"}}, Change{Rate: 0.001}); err != nil || one.Changed != 1 {
		t.Errorf("the last: %+v, %v", one, err)
	}
}
