package operator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weirproxy/weir/outboxworker/relay"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// everywhere has one message of key k, with biz id b, in each place, and one of another.
func everywhere(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	r := new(receiver)
	r.Set(func(m *sink.Message) sink.Result {
		switch string(m.Payload) {
		case "dead", "replayed":
			return sink.Result{Outcome: sink.Fatal, Class: "status 422", Err: fmt.Errorf("bad")}
		case "refused":
			return sink.Result{Outcome: sink.Refused, Class: "status 429", Err: fmt.Errorf("later")}
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	stop := f.start(r, func(s *relay.Settings) {
		s.KeepDelivered, s.Retry.Base, s.Retry.Cap, s.Retries = time.Hour, time.Hour, time.Hour, 9
	})
	for _, text := range []string{"delivered", "dead", "refused", "parked"} {
		f.Exec("SELECT outbox.enqueue('test', $1::text, key => 'k', biz_id => 'b', type => 'y')", text)
	}
	f.Exec("SELECT outbox.enqueue('test', 'refused', key => 'other')")
	f.Eventually("0 pending, 3 deferred, 1 dead", f.Places)
	f.Eventually("1", func() string { return f.Ask("SELECT count(*) FROM outbox.delivered") })
	stop()
	f.Exec("SELECT outbox.enqueue('test', 'pending', key => 'k', biz_id => 'b', type => 'y')")
	f.Exec("SELECT outbox.enqueue('test', 'delayed', key => 'k', biz_id => 'b', type => 'y', deliver_after => now() + interval '1 hour')")
	return f
}

// found tells where messages are.
func found(all []Found) string {
	var texts []string
	for _, m := range all {
		text := fmt.Sprintf("%d %s", m.Position, m.Place)
		if m.State != "" {
			text += " " + m.State
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

func TestFindLooksEverywhere(t *testing.T) {
	t.Parallel()
	f := everywhere(t)
	k, none := "k", "none"
	const all = "1 delivered, 2 dead fatal, 3 deferred retry, 4 deferred parked, 6 pending, 7 pending delayed"
	for _, search := range []Search{{Key: &k}, {BizID: "b"}} {
		result, err := f.o.Find(t.Context(), search, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := found(result.Found); got != all || result.Truncated || len(result.Unsearched) > 0 {
			t.Errorf("%+v found %s\nwant %s", search, got, all)
		}
		for _, m := range result.Found {
			again, err := f.o.Find(t.Context(), Search{ID: m.ID}, 0)
			if err != nil || found(again.Found) != found([]Found{m}) {
				t.Errorf("%s by its id: %s, %v", found([]Found{m}), found(again.Found), err)
			}
			again, err = f.o.Find(t.Context(), Search{Position: m.Position}, 0)
			if err != nil || len(again.Found) != 1 || again.Found[0].ID != m.ID {
				t.Errorf("%s by its position: %s, %v", found([]Found{m}), found(again.Found), err)
			}
			if m.Topic != "test" || m.Type != "y" || m.BizID != "b" || *m.Key != "k" || m.CreatedAt.IsZero() || m.Since.Before(m.CreatedAt) {
				t.Errorf("%+v", m)
			}
		}
		d := result.Found[1]
		if d.Attempts != 1 || d.LastError != "bad" {
			t.Errorf("the dead one: %+v", d)
		}
		if w := result.Found[2]; w.Due == nil || w.Attempts != 1 || w.LastError != "later" {
			t.Errorf("the one that waits: %+v", w)
		}
		if g := result.Found[0]; g.Attempts != 1 {
			t.Errorf("the delivered one: %+v", g)
		}
		few, err := f.o.Find(t.Context(), search, 2)
		if err != nil || found(few.Found) != "1 delivered, 2 dead fatal" || !few.Truncated {
			t.Errorf("two of them: %+v, %v", few, err)
		}
	}
	for _, search := range []Search{{Key: &none}, {ID: uuid.New()}, {BizID: "none"}, {Position: 99}} {
		result, err := f.o.Find(t.Context(), search, 0)
		if err != nil || len(result.Found) != 0 {
			t.Errorf("%+v found %+v, %v", search, result, err)
		}
	}
	for _, search := range []Search{{}, {Key: &k, BizID: "b"}} {
		if _, err := f.o.Find(t.Context(), search, 0); err == nil {
			t.Errorf("%+v was looked for", search)
		}
	}
	f.must(f.o.Replay(t.Context(), key("k"), Options{}))
	result, err := f.o.Find(t.Context(), Search{Position: 2}, 0)
	if err != nil || found(result.Found) != "2 deferred retry, 2 dead replaying" {
		t.Errorf("replayed: %s, %v", found(result.Found), err)
	}
}

// A place that cannot be searched in time is named, and the others are searched.
func TestFindNamesWhatItCouldNotSearch(t *testing.T) {
	t.Parallel()
	f := everywhere(t)
	f.o.waits.statement = time.Second // more than the other places take
	blocker := f.Connect()
	if _, err := blocker.Exec(t.Context(), "BEGIN; LOCK TABLE outbox.message"); err != nil {
		t.Fatal(err)
	}
	result, err := f.o.Find(t.Context(), Search{BizID: "b"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := found(result.Found); got != "1 delivered, 2 dead fatal, 3 deferred retry, 4 deferred parked" || !slices.Equal(result.Unsearched, []Place{Pending}) {
		t.Errorf("found %s, not searched %v", got, result.Unsearched)
	}
	if _, err := f.o.Stats(t.Context()); err == nil || !strings.Contains(err.Error(), "it took longer than 1s") {
		t.Errorf("counting what is locked: %v", err)
	}
}

func TestStatsCountEverything(t *testing.T) {
	t.Parallel()
	f := everywhere(t)
	before, err := f.o.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.Exec("UPDATE outbox.deferred SET due_at = now() - interval '1 minute' WHERE id = 3")
	f.must(f.o.Replay(t.Context(), key("k"), Options{}))
	if _, err := f.o.PauseLane(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	s, err := f.o.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Before: the two heads wait for an hour, one follower behind one. Replayed, the dead
	// one goes before both of its key, and is due at once.
	if before.Pending != 2 || before.PendingEstimated || before.Retry != 2 || before.Parked != 1 || before.Delayed != 0 ||
		before.Overdue != 0 || before.NextDue == nil || before.Dead != 1 || before.Replaying != 0 || before.BlockedKeys != 2 ||
		len(before.PausedLanes) != 0 || before.OldestPending == nil {
		t.Errorf("before: %+v", before)
	}
	if s.Retry != 2 || s.Parked != 2 || s.Dead != 1 || s.Replaying != 1 || s.BlockedKeys != 2 || !slices.Equal(s.PausedLanes, []int16{5}) {
		t.Errorf("after: %+v", s)
	}
	if f.lane("k") != 5 && (s.Overdue != 1 || s.OverdueSeconds > 60) {
		t.Errorf("overdue: %+v", s)
	}
	if b := s.Bytes; b.Message <= 0 || b.Deferred <= 0 || b.Dead <= 0 || b.Delivered <= 0 || b.Audit <= 0 {
		t.Errorf("bytes: %+v", b)
	}
	empty, err := newFixture(t).o.Stats(t.Context())
	if err != nil || empty.Pending != 0 || empty.OldestPending != nil || empty.NextDue != nil || empty.PausedLanes == nil {
		t.Errorf("of an empty outbox: %+v, %v", empty, err)
	}
}
