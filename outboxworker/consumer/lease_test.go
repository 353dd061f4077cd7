package consumer

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// A handler may take longer than the lease: others leave its message alone, whether it is
// the first attempt or a retry.
func TestSlowHandler(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	publish(t, client, events, "1")
	options := quick()
	options.Lease = 2 * time.Second // which a busy machine does not take from a consumer
	var begun, at, most atomic.Int32
	handler := func(ctx context.Context, m *Message) error {
		begun.Add(1)
		most.Store(max(most.Load(), at.Add(1)))
		defer at.Add(-1)
		select {
		case <-time.After(2 * options.Lease): // the work
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if m.Attempt == 1 {
			return errRefused
		}
		return nil
	}
	for range 3 {
		run(t, client, handler, options)
	}
	eventually(t, "it is begun", func() bool { return begun.Load() > 0 })
	allSettled(t, client, events)
	if begun.Load() != 2 || most.Load() != 1 {
		t.Errorf("it was begun %d times, %d at once", begun.Load(), most.Load())
	}
}

// What a consumer that vanished had is taken over within a second of the end of the lease:
// an entry, and a retry.
func TestVanishedConsumer(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	options := quick()
	options.Lease = 300 * time.Millisecond
	first, err := New(client, group, func(context.Context, *Message) error { return nil }, options)
	if err != nil {
		t.Fatal(err)
	}
	s := first.streams[0]
	publish(t, client, events, "entry")
	publish(t, client, events, "retry")
	if _, err := first.createGroup(t.Context(), s, "0"); err != nil {
		t.Fatal(err)
	}
	entries, err := client.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: group, Consumer: first.options.Consumer, Streams: []string{events, ">"}}).Result()
	if err != nil {
		t.Fatal(err)
	}
	j := first.entry(s, entries[0].Messages[1].ID, 1, nil)
	if own, err := first.write(t.Context(), j, false, fate{attempts: 1, class: "failed"}); err != nil || !own {
		t.Fatal(own, err)
	}
	eventually(t, "the retry is claimed", func() bool {
		found, err := first.claim(t.Context(), s)
		return err == nil && len(found.jobs) == 1
	})
	vanished := time.Now()

	var got record
	var last atomic.Int64
	c := run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		last.Store(int64(time.Since(vanished)))
		return nil
	}, options)
	eventually(t, "both are handled", func() bool { return got.distinct() == 2 })
	allSettled(t, client, events)
	// A second on a machine that does nothing else.
	if late := time.Duration(last.Load()) - options.Lease; late > 5*time.Second {
		t.Errorf("taken over %s after the end of the lease", late)
	}
	for _, m := range got.messages {
		if want := map[string]int{"entry": 1, "retry": 2}[m.ID]; m.Attempt != want {
			t.Errorf("%s: attempt %d", m.ID, m.Attempt)
		}
	}
	// Whoever comes back changes nothing any more.
	if own, err := first.write(t.Context(), j, false, fate{attempts: 1, class: "failed"}); err != nil || own {
		t.Error(own, err)
	}
	if v := seenOf(t, client, events); v.waiting != 0 {
		t.Errorf("%+v", v)
	}
	if err := c.forget(t.Context(), s); err != nil {
		t.Error(err)
	}
	c.options.ForgetAfter = 0
	if err := c.forget(t.Context(), s); err != nil {
		t.Error(err)
	}
	left, err := client.XInfoConsumers(t.Context(), events, group).Result()
	if err != nil || len(left) != 1 || left[0].Name != c.options.Consumer {
		t.Errorf("consumers: %v, %v", left, err)
	}
}

// A message that consumers vanish with again and again is dead in the end.
func TestMessageThatKills(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	publish(t, client, events, "1")
	options := quick()
	options.MaxTakeovers, options.Lease = 2, 100*time.Millisecond
	if err := client.XGroupCreate(t.Context(), events, group, "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: group, Consumer: "a", Streams: []string{events, ">"}}).Err(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b", "c"} { // two take it over and vanish
		if err := client.XAutoClaim(t.Context(), &redis.XAutoClaimArgs{Stream: events, Group: group, Consumer: name, Start: "0-0"}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	var got record
	run(t, client, func(_ context.Context, m *Message) error { got.add(m); return nil }, options)
	allSettled(t, client, events)
	if found := listed(t, deadOf(t, client, events), Filter{Class: "crash"}); len(found) != 1 || len(got.ids()) != 0 {
		t.Errorf("dead: %v; handled %v", found, got.ids())
	}
}

// The handler of a message that is another's by now is told, and what it says changes
// nothing.
func TestLostMessage(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	publish(t, client, events, "1")
	options := quick()
	options.Lease = 150 * time.Millisecond
	told := make(chan error, 1)
	c := run(t, client, func(ctx context.Context, m *Message) error {
		<-ctx.Done()
		told <- context.Cause(ctx)
		return ctx.Err()
	}, options)
	eventually(t, "it is read", func() bool { return seenOf(t, client, events).pending == 1 })
	eventually(t, "it is in a handler", func() bool { return c.held.len() == 1 })
	// As another would whose lease has ended.
	id := client.XRange(t.Context(), events, "-", "+").Val()[0].ID
	if err := client.XClaimJustID(t.Context(), &redis.XClaimArgs{Stream: events, Group: group, Consumer: "other", Messages: []string{id}}).Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-told; !errors.Is(err, ErrLost) {
		t.Errorf("told: %v", err)
	}
	if s := seenOf(t, client, events); s.pending != 1 || s.waiting != 0 || s.dead != 0 {
		t.Errorf("%+v", s)
	}
	if err := client.XAck(t.Context(), events, group, id).Err(); err != nil {
		t.Fatal(err)
	}
}

// That a handler misses something once its message is lost, as a call that is cancelled with
// its context, says nothing about the other messages.
func TestUnavailableAsItIsLost(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	id := publish(t, client, events, "1")
	options := quick()
	options.Lease = 150 * time.Millisecond
	var got record
	c := run(t, client, func(ctx context.Context, m *Message) error {
		if m.ID == "1" {
			<-ctx.Done()
			err := Unavailable(ctx.Err(), time.Hour)
			got.add(m)
			return err
		}
		got.add(m)
		return nil
	}, options)
	eventually(t, "it is in a handler", func() bool { return c.held.len() == 1 })
	if err := client.XClaimJustID(t.Context(), &redis.XClaimArgs{Stream: events, Group: group, Consumer: "other", Messages: []string{id}}).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is lost", func() bool { return got.count("1") > 0 && c.held.len() == 0 })
	if err := client.XAck(t.Context(), events, group, id).Err(); err != nil {
		t.Fatal(err)
	}
	publish(t, client, events, "2")
	eventually(t, "another is handled", func() bool { return got.count("2") == 1 || c.Status().Paused > 0 })
	if paused := c.Status().Paused; paused > 0 {
		t.Errorf("the consumer pauses for %s", paused)
	}
}

// A handler is told at the end of the lease also if Redis hangs, and a call for longer.
func TestLostAsRedisHangs(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	publish(t, client, events, "1")
	options := quick()
	options.Lease = 300 * time.Millisecond
	begun, told := make(chan struct{}, 10), make(chan error, 10)
	run(t, client, func(ctx context.Context, m *Message) error {
		begun <- struct{}{}
		select {
		case <-ctx.Done():
			told <- context.Cause(ctx)
		case <-time.After(15 * time.Second):
		}
		return ctx.Err()
	}, options)
	<-begun
	hangs := time.Now()
	if err := client.Do(t.Context(), "CLIENT", "PAUSE", 2500, "ALL").Err(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-told:
		if took := time.Since(hangs); !errors.Is(err, ErrLost) || took > 2*time.Second {
			t.Errorf("told %v after %s", err, took)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody was told")
	}
}
