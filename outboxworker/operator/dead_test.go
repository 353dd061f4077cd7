package operator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weirproxy/weir/outboxworker/relay"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// kill puts messages among the dead, as if they had died of an error. Their positions begin
// at first.
func (f *fixture) kill(key, topic, class, text string, first, count int) {
	f.Helper()
	f.Exec(`INSERT INTO outbox.dead (id, lane, reason, attempts, last_error, class, fingerprint, message_id, biz_id, topic, key, type, payload, headers, created_at)
		SELECT i, CASE WHEN $1 = '' THEN i & 7 ELSE hashtextextended($1, 0) & 7 END, 'exhausted', 7, $4, $3, 'f' || $3, gen_random_uuid(), 'order-' || i, $2, NULLIF($1, ''), 'made',
			convert_to(i::text, 'UTF8'), '{"a": "b"}', now() FROM generate_series($5::bigint, $5 + $6 - 1) i`, key, topic, class, text, first, count)
}

func positions(all []Dead) string {
	var ids []string
	for _, d := range all {
		ids = append(ids, fmt.Sprint(d.Position))
	}
	return strings.Join(ids, " ")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.kill("k", "orders", "status 500", "Server error 7", 1, 2)
	f.kill("", "orders", "status 422", "bad amount", 3, 2)
	f.kill("l", "users", "status 500", "100% server", 5, 2)
	f.Exec("UPDATE outbox.dead SET died_at = now() - interval '1 hour' WHERE id IN (1, 3)")
	f.Exec("UPDATE outbox.dead SET reason = 'fatal' WHERE id = 4")
	d, _, err := f.o.ShowDead(t.Context(), 6, false)
	if err != nil {
		t.Fatal(err)
	}
	halfAnHour := time.Now().Add(-30 * time.Minute)
	for want, filter := range map[string]Filter{
		"1 2 3 4 5 6": {},
		"1 2":         key("k"),
		"1 2 3 4":     {Topic: "orders"},
		"3 4":         {Class: "status 422"},
		"4":           {Reason: "fatal"},
		"1 2 5 6":     {Text: "SERVER"},
		"5 6":         {Text: "0% s"},
		"1 3":         {Until: halfAnHour},
		"2 4 5 6":     {Since: halfAnHour},
		"2 3":         {IDs: []int64{2, 3, 99}},
		"5":           {BizID: "order-5"},
		"6":           {MessageIDs: []uuid.UUID{d.ID}},
		"":            key(""),
		"2":           {Fingerprint: "fstatus 500", Topic: "orders", Since: halfAnHour},
	} {
		all, err := f.o.ListDead(t.Context(), filter, Page{})
		if got := positions(all); err != nil || got != want {
			t.Errorf("%+v selects %q, %v, want %q", filter, got, err, want)
		}
	}
	first, _ := f.o.ListDead(t.Context(), Filter{}, Page{Limit: 4})
	second, _ := f.o.ListDead(t.Context(), Filter{}, Page{After: first[3].Position})
	if got := positions(first) + ", " + positions(second); got != "1 2 3 4, 5 6" {
		t.Errorf("the pages are %s", got)
	}
	if _, err := f.o.ListRetries(t.Context(), Filter{Reason: "fatal"}, Page{}); err == nil {
		t.Error("retries were selected by what messages are dead of")
	}
	if _, err := f.o.Replay(t.Context(), Filter{State: "retry"}, Options{}); err == nil {
		t.Error("dead messages were selected by a state")
	}
}

func TestShowAndGroups(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.kill("k", "orders", "status 500", "error 12 of order 77", 1, 3)
	f.kill("", "users", "status 500", "error 13 of order 78", 4, 1)
	f.kill("", "users", "status 422", "bad", 5, 1)
	f.Exec("UPDATE outbox.dead SET replaying_at = now() WHERE id = 2")
	d, content, err := f.o.ShowDead(t.Context(), 1, true)
	if err != nil {
		t.Fatal(err)
	}
	if *d.Key != "k" || d.BizID != "order-1" || d.Bytes != 1 || d.Attempts != 7 || string(content.Payload) != "1" || content.Headers["a"] != "b" {
		t.Errorf("showed %+v with %+v", d, content)
	}
	if _, content, _ = f.o.ShowDead(t.Context(), 1, false); content != nil {
		t.Error("showed the payload unasked")
	}
	if _, _, err := f.o.ShowDead(t.Context(), 99, true); !errors.Is(err, ErrNotFound) {
		t.Errorf("a message that is not there: %v", err)
	}
	groups, err := f.o.DeadGroups(t.Context(), Filter{})
	if err != nil || len(groups) != 2 {
		t.Fatalf("groups are %+v, %v", groups, err)
	}
	g := groups[0]
	if g.Count != 4 || g.Replaying != 1 || g.Sample != "error 13 of order 78" || strings.Contains(g.Shape, "13") || !reflect.DeepEqual(g.Topics, []string{"orders", "users"}) {
		t.Errorf("the first group is %+v", g)
	}
}

// dead lets messages of a key die, with the rest of the key behind them.
func (f *fixture) dead(r *receiver, onDead relay.OnDead, key string, dying string, texts ...string) (stop func()) {
	f.Helper()
	r.Set(func(m *sink.Message) sink.Result {
		if strings.Contains(dying, string(m.Payload)) {
			return sink.Result{Outcome: sink.Fatal, Class: "status 422", Err: errors.New("no")}
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue(key, texts...)
	return f.start(r, func(s *relay.Settings) { s.OnDead = onDead })
}

func TestReplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.dead(r, relay.Continue, "k", "2", "1", "2", "3")
	f.Eventually("0 pending, 0 deferred, 1 dead", f.Places)
	dry, err := f.o.Replay(t.Context(), key("k"), Options{DryRun: true})
	if err != nil || dry.Matched != 1 || dry.Changed != 0 || f.died("k") != "2 fatal" {
		t.Fatalf("a dry run: %+v, %v, dead %q", dry, err, f.died("k"))
	}
	r.Set(nil)
	if got := f.must(f.o.Replay(t.Context(), key("k"), Options{})); got.Changed != 1 {
		t.Errorf("replayed %+v", got)
	}
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := r.Texts("k"); got != "1 3 2" {
		t.Errorf("got %q", got)
	}
}

func TestAMessageThatDiesAgain(t *testing.T) {
	t.Parallel()
	for _, onDead := range []relay.OnDead{relay.Continue, relay.Hold} {
		f := newFixture(t)
		r := new(receiver)
		f.dead(r, onDead, "k", "1", "1")
		f.Eventually("0 pending, 0 deferred, 1 dead", f.Places)
		r.Set(answering(sink.Refused, "status 409", "no, not now"))
		for i := range 3 {
			if got := f.must(f.o.Replay(t.Context(), key("k"), Options{MaxReplays: 3})); got.Changed != 1 {
				t.Fatalf("replayed %+v", got)
			}
			f.Eventually(fmt.Sprint(i+1, " false"), func() string {
				return f.Ask("SELECT replays || ' ' || (replaying_at IS NOT NULL) FROM outbox.dead")
			})
			f.ordered()
		}
		if got := f.Ask("SELECT format('%s, attempts %s, holds %s, %s', reason, attempts, holds, class) FROM outbox.dead"); got != fmt.Sprintf("exhausted, attempts 10, holds %.1s, status 409", fmt.Sprint(onDead == relay.Hold)) {
			t.Errorf("%s: in the end it is %s", onDead, got)
		}
		got := f.must(f.o.Replay(t.Context(), key("k"), Options{MaxReplays: 3}))
		if got.Changed != 0 || got.Skipped["replays"] != 1 {
			t.Errorf("the guard: %+v", got)
		}
		if got := f.must(f.o.Replay(t.Context(), key("k"), Options{MaxReplays: -1})); got.Changed != 1 {
			t.Errorf("without the guard: %+v", got)
		}
	}
}

// A message that is replayed goes before those of its key that wait, if it came before
// them, and after them if it did not.
func TestAReplayedMessageTakesItsPlaceInItsKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.kill("k", "test", "", "no", 1, 1)
	f.kill("k", "test", "", "no", 9, 1)
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, attempts, message_id, topic, key, type, payload, created_at)
		SELECT i, hashtextextended('k', 0) & 7, CASE i WHEN 5 THEN 'retry' ELSE 'parked' END, CASE i WHEN 5 THEN now() + interval '1 hour' END, 3,
			gen_random_uuid(), 'test', 'k', '', convert_to(i::text, 'UTF8'), now() FROM generate_series(5, 6) i`)
	f.must(f.o.Replay(t.Context(), Filter{IDs: []int64{9}}, Options{}))
	if got := f.waiting("k"); got != "5 retry, 6 parked, 9 parked" {
		t.Errorf("replayed the last one: %s", got)
	}
	if got := f.Ask("SELECT due_at > now() + interval '50 minutes' FROM outbox.deferred WHERE id = 5"); got != "true" {
		t.Error("the first one is due earlier than it was")
	}
	f.must(f.o.Replay(t.Context(), Filter{IDs: []int64{1}}, Options{}))
	if got := f.waiting("k"); got != "1 retry, 5 parked, 6 parked, 9 parked" {
		t.Errorf("replayed the first one: %s", got)
	}
	f.ordered()
	r := new(receiver)
	f.start(r)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := r.Texts("k"); got != "1 5 6 9" {
		t.Errorf("got %q", got)
	}
}

// While another dead message holds the key, one that is replayed waits as all others do.
func TestAHeldKeyStaysHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.kill("k", "test", "", "no", 1, 3)
	f.Exec("UPDATE outbox.dead SET holds = true WHERE id > 1")
	f.must(f.o.Replay(t.Context(), Filter{IDs: []int64{1, 2}}, Options{}))
	if got := f.waiting("k"); got != "1 parked, 2 parked" {
		t.Errorf("what waits: %s", got)
	}
	f.ordered()
	f.must(f.o.Discard(t.Context(), Filter{IDs: []int64{3}}, Options{}))
	if got := f.waiting("k"); got != "1 retry, 2 parked" {
		t.Errorf("what waits in the end: %s", got)
	}
	f.ordered()
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.dead(r, relay.Hold, "k", "1", "1", "2", "3")
	f.Eventually("0 pending, 2 deferred, 1 dead", f.Places)
	if got := f.must(f.o.Discard(t.Context(), key("k"), Options{})); got.Changed != 1 {
		t.Errorf("discarded %+v", got)
	}
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := r.Texts("k"); got != "2 3" {
		t.Errorf("got %q", got)
	}
}

func TestDiscardOfOneThatIsReplayed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.kill("k", "test", "", "no", 1, 2)
	f.kill("", "test", "", "no", 3, 1)
	f.must(f.o.Replay(t.Context(), Filter{}, Options{}))
	if got := f.Places(); got != "0 pending, 3 deferred, 3 dead" {
		t.Fatal(got)
	}
	f.must(f.o.Discard(t.Context(), Filter{IDs: []int64{1, 3}}, Options{}))
	if got := f.waiting("k") + ", " + f.died("k"); got != "2 retry, 2 exhausted*" {
		t.Errorf("what is left: %s", got)
	}
	f.ordered()
}

// Ten thousand are replayed at a rate, while the relay delivers them.
func TestReplayAtARate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const count, rate = 10_000, 4000
	f.kill("", "test", "", "no", 1, count/2)
	for i := range 50 {
		f.kill(fmt.Sprint("k", i), "test", "", "no", count/2+1+i*count/100, count/100)
	}
	r := new(receiver)
	f.start(r)
	began := time.Now()
	got := f.must(f.o.Replay(t.Context(), Filter{}, Options{Rate: rate}))
	took := time.Since(began)
	if got.Matched != count || got.Changed != count || len(got.Skipped) > 0 {
		t.Errorf("replayed %+v", got)
	}
	if least := time.Duration((count - batchSize) * float64(time.Second) / rate); took < least { // nothing comes after the last
		t.Errorf("replayed at %.0f a second", count/took.Seconds())
	}
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if n := len(r.Taken()); n != count {
		t.Errorf("delivered %d of %d", n, count)
	}
	last := make(map[string]int64)
	for _, m := range r.Taken() {
		if m.HasKey && m.Position < last[m.Key] {
			t.Fatalf("message %d of key %s came after %d", m.Position, m.Key, last[m.Key])
		}
		last[m.Key] = m.Position
	}
	if got := f.Ask("SELECT format('%s in %s', sum(messages), sum(cardinality(message_ids))) FROM outbox.audit WHERE run = $1 AND messages <= 500", got.Run); got != "10000 in 10000" {
		t.Errorf("the audit has %s", got)
	}
}

// At a rate of one in 1000 seconds the first need not wait, and nobody waits for the last.
func TestARateIsWaitedForBetweenBatchesAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.kill("", "test", "", "no", 1, 2)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	for id := range int64(2) {
		got, err := f.o.Replay(ctx, Filter{IDs: []int64{id + 1}}, Options{Rate: 0.001, MaxReplays: 7})
		if err != nil || got.Changed != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if got := f.Ask("SELECT filter FROM outbox.audit ORDER BY id LIMIT 1"); got != `{"ids": [1], "rate": 0.001, "max_replays": 7}` {
		t.Errorf("the audit has %s", got)
	}
}

func TestLimitAndCancel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.kill("", "test", "", "no", 1, 3000)
	if got := f.must(f.o.Replay(t.Context(), Filter{}, Options{Limit: 700})); got.Matched != 3000 || got.Changed != 700 {
		t.Errorf("with a limit: %+v", got)
	}
	// The first ones, as the list begins, and not the first lane's.
	if got := f.Ask("SELECT format('%s, up to %s', count(*), max(id)) FROM outbox.deferred"); got != "700, up to 700" {
		t.Errorf("%s are replayed", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	got, err := f.o.Replay(ctx, Filter{}, Options{Rate: 100})
	if !errors.Is(err, context.DeadlineExceeded) || got.Changed == 0 || got.Changed > 300 {
		t.Errorf("cancelled: %+v, %v", got, err)
	}
	if done := f.Ask("SELECT count(*) FROM outbox.deferred"); done != fmt.Sprint(700+got.Changed) {
		t.Errorf("%s are replayed, the result said %d and %d", done, 700, got.Changed)
	}
	f.ordered()
	// the operator is as good as before
	if got := f.must(f.o.Replay(t.Context(), Filter{}, Options{})); got.Changed+got.Skipped["replaying"] != 3000 {
		t.Errorf("the rest: %+v", got)
	}
	f.ordered()
}

// A process that is killed in the middle leaves nothing half done.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	if url := os.Getenv("OPERATOR_TEST_URL"); url != "" {
		replayUntilKilled(t, url)
		return
	}
	f := newFixture(t)
	const count = 20_000
	for i := range 20 {
		f.kill(fmt.Sprint("k", i), "test", "", "no", 1+i*count/20, count/20)
	}
	for _, least := range []int{300, 2000, 5000} {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledInTheMiddle$")
		child.Env = append(os.Environ(), "OPERATOR_TEST_URL="+f.URL)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		f.Eventually("true", func() string { return f.Ask("SELECT count(*) >= $1 FROM outbox.deferred", least) })
		_ = child.Process.Kill()
		if err := child.Wait(); err == nil {
			t.Fatal("it had ended before it was killed")
		}
		f.ordered()
		// what the killed one held is free as soon as the server has noticed
		f.Eventually("1", func() string {
			return f.Ask("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND usename = session_user AND application_name = 'replaying' OR pid = pg_backend_pid()")
		})
		if got := f.Ask("SELECT (SELECT count(*) FROM outbox.dead WHERE replaying_at IS NOT NULL) = (SELECT count(*) FROM outbox.deferred) AND (SELECT sum(messages) FROM outbox.audit) = (SELECT count(*) FROM outbox.deferred)"); got != "true" {
			t.Error("dead messages, those that wait and the audit do not agree")
		}
	}
	r := new(receiver)
	f.start(r)
	f.must(f.o.Replay(t.Context(), Filter{}, Options{}))
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if n := len(r.Taken()); n != count {
		t.Errorf("delivered %d of %d", n, count)
	}
}

func replayUntilKilled(t *testing.T, url string) {
	config := parse(t, url)
	config.RuntimeParams["application_name"] = "replaying"
	o, err := Open(t.Context(), config, "outbox", Identity{})
	if err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		if _, err := o.Replay(t.Context(), Filter{}, Options{Rate: 2000}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.kill("k", "test", "", "no", 1, 2)
	replayed := f.must(f.o.Replay(t.Context(), key("k"), Options{}))
	f.must(f.o.Discard(t.Context(), Filter{IDs: []int64{2}, Topic: "test"}, Options{Limit: 5, Rate: 100}))
	entries, err := f.o.Audit(t.Context(), AuditFilter{}, Page{})
	if err != nil || len(entries) != 2 {
		t.Fatalf("the audit has %+v, %v", entries, err)
	}
	if e := entries[0]; e.Action != "discard" || e.Actor != "ann" || e.Reason != "a test" || e.Messages != 1 || string(e.Filter) != `{"ids": [2], "rate": 100, "limit": 5, "topic": "test"}` {
		t.Errorf("the last entry is %+v with %s", e, e.Filter)
	}
	for name, filter := range map[string]AuditFilter{
		"run":     {Run: replayed.Run},
		"action":  {Action: "replay", Actor: "ann"},
		"message": {MessageID: entries[1].MessageIDs[0], Since: entries[1].At, Until: entries[1].At.Add(time.Hour)},
		"before":  {Until: entries[0].At},
	} {
		found, err := f.o.Audit(t.Context(), filter, Page{Limit: 1})
		if err != nil || len(found) != 1 || found[0].ID != entries[1].ID {
			t.Errorf("by %s: %+v, %v", name, found, err)
		}
	}
	older, err := f.o.Audit(t.Context(), AuditFilter{}, Page{After: entries[0].ID})
	if err != nil || len(older) != 1 || older[0].ID != entries[1].ID {
		t.Errorf("the second page is %+v, %v", older, err)
	}
}
