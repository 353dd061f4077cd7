package operator

// interleaving_test.go: what operators do while a batch is under way. The batch is held in
// the middle, when it has read and not settled. An operator that does not take the lane
// must leave a key out of order, or a message in two places, or the test shows nothing.

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproxy/weir/internal/outboxtest"
	"github.com/weirproxy/weir/outboxworker/relay"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// gate is a receiver that holds the batch that a message is in.
type gate struct {
	receiver
	entered chan struct{}
	open    chan struct{}
}

// hold answers with what comes through the gate when the message with the text is sent
// first, and takes all others.
func (g *gate) hold(text string, outcome sink.Outcome) {
	g.entered, g.open = make(chan struct{}), make(chan struct{})
	held := false
	g.Set(func(m *sink.Message) sink.Result {
		if string(m.Payload) != text || held {
			return sink.Result{Outcome: sink.Delivered}
		}
		held = true
		close(g.entered)
		<-g.open
		return sink.Result{Outcome: outcome, Err: errors.New("no")}
	})
}

// interleaving is a batch, and what an operator does meanwhile.
type interleaving struct {
	// waits and dead are the messages of the key k that wait, in their order, and that
	// are dead, with * those that are replayed; pending comes then. "x" is of a key
	// beside it.
	waits, dead, pending []string
	// due tells that the first that waits is tried.
	due bool
	// held is the message of whose sending the batch is held, and what comes of it.
	held    string
	outcome sink.Outcome
	command func(o *Operator, f *fixture) (Result, error)
	// changed and got are what the command changed and what of the key arrived in the
	// end, after what was dead in died.
	changed   int64
	got, died string
	// harmless tells that without the lane's lock, too, nothing is out of order.
	harmless bool
}

func skipHead(o *Operator, f *fixture) (Result, error) {
	return o.SkipHeads(f.Context(), key("k"), Options{})
}

func release(o *Operator, f *fixture) (Result, error) {
	return o.ReleaseKeys(f.Context(), key("k"), Options{})
}

func discard(o *Operator, f *fixture) (Result, error) {
	return o.Discard(f.Context(), key("k"), Options{})
}

func replay(o *Operator, f *fixture) (Result, error) {
	return o.Replay(f.Context(), key("k"), Options{})
}

func runNow(o *Operator, f *fixture) (Result, error) {
	return o.RunNow(f.Context(), key("k"), Options{})
}

var interleavings = map[string]interleaving{
	"a retry is due while its follower is being parked":      {waits: []string{"1"}, pending: []string{"x", "2"}, held: "x", outcome: sink.Delivered, command: runNow, changed: 1, got: "1 2", harmless: true},
	"skip-head while a follower is being parked":             {waits: []string{"1"}, pending: []string{"x", "2"}, held: "x", outcome: sink.Delivered, command: skipHead, changed: 1, got: "2", died: "1 skipped"},
	"skip-head of one that is delivered":                     {waits: []string{"1", "2"}, due: true, held: "1", outcome: sink.Delivered, command: skipHead, got: "1 2"},
	"skip-head of one that is refused":                       {waits: []string{"1", "2"}, due: true, held: "1", outcome: sink.Refused, command: skipHead, changed: 1, got: "2", died: "1 skipped", harmless: true},
	"skip-head of one that dies":                             {waits: []string{"1", "2"}, due: true, held: "1", outcome: sink.Fatal, command: skipHead, got: "2", died: "1 fatal"},
	"release while a follower is being parked":               {dead: []string{"1+"}, pending: []string{"x", "2"}, held: "x", outcome: sink.Delivered, command: release, changed: 1, got: "2", died: "1 exhausted"},
	"release of one that is tried":                           {waits: []string{"1", "2"}, due: true, held: "1", outcome: sink.Refused, command: release, changed: 1, got: "1 2", harmless: true},
	"discard of one that holds while a follower is parked":   {dead: []string{"1+"}, pending: []string{"x", "2"}, held: "x", outcome: sink.Delivered, command: discard, changed: 1, got: "2"},
	"discard of a replayed one that is delivered":            {dead: []string{"1*"}, waits: []string{"2"}, due: true, held: "1", outcome: sink.Delivered, command: discard, got: "1 2", harmless: true},
	"discard of a replayed one that is refused":              {dead: []string{"1*"}, waits: []string{"2"}, due: true, held: "1", outcome: sink.Refused, command: discard, changed: 1, got: "2", harmless: true},
	"discard of a replayed one that dies":                    {dead: []string{"1*"}, waits: []string{"2"}, due: true, held: "1", outcome: sink.Fatal, command: discard, changed: 1, got: "2", harmless: true},
	"replay while another of the key is delivered":           {dead: []string{"1"}, pending: []string{"2", "3"}, held: "2", outcome: sink.Delivered, command: replay, changed: 1, got: "2 3 1", harmless: true},
	"replay while another of the key is refused":             {dead: []string{"1"}, pending: []string{"2", "3"}, held: "2", outcome: sink.Refused, command: replay, changed: 1, got: "1 2 3"},
	"replay of one that holds while a follower is parked":    {dead: []string{"1+"}, pending: []string{"x", "2"}, held: "x", outcome: sink.Delivered, command: replay, changed: 1, got: "1 2", harmless: true},
	"replay while the first of the key is retried in vain":   {dead: []string{"1"}, waits: []string{"2", "3"}, due: true, held: "2", outcome: sink.Refused, command: replay, changed: 1, got: "1 2 3"},
	"replay while the first of the key is retried and taken": {dead: []string{"1"}, waits: []string{"2", "3"}, due: true, held: "2", outcome: sink.Delivered, command: replay, changed: 1, got: "2 3 1", harmless: true},
}

// arrange puts the messages where they are before the batch.
func (i *interleaving) arrange(f *fixture) {
	f.Helper()
	id := -100
	for _, d := range i.dead {
		text := d[:1]
		f.Exec(`INSERT INTO outbox.dead (id, lane, holds, replaying_at, reason, attempts, message_id, topic, key, type, payload, created_at)
			VALUES ($1, hashtextextended('k', 0) & 7, $2, CASE WHEN $3 THEN now() END, 'exhausted', 3, gen_random_uuid(), 'test', 'k', '', $4, now())`,
			id, d == text+"+", d == text+"*", text)
		if d == text+"*" {
			f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, key, type, payload, created_at)
				SELECT id, lane, 'retry', now(), message_id, topic, key, type, payload, created_at FROM outbox.dead WHERE id = $1`, id)
		}
		id++
	}
	for n, text := range i.waits {
		wait := "1 hour"
		if i.due {
			wait = "0"
		}
		f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, key, type, payload, created_at)
			VALUES ($1, hashtextextended('k', 0) & 7, CASE WHEN $2 THEN 'retry' ELSE 'parked' END, CASE WHEN $2 THEN now() + $3::interval END,
				gen_random_uuid(), 'test', 'k', '', $4, now())`, id, n == 0 && f.waiting("k") == "", wait, text)
		id++
	}
	for _, text := range i.pending {
		k := "k"
		if text == "x" {
			k = f.beside("k")
		}
		f.Enqueue(k, text)
	}
}

// empty returns the fixture for a subtest, with nothing in its outbox.
func (f *fixture) empty(t *testing.T) *fixture {
	t.Helper()
	f = &fixture{Outbox: &outboxtest.Outbox{T: t, URL: f.URL, Config: f.Config, Conn: f.Conn}}
	f.Exec("TRUNCATE outbox.message, outbox.deferred, outbox.dead, outbox.audit")
	f.o = f.operator()
	return f
}

// beside returns a key of the same lane as another.
func (f *fixture) beside(key string) string {
	f.Helper()
	return f.Ask("SELECT k FROM (SELECT 'beside' || i AS k FROM generate_series(1, 1000) i) AS all_k WHERE hashtextextended(k, 0) & 7 = hashtextextended($1, 0) & 7 LIMIT 1", key)
}

// start arranges, and returns when the batch is held.
func (i *interleaving) start(f *fixture) *gate {
	f.Helper()
	i.arrange(f)
	f.ordered()
	g := new(gate)
	g.hold(i.held, i.outcome)
	f.start(g, func(s *relay.Settings) { s.BatchTime, s.Workers = 5*time.Second, 2 })
	f.await(g.entered)
	return g
}

func (f *fixture) await(c <-chan struct{}) {
	f.Helper()
	select {
	case <-c:
	case <-time.After(deadline):
		f.Fatal("nothing happens")
	}
}

func TestCommandsBesideABatch(t *testing.T) {
	t.Parallel()
	all := newFixture(t)
	for name, i := range interleavings {
		t.Run(name, func(t *testing.T) {
			f := all.empty(t)
			g := i.start(f)
			var got Result
			var err error
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				got, err = i.command(f.o, f)
			}()
			f.Eventually("true", func() string {
				return f.Ask("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = $1)", f.o.conn.PgConn().PID())
			})
			close(g.open)
			f.await(ended)
			f.must(got, err)
			f.ordered()
			if got.Changed != i.changed || got.Changed+got.Skipped["changed"] != got.Matched {
				t.Errorf("the command's result is %+v, want %d changed", got, i.changed)
			}
			f.Eventually(i.got, func() string { return g.Texts("k") })
			f.Eventually("0 0", func() string {
				return f.Ask("SELECT format('%s %s', (SELECT count(*) FROM outbox.deferred), (SELECT count(*) FROM outbox.message))")
			})
			if died := f.died("k"); died != i.died {
				t.Errorf("dead are %q, want %q", died, i.died)
			}
			f.ordered()
		})
	}
}

// deadlocked tells that a transaction waited for one that waited for it, as batches and operators
// may that do not take the lane.
func deadlocked(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == "40P01"
}

// Without the lane's lock these schedules go wrong.
func TestWithoutTheLaneKeysGoOutOfOrder(t *testing.T) {
	t.Parallel()
	all := newFixture(t)
	for name, i := range interleavings {
		t.Run(name, func(t *testing.T) {
			f := all.empty(t)
			f.o.table++ // so it takes the lane of an outbox that is not there
			g := i.start(f)
			if _, err := i.command(f.o, f); deadlocked(err) {
				close(g.open)
				return
			} else if err != nil {
				t.Fatal(err)
			}
			before := fmt.Sprint(disorder(t.Context(), f.Conn))
			close(g.open)
			wrong := func() bool {
				return before != "[]" || len(disorder(t.Context(), f.Conn)) > 0 ||
					g.Texts("k") != i.got || f.died("k") != i.died
			}
			f.Eventually("true", func() string {
				// of this database: other tests have theirs
				if f.Ask("SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = current_database()") != "0" {
					return "a batch is under way"
				}
				left := f.Ask("SELECT (SELECT count(*) FROM outbox.deferred) + (SELECT count(*) FROM outbox.message)")
				return fmt.Sprint(left == "0" || len(disorder(t.Context(), f.Conn)) > 0)
			})
			if wrong() == i.harmless {
				t.Errorf("wrong: %t; got %q, dead %q, %v", wrong(), g.Texts("k"), f.died("k"), disorder(t.Context(), f.Conn))
			}
		})
	}
}
