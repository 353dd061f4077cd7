package operator

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/outbox"
	"github.com/weirproxy/weir/outboxworker/relay"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// slowly lets a refused message wait for an hour.
func slowly(s *relay.Settings) { s.Retry.Base, s.Retry.Cap = time.Hour, time.Hour }

func refusing(text string) func(*sink.Message) sink.Result {
	return func(m *sink.Message) sink.Result {
		if string(m.Payload) == text {
			return sink.Result{Outcome: sink.Refused, Class: "status 409", Err: errors.New("not yet 7")}
		}
		return sink.Result{Outcome: sink.Delivered}
	}
}

func (f *fixture) blocked(filter Filter) string {
	f.Helper()
	all, err := f.o.BlockedKeys(f.Context(), filter, Page{})
	if err != nil {
		f.Fatal(err)
	}
	text := ""
	for _, k := range all {
		text += fmt.Sprintf("%s %s after %d with %d behind %d; ", k.Key, k.State, k.Attempts, k.Parked, k.Head)
	}
	return text
}

func TestRetries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(refusing("1"))
	f.Enqueue("k", "1", "2")
	f.Exec("SELECT outbox.enqueue(topic => 'test', payload => 'later', deliver_after => now() + interval '1 hour')")
	f.start(r, slowly)
	f.Eventually("0 pending, 3 deferred, 0 dead", f.Places)

	for state, want := range map[string]string{"": "1 retry true", "parked": "2 parked false", "delayed": "3 delayed true"} {
		all, err := f.o.ListRetries(t.Context(), Filter{State: state}, Page{})
		if err != nil || len(all) != 1 {
			t.Fatalf("state %q: %+v, %v", state, all, err)
		}
		if got := fmt.Sprint(all[0].Position, " ", all[0].State, " ", all[0].Due != nil); got != want {
			t.Errorf("state %q: got %s, want %s", state, got, want)
		}
	}
	if all, err := f.o.ListRetries(t.Context(), Filter{Text: "YET", Class: "status 409"}, Page{}); err != nil || len(all) != 1 || all[0].Attempts != 1 {
		t.Errorf("by error: %+v, %v", all, err)
	}
	if got := f.must(f.o.RunNow(t.Context(), Filter{State: "parked"}, Options{})); got.Changed != 0 || got.Skipped["parked"] != 1 {
		t.Errorf("parked ones: %+v", got)
	}
	f.must(f.o.RunNow(t.Context(), Filter{State: "delayed"}, Options{}))
	f.Eventually("later", func() string { return r.Texts("") })
	r.Set(nil)
	f.must(f.o.RunNow(t.Context(), Filter{}, Options{}))
	f.Eventually("1 2", func() string { return r.Texts("k") })
}

func TestRunNowLeavesWhatIsDue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.kill("", "test", "", "no", 1, 1)
	f.must(f.o.Replay(t.Context(), Filter{}, Options{}))
	if got := f.must(f.o.RunNow(t.Context(), Filter{}, Options{})); got.Changed != 0 || got.Skipped["due"] != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestBlockedKeysGoOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(refusing("1"))
	f.Enqueue("k", "1", "2", "3")
	f.start(r, slowly)
	f.Eventually("0 pending, 3 deferred, 0 dead", f.Places)
	if got := f.blocked(key("k")); got != "k retrying after 1 with 2 behind 1; " {
		t.Errorf("blocked: %s", got)
	}
	if got := f.blocked(Filter{Class: "status 409", Text: "yet", State: "retrying"}); got == "" {
		t.Error("not found by its error")
	}
	if got := f.blocked(Filter{State: "held"}) + f.blocked(Filter{Reason: "fatal"}); got != "" {
		t.Errorf("held: %s", got)
	}
	r.Set(nil)
	f.must(f.o.ReleaseKeys(t.Context(), key("k"), Options{}))
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := r.Texts("k"); got != "1 2 3" {
		t.Errorf("got %q", got)
	}
}

func TestHeldKeysGoOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.dead(r, relay.Hold, "k", "1 3", "1", "2", "3", "4")
	f.Eventually("0 pending, 3 deferred, 1 dead", f.Places)
	if got := f.blocked(Filter{Reason: "fatal"}); got != "k held after 1 with 3 behind 1; " {
		t.Errorf("blocked: %s", got)
	}
	if got := f.must(f.o.SkipHeads(t.Context(), key("k"), Options{})); got.Changed != 0 || got.Skipped["held"] != 1 {
		t.Errorf("skipping a dead one: %+v", got)
	}
	f.must(f.o.ReleaseKeys(t.Context(), key("k"), Options{}))
	f.Eventually("1 fatal, 3 fatal+", func() string { return f.died("k") })
	f.ordered()
	f.must(f.o.ReleaseKeys(t.Context(), Filter{State: "held"}, Options{}))
	f.Eventually("0 pending, 0 deferred, 2 dead", f.Places)
	if got := r.Texts("k"); got != "2 4" {
		t.Errorf("got %q", got)
	}
	if got := f.blocked(Filter{}); got != "" {
		t.Errorf("still blocked: %s", got)
	}
}

func TestSkipHeads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(refusing("1"))
	f.Enqueue("k", "1", "2", "3")
	f.start(r, slowly)
	f.Eventually("0 pending, 3 deferred, 0 dead", f.Places)
	if got := f.must(f.o.SkipHeads(t.Context(), key("k"), Options{DryRun: true})); got.Matched != 1 || got.Changed != 0 {
		t.Errorf("a dry run: %+v", got)
	}
	f.must(f.o.SkipHeads(t.Context(), key("k"), Options{}))
	f.Eventually("0 pending, 0 deferred, 1 dead", f.Places)
	if got := r.Texts("k"); got != "2 3" {
		t.Errorf("got %q", got)
	}
	d, _, err := f.o.ShowDead(t.Context(), 1, false)
	if err != nil || d.Reason != "skipped" || d.Attempts != 1 || d.Class != "status 409" || len(d.Fingerprint) != 16 || d.LastError != "not yet 7" || d.Holds {
		t.Errorf("the skipped one is %+v, %v", d, err)
	}

	// one that is being replayed is dead as before
	f.must(f.o.Replay(t.Context(), Filter{}, Options{}))
	f.Eventually("1 retry, 2", func() string { return f.waiting("k") + ", " + f.Ask("SELECT attempts + 1 FROM outbox.deferred") })
	f.must(f.o.SkipHeads(t.Context(), Filter{}, Options{}))
	if got := f.Places() + ", " + f.Ask("SELECT format('%s %s %s', reason, attempts, replaying_at) FROM outbox.dead"); got != "0 pending, 0 deferred, 1 dead, skipped 2 " {
		t.Errorf("after a replay: %s", got)
	}
}

// Of producers that do not take turns, one may commit a lower position after a higher one was
// refused. The key waits for the one that is tried, and not for the first.
func TestTheHeadIsTheOneThatIsTried(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, attempts, message_id, topic, key, type, payload, created_at)
		SELECT i, hashtextextended('k', 0) & 7, CASE i WHEN 6 THEN 'retry' ELSE 'parked' END, CASE i WHEN 6 THEN now() + interval '1 hour' END, 3,
			gen_random_uuid(), 'test', 'k', '', convert_to(i::text, 'UTF8'), now() FROM generate_series(5, 7) i`)
	if got := f.blocked(key("k")); got != "k retrying after 3 with 2 behind 6; " {
		t.Errorf("blocked: %s", got)
	}
	if got := f.must(f.o.ReleaseKeys(t.Context(), key("k"), Options{})); got.Changed != 1 {
		t.Errorf("released %+v", got)
	}
	if got := f.Ask("SELECT due_at <= now() FROM outbox.deferred WHERE id = 6"); got != "true" {
		t.Error("the key is released, and the message that it waits for is not due")
	}
	f.must(f.o.SkipHeads(t.Context(), key("k"), Options{}))
	if got := f.waiting("k") + "; " + f.died("k"); got != "5 retry, 7 parked; 6 skipped" {
		t.Errorf("after the head is skipped: %s", got)
	}
}

// A lane that somebody does not let go of is no reason to wait for ever.
func TestABusyLane(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.o.waits.lock = 50 * time.Millisecond
	f.kill("k", "test", "", "no", 1, 1)
	lane := f.Ask("SELECT lane FROM outbox.dead")
	config := f.Config.Copy()
	config.RuntimeParams["application_name"] = "somebody"
	holder := f.Connect()
	if _, err := holder.Exec(t.Context(), "SET application_name = 'somebody'"); err != nil {
		t.Fatal(err)
	}
	var n int16
	if _, err := fmt.Sscan(lane, &n); err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock($1)", outbox.LaneLock(f.o.table, n)); err != nil {
		t.Fatal(err)
	}
	got, err := f.o.Discard(t.Context(), Filter{}, Options{})
	var busy *LaneBusyError
	if !errors.As(err, &busy) || busy.Lane != n || busy.PID != int32(holder.PgConn().PID()) || got.Changed != 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_unlock_all()"); err != nil {
		t.Fatal(err)
	}
	if got := f.must(f.o.Discard(t.Context(), Filter{}, Options{})); got.Changed != 1 {
		t.Errorf("once it is free: %+v", got)
	}
}

func TestAnotherSchema(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var version *outbox.VersionError
	if _, err := Open(t.Context(), f.Config, "elsewhere", Identity{}); !errors.As(err, &version) {
		t.Errorf("got %v", err)
	}
}
