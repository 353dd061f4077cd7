package consumer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// What waits is handled at once, by a consumer that runs and slept for longer.
func TestRunNow(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	r := delay(t, client, 8)
	var got record
	run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		return nil
	}, quick())
	counted, err := r.RunNow(t.Context(), Filter{}, Change{DryRun: true})
	if err != nil || counted.Matched != 8 || counted.Changed != 0 || len(got.ids()) != 0 {
		t.Errorf("dry run: %+v, %v", counted, err)
	}
	changed, err := r.RunNow(t.Context(), Filter{Topic: "bills"}, Change{Actor: "ann", Reason: "mended", Run: "r1", Limit: 3, AuditLimit: 5, Rate: 1000})
	if err != nil || changed.Changed != 3 || len(changed.Skipped) != 0 {
		t.Errorf("%+v, %v", changed, err)
	}
	eventually(t, "three are handled", func() bool { return got.distinct() == 3 })
	changed, err = r.RunNow(t.Context(), Filter{}, Change{})
	if err != nil || changed.Matched != 5 || changed.Changed != 5 {
		t.Errorf("%+v, %v", changed, err)
	}
	allSettled(t, client, events)
	if got.distinct() != 8 || len(got.ids()) != 8 || got.messages[0].Attempt != 2 {
		t.Errorf("handled %v", got.ids())
	}
	lines, err := deadOf(t, client, events).Audit(t.Context(), "", 10)
	if err != nil || len(lines) != 2 {
		t.Fatal(lines, err)
	}
	if one := lines[1]; one.Action != "run-now" || one.Actor != "ann" || one.Reason != "mended" || one.Run != "r1" || len(one.IDs) != 3 ||
		one.Filter != `{"topic":"bills","limit":5,"rate":1000}` || lines[0].Filter != "{}" {
		t.Errorf("audit: %+v", lines)
	}
}

// A command makes nothing due twice, though it fails again while the command runs.
func TestRunNowEndsWithWhatItBeganWith(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	const messages = page + page/2
	r := delay(t, client, messages)
	var got record
	run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		return errRefused
	}, patient(quick()))
	// Those of the first page fail again, and are due later than all others by then.
	changed, err := r.RunNow(t.Context(), Filter{}, Change{Rate: 50})
	if err != nil || changed.Matched != messages || changed.Changed != messages {
		t.Errorf("%+v, %v", changed, err)
	}
	eventually(t, "all are tried", func() bool { return got.distinct() == messages })
	if n := len(got.ids()); n != messages {
		t.Errorf("%d messages were tried %d times", messages, n)
	}
}

// What is gone, under way, due, foreign or was tried between the list and the change is
// left alone, and told.
func TestRunNowSkips(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	r := delay(t, client, 6)
	s, ctx := r.stream, t.Context()
	all := listedRetries(t, r, Filter{})
	c, err := New(client, group, func(context.Context, *Message) error { return nil }, quick())
	if err != nil {
		t.Fatal(err)
	}
	if err := client.ZAdd(ctx, s.due, redis.Z{Score: 1, Member: all[0].name}, redis.Z{Score: 1, Member: "foreign"}).Err(); err != nil {
		t.Fatal(err)
	}
	taken, err := c.claim(ctx, c.streams[0]) // all[0], and sets the foreign one aside
	if err != nil || len(taken.jobs) != 1 || taken.foreign != 1 {
		t.Fatal(taken, err)
	}
	err = errors.Join(
		client.ZAdd(ctx, s.due, redis.Z{Score: 1, Member: all[1].name}, redis.Z{Score: 1e13, Member: "foreign"}).Err(),
		client.ZRem(ctx, s.due, all[2].name).Err(), client.HDel(ctx, s.entries, all[2].name).Err(),
		client.ZRem(ctx, s.due, all[3].name).Err(),
		client.HSet(ctx, s.state, all[4].name, fmt.Sprintf(`{"since":%d}`, time.Now().Add(time.Minute).UnixMilli())).Err(),
	)
	if err != nil {
		t.Fatal(err)
	}
	args := []any{time.Now().Add(time.Second).UnixMilli(), "ann", "", "{}", "r1"}
	for _, retry := range all {
		args = append(args, retry.name)
	}
	values, err := r.call(ctx, waitingRunScript, append(s.laneKeys(), s.audit), append(args, "foreign", "")...)
	if want := "[handling due gone changed changed ok gone gone]"; err != nil || fmt.Sprint(values) != want {
		t.Errorf("%v, want %s: %v", values, want, err)
	}
	if score := client.ZScore(ctx, s.leased, all[0].name).Val(); int64(score) != taken.jobs[0].ends {
		t.Errorf("the lease ends at %v, it was %d", score, taken.jobs[0].ends)
	}
	lines, err := deadOf(t, client, events).Audit(ctx, "", 10)
	if err != nil || len(lines) != 1 || !slices.Equal(lines[0].IDs, []string{all[5].name}) {
		t.Errorf("audit: %+v, %v", lines, err)
	}
}

// Keys of the wrong type are set aside and told of, and the rest goes on.
func TestRetriesOfWrongTypes(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	r := delay(t, client, 3)
	s := r.stream
	for _, key := range []string{s.parked, s.leased, s.state, s.audit, s.replaying, s.dead, s.due, s.entries} {
		if err := errors.Join(client.Del(t.Context(), key).Err(), client.Set(t.Context(), key, "secret", 0).Err()); err != nil {
			t.Fatal(err)
		}
		_, err := r.RunNow(t.Context(), Filter{}, Change{})
		_, again := r.Counts(t.Context())
		finder := Finder{r.access}
		_, find := finder.Find(t.Context(), Search{ID: "1"}, 10)
		if err := errors.Join(err, again, find); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		if kind := client.Type(t.Context(), key).Val(); kind == "string" {
			t.Errorf("%s is a %s still", key, kind)
		}
	}
}

// A consumer claims, fails and settles while operators make due what waits: no message is
// handled by two at once, and none is lost.
func TestRunNowBesideConsumers(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	const messages, tries = 60, 4
	var mu sync.Mutex
	busy, tried, done, twice := make(map[string]bool), make(map[string]int), make(map[string]int), 0
	handler := func(_ context.Context, m *Message) error {
		mu.Lock()
		if busy[m.ID] {
			twice++
		}
		busy[m.ID] = true
		tried[m.ID]++
		n := tried[m.ID]
		mu.Unlock()
		for range 1000 { // the work of a handler
			runtime.Gosched()
		}
		mu.Lock()
		defer mu.Unlock()
		busy[m.ID] = false
		if n < tries {
			return errRefused
		}
		done[m.ID]++
		return nil
	}
	o := patient(quick())
	o.Retries = 100
	for range 2 {
		run(t, client, handler, o)
	}
	for i := range messages {
		publish(t, client, events, fmt.Sprint(i))
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var operators sync.WaitGroup
	defer operators.Wait()
	for range 3 {
		operators.Go(func() {
			r := retriesOf(t, client, events)
			for ctx.Err() == nil {
				if _, err := r.RunNow(ctx, Filter{}, Change{}); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	allSettled(t, client, events)
	eventually(t, "all are done", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(done) == messages
	})
	stop()
	operators.Wait()
	mu.Lock()
	defer mu.Unlock()
	for id, n := range tried {
		if n != tries || done[id] != 1 {
			t.Errorf("%s was handled %d times, %d of them to its end", id, n, done[id])
		}
	}
	if twice > 0 {
		t.Errorf("%d times two handled the same message", twice)
	}
}
