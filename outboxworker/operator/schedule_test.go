package operator

// schedule_test.go: operators who do anything at any time, beside two relays and a receiver
// that often refuses. Whatever happens, each moment shows every key in order and every
// message in one place, and in the end each message was delivered once or discarded.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/relay"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// schedule is a run with one seed.
type schedule struct {
	*fixture
	seed uint64
	// rough lets the relay fail to settle batches, so that it settles their messages one
	// by one, and lets go of the lane in between.
	rough             bool
	r                 receiver
	commands, changes int
	discards          int64
	mu                sync.Mutex
}

// random returns a source of numbers for one part of the schedule.
func (s *schedule) random(part uint64) *rand.Rand { return rand.New(rand.NewPCG(s.seed, part)) }

func TestSoakRandomCommands(t *testing.T) {
	t.Parallel()
	long, seeds := 2*time.Second, 1
	if os.Getenv("WEIR_SOAK") != "" {
		long, seeds = 40*time.Second, 4
	}
	for range seeds {
		seed := rand.Uint64()
		for _, onDead := range []relay.OnDead{relay.Continue, relay.Hold} {
			for _, rough := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d %s rough %t", seed, onDead, rough), func(t *testing.T) {
					t.Parallel()
					s := &schedule{fixture: newFixture(t), seed: seed, rough: rough}
					s.run(onDead, long)
				})
			}
		}
	}
}

func (s *schedule) run(onDead relay.OnDead, long time.Duration) {
	s.Exec(`CREATE TABLE died (message_id uuid); GRANT INSERT ON died TO public;
		CREATE FUNCTION died() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.died VALUES (NEW.message_id); RETURN NULL; END $$;
		CREATE TRIGGER died AFTER INSERT ON outbox.dead FOR EACH ROW EXECUTE FUNCTION died()`)
	if s.rough {
		s.Exec(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF current_user <> 'outbox_operator' AND random() < 0.1 THEN RAISE 'not now'; END IF; RETURN NEW; END $$;
			CREATE TRIGGER fail BEFORE INSERT ON outbox.deferred FOR EACH ROW EXECUTE FUNCTION fail()`)
	}
	// nothing crashes here, and more happens so
	s.Exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`)
	s.flaky()
	for range 2 {
		s.start(&s.r, func(settings *relay.Settings) {
			settings.OnDead, settings.Workers, settings.BatchMessages = onDead, 2, 20
			settings.SynchronousCommit = "off"
			settings.Retry.Base, settings.Retry.Cap = 2*time.Millisecond, 100*time.Millisecond
		})
	}
	ctx, cancel := context.WithTimeout(s.Context(), deadline+long)
	defer cancel()
	var parts sync.WaitGroup
	parts.Go(func() {
		defer cancel()
		for began := time.Now(); ctx.Err() == nil && (time.Since(began) < long || !s.happened()); time.Sleep(10 * time.Millisecond) {
		}
	})
	enqueued := make(map[uuid.UUID]bool)
	parts.Go(func() { s.produce(ctx, enqueued) })
	parts.Go(func() { s.watch(ctx) })
	for n := range 3 {
		o := s.operator()
		parts.Go(func() { s.operate(ctx, o, s.random(uint64(10+n))) })
	}
	parts.Wait()
	s.finish()
	s.judge(enqueued)
}

// happened tells whether enough has been done to show anything: on a busy machine that may
// take longer.
func (s *schedule) happened() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.discards > 0 && s.changes > 0 && len(s.r.Taken()) > 0
}

// flaky makes the receiver take most messages, refuse some, and never take a few.
func (s *schedule) flaky() {
	var mu sync.Mutex
	random := s.random(1)
	s.r.Set(func(*sink.Message) sink.Result {
		mu.Lock()
		n, slow := random.IntN(100), random.IntN(50) == 0
		mu.Unlock()
		if slow {
			time.Sleep(time.Duration(n) * 100 * time.Microsecond)
		}
		switch {
		case n < 25:
			return sink.Result{Outcome: sink.Refused, Class: "busy", Err: errors.New("busy")}
		case n < 35:
			return sink.Result{Outcome: sink.Fatal, Class: "bad", Err: errors.New("bad")}
		}
		return sink.Result{Outcome: sink.Delivered}
	})
}

const scheduleKeys = 12

// produce enqueues messages of a few keys, and of none, one after another.
func (s *schedule) produce(ctx context.Context, enqueued map[uuid.UUID]bool) {
	conn, random := s.Connect(), s.random(2)
	for ctx.Err() == nil {
		var key *string
		if n := random.IntN(scheduleKeys + 2); n < scheduleKeys {
			k := fmt.Sprint("k", n)
			key = &k
		}
		var id uuid.UUID
		err := conn.QueryRow(s.Context(), "SELECT outbox.enqueue(topic => 'test', key => $1::text, payload => 'x'::text)", key).Scan(&id)
		if err != nil {
			s.Error(err)
			return
		}
		enqueued[id] = true
		if random.IntN(10) == 0 {
			time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond)
		}
	}
}

// watch looks at the whole outbox again and again. Each look is one snapshot, and so shows
// what every transaction left.
func (s *schedule) watch(ctx context.Context) {
	conn := s.Connect()
	for ctx.Err() == nil {
		if found := disorder(s.Context(), conn); len(found) > 0 {
			s.Errorf("out of order: %v", found)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// operate does anything.
func (s *schedule) operate(ctx context.Context, o *Operator, random *rand.Rand) {
	for ctx.Err() == nil {
		var filter Filter
		if random.IntN(3) > 0 {
			k := fmt.Sprint("k", random.IntN(scheduleKeys))
			filter.Key = &k
		}
		if random.IntN(4) == 0 {
			filter.Class = []string{"busy", "bad"}[random.IntN(2)]
		}
		options := Options{Limit: random.IntN(20), MaxReplays: -1}
		var result Result
		var err error
		switch random.IntN(7) {
		case 0:
			options.Limit = 1 + random.IntN(3)
			result, err = o.Discard(s.Context(), filter, options)
			s.mu.Lock()
			s.discards += result.Changed
			s.mu.Unlock()
		case 1, 2:
			result, err = o.Replay(s.Context(), filter, options)
		case 3:
			result, err = o.RunNow(s.Context(), filter, options)
		case 4:
			result, err = o.ReleaseKeys(s.Context(), filter, options)
		case 5:
			options.Limit = 1 + random.IntN(3)
			result, err = o.SkipHeads(s.Context(), filter, options)
		default:
			lane := int16(random.IntN(8))
			if _, err = o.PauseLane(s.Context(), lane); err == nil {
				time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
				_, err = o.ResumeLane(s.Context(), lane)
			}
		}
		if err != nil {
			s.Error(err)
			return
		}
		s.mu.Lock()
		s.commands++
		s.changes += int(result.Changed)
		s.mu.Unlock()
	}
}

// finish lets all messages be delivered that are still there.
func (s *schedule) finish() {
	s.Helper()
	s.r.Set(nil)
	if s.rough { // a lane rests for seconds after each failure
		s.Exec("DROP TRIGGER fail ON outbox.deferred")
	}
	s.Eventually("0 pending, 0 deferred, 0 dead", func() string {
		for _, change := range []func(context.Context, Filter, Options) (Result, error){s.o.Replay, s.o.ReleaseKeys} {
			s.must(change(s.Context(), Filter{}, Options{MaxReplays: -1}))
		}
		s.ordered()
		return s.Places()
	})
}

// judge compares what was enqueued with what became of it.
func (s *schedule) judge(enqueued map[uuid.UUID]bool) {
	s.Helper()
	discarded := s.ids("SELECT unnest(message_ids) FROM outbox.audit WHERE action = 'discard'")
	died := s.ids("SELECT message_id FROM died")
	delivered := make(map[uuid.UUID]bool)
	last := make(map[string]int64)
	for _, m := range s.r.Taken() {
		if !s.rough && (delivered[m.ID] || discarded[m.ID]) {
			s.Errorf("message %s was delivered twice, or though it was discarded", m.ID)
		}
		again := delivered[m.ID]
		delivered[m.ID] = true
		if !m.HasKey || died[m.ID] || again {
			continue
		}
		if m.Position < last[m.Key] {
			s.Errorf("message %d of key %s came after %d", m.Position, m.Key, last[m.Key])
		}
		last[m.Key] = m.Position
	}
	for id := range enqueued {
		if !delivered[id] && !discarded[id] {
			s.Errorf("message %s is lost", id)
		}
	}
	if !s.rough && len(delivered)+len(discarded) != len(enqueued) {
		s.Errorf("%d were delivered and %d discarded, of %d", len(delivered), len(discarded), len(enqueued))
	}
	if len(delivered) == 0 || len(discarded) == 0 || s.changes == 0 {
		s.Error("nothing happened")
	}
	s.Logf("%d messages, of which %d were dead at some time and %d discarded; %d commands with %d changes",
		len(enqueued), len(died), len(discarded), s.commands, s.changes)
}

func (s *schedule) ids(sql string) map[uuid.UUID]bool {
	s.Helper()
	rows, err := s.Conn.Query(s.Context(), sql)
	if err != nil {
		s.Fatal(err)
	}
	all := make(map[uuid.UUID]bool)
	var id uuid.UUID
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { all[id] = true; return nil }); err != nil {
		s.Fatal(err)
	}
	return all
}
