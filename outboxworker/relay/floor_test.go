package relay

// floor_test.go: what is due is found without reading what was.

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// waits puts a message that is due at a time, as SQL has it, among those that wait.
func (f *fixture) waits(id int64, due string) {
	f.Helper()
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, type, payload, created_at)
		VALUES ($1::bigint, $1::bigint & 7, 'retry', `+due+`, gen_random_uuid(), 'test', '', $1::bigint::text::bytea, now())`, id)
}

var heapFetches = regexp.MustCompile(`Heap Fetches: (\d+)`)

// fetches is how many rows a statement looks at for its indexes.
func (f *fixture) fetches(text string, args ...any) (sum int) {
	f.Helper()
	plan := f.plan(planning(), "(ANALYZE, TIMING OFF) "+text, args)
	for _, n := range heapFetches.FindAllStringSubmatch(plan, -1) {
		fetched, err := strconv.Atoi(n[1])
		if err != nil {
			f.Fatal(err)
		}
		sum += fetched
	}
	return sum
}

// While a transaction that stays open holds back vacuum, a claim and a probe step over what
// was due lately alone.
func TestWhatWasDueIsNotReadAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := newProper(f)
	holder := f.Connect()
	if _, err := holder.Exec(t.Context(), "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM outbox.migration"); err != nil {
		t.Fatal(err)
	}
	const dead = 20_000
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, type, payload, created_at)
		SELECT i * 8, 0, 'retry', now() - interval '1 hour', gen_random_uuid(), 'test', '', 'x', now() FROM generate_series(1, $1::int) i`, dead)
	f.Exec("DELETE FROM outbox.deferred")
	f.waits(8, "now() + interval '1 hour'")
	p.look()
	l := p.w.lanes[0]
	none := []pgtype.Timestamptz{timestamp(time.Time{})}
	for name, statement := range map[string]struct {
		text        string
		below, from []any
	}{
		"claim": {p.w.sql.claim, []any{0, none[0], 0}, []any{0, timestamp(l.floor), 0}},
		"probe": {p.w.sql.probe, []any{[]int16{0}, []int64{0}, []int16{}, []string{}, none},
			[]any{[]int16{0}, []int64{0}, []int16{}, []string{}, []pgtype.Timestamptz{timestamp(l.floor)}}},
		"state": {p.w.sql.state, []any{none}, []any{p.w.relay.floors()}},
	} {
		if n := f.fetches(statement.text, statement.below...); n < dead {
			t.Fatalf("%s: without a floor %d rows are looked at: the test shows nothing", name, n)
		}
		if n := f.fetches(statement.text, statement.from...); n > 100 {
			t.Errorf("%s: %d rows are looked at", name, n)
		}
	}
}

// Who waited for the lane may let a message be due a little before a claim that was made
// meanwhile.
func TestTheFloorIsBelowWhoeverWaited(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := newProper(f)
	p.look()
	f.waits(8, "now() - interval '20 seconds'")
	if got := p.look(); got != "8" {
		t.Errorf("found %q", got)
	}
	f.waits(16, "now() - interval '1 hour'") // by hand
	f.waits(24, "now()")
	if got := p.look(); got != "24" {
		t.Errorf("above the floor is %q", got)
	}
	p.w.lanes[0].lookedAt = time.Time{}
	if got := p.look(); got != "16" {
		t.Errorf("from the start is %q", got)
	}
}

// Another server has another clock.
func TestAnotherServerForgetsTheFloor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := newProper(f)
	p.look()
	f.waits(8, "now() - interval '1 hour'")
	p.w.incarnation.backend++
	if got := p.look(); got != "8" {
		t.Errorf("found %q", got)
	}
}

// What lies below the floor is found in the end.
func TestALookFromTheStartFindsWhatTheFloorMisses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.start(r, func(s *Settings) { s.FullLook = 50 * time.Millisecond })
	f.Enqueue("k", "1")
	f.Eventually("1", func() string { return r.Texts("k") })
	f.waits(8, "now() - interval '1 hour'")
	f.Eventually("true", func() string { return fmt.Sprint(len(r.Taken()) == 2) })
}
