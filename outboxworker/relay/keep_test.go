package relay

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/sink"
)

func keeping(s *Settings) { s.KeepDelivered = 24 * time.Hour }

// noted tells what is noted of the messages of a key.
func (f *fixture) noted(key string) string {
	f.Helper()
	return f.Ask(`SELECT COALESCE(string_agg(concat_ws(' ', topic, biz_id, type, attempts), ', ' ORDER BY id), '')
		FROM outbox.delivered WHERE key = $1`, key)
}

// A note is made by what removes the message, of those that waited and those that did not.
func TestDeliveredMessagesAreKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(func(m *sink.Message) sink.Result {
		if string(m.Payload) == "second" && m.Attempt < 3 {
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.start(r, keeping)
	for _, text := range []string{"first", "second", "third"} {
		f.Exec("SELECT outbox.enqueue('test', $1::text, key => 'k', type => $1, biz_id => 'b')", text)
	}
	f.Exec("SELECT outbox.enqueue('test', 'without')")
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := f.noted("k"); got != "test b first 1, test b second 3, test b third 1" {
		t.Errorf("noted is %q", got)
	}
	same := f.Ask("SELECT count(*) FROM outbox.delivered WHERE key IS NULL AND created_at < delivered_at")
	if same != "1" {
		t.Errorf("%s messages without a key are noted", same)
	}
	for _, m := range r.Taken() {
		if f.Ask("SELECT count(*) FROM outbox.delivered WHERE message_id = $1 AND id = $2", m.ID, m.Position) != "1" {
			t.Errorf("message %d is not noted once", m.Position)
		}
	}
}

// The partitions are there before the first batch, and are made when they are missing: no
// message is sent twice for it, and all are noted.
func TestAMissingPartitionIsMade(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Enqueue("k", "before the first batch")
	r := new(receiver)
	f.start(r, keeping)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	// of this hour and the next, and of the last one if it ended a moment ago
	const partitions = "SELECT count(*) IN (2, 3) FROM pg_inherits WHERE inhparent = 'outbox.delivered'::regclass"
	if got := f.Ask(partitions); got != "true" {
		t.Fatal("there are not as many partitions as there should be")
	}
	for _, places := range []string{"k", "l"} { // what was pending, and what waited
		r.Set(func(m *sink.Message) sink.Result {
			if places == "l" && m.Attempt == 1 {
				return refuse(errNo)
			}
			return sink.Result{Outcome: sink.Delivered}
		})
		f.Exec(`DO $$ DECLARE part regclass; BEGIN
			FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'outbox.delivered'::regclass LOOP
				EXECUTE 'DROP TABLE ' || part;
			END LOOP; END $$`)
		for i := range 50 {
			f.Enqueue(fmt.Sprint(places, i), "x")
		}
		f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
		if got := f.Ask("SELECT count(*) FROM outbox.delivered"); got != "50" {
			t.Errorf("%s of 50 messages are noted", got)
		}
	}
	if got := len(r.Taken()); got != 101 {
		t.Errorf("101 messages were delivered %d times", got)
	}
	if got := f.Ask(partitions); got != "true" {
		t.Error("there are not as many partitions as there should be")
	}
}

// Whatever is wrong with the notes, messages are delivered once and removed.
func TestNotesThatCannotBeMadeStopNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	config := f.settings.Database.Copy()
	role := config.Database + "_forgetful" // roles outlive databases
	f.Exec("CREATE ROLE " + pgx.Identifier{role}.Sanitize() + " IN ROLE outbox_worker")
	config.RuntimeParams["role"] = role
	worker := func(s *Settings) { s.Database, s.Listen = config, config }
	r := new(receiver)
	stop := f.start(r, keeping, worker)
	f.Enqueue("k", "kept")
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	f.Exec("REVOKE INSERT ON outbox.delivered FROM outbox_worker")
	f.Enqueue("k", "not kept", "nor this")
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	stop()
	f.Exec("REVOKE EXECUTE ON FUNCTION outbox.rotate_delivered FROM outbox_worker")
	f.start(r, keeping, worker)
	f.Enqueue("k", "nor that")
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := r.Texts("k"); got != "kept not kept nor this nor that" {
		t.Errorf("delivered were %q", got)
	}
	if got := f.Ask("SELECT count(*) FROM outbox.delivered"); got != "1" {
		t.Errorf("%s messages are noted", got)
	}
}

// Without the setting, what an earlier one left goes once its hour is over.
func TestWithoutKeepingOldNotesGo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(`CREATE TABLE outbox.delivered_2020010100 PARTITION OF outbox.delivered
		FOR VALUES FROM ('2020-01-01 00:00Z') TO ('2020-01-01 01:00Z')`)
	f.start(new(receiver))
	f.Enqueue("k", "x")
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	f.Eventually("0", func() string {
		return f.Ask("SELECT count(*) FROM pg_inherits WHERE inhparent = 'outbox.delivered'::regclass")
	})
}

// A replayed message's dead row goes with it, in the same statement; another dead row
// stays.
func TestADeliveredReplayIsDeadNoMore(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Settings){"kept": keeping, "forgotten": func(*Settings) {}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			const columns = "(id, lane, reason, attempts, replaying_at, message_id, topic, type, payload, created_at)"
			f.Exec("SELECT nextval('outbox.message_id_seq') FROM generate_series(1, 99)")
			f.Exec("INSERT INTO outbox.dead " + columns + ` VALUES (16, 0, 'fatal', 1, now(), gen_random_uuid(), 'test', '', 'replayed', now()),
				(24, 0, 'fatal', 1, NULL, gen_random_uuid(), 'test', '', 'dead', now())`)
			f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, type, payload, created_at)
				SELECT id, lane, 'retry', now(), message_id, topic, type, payload, created_at FROM outbox.dead WHERE id = 16`)
			r := new(receiver)
			f.start(r, change)
			f.Eventually("0 pending, 0 deferred, 1 dead", f.Places)
			if got := f.Ask("SELECT id FROM outbox.dead"); got != "24" || payloads(r, 0) != "replayed" {
				t.Errorf("dead is %s, delivered %q", got, payloads(r, 0))
			}
		})
	}
}

// A paused lane with work in it lets its worker rest.
func TestAPausedLaneWakesNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.Exec("INSERT INTO outbox.paused_lane (lane) SELECT generate_series(0, 7)")
	f.Enqueue("k", "pending")
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, type, payload, created_at)
		VALUES (-8, 0, 'retry', now(), gen_random_uuid(), 'test', '', 'due', now())`)
	f.start(r, func(s *Settings) { s.PollMax = 5 * time.Millisecond })
	// four workers, who find nothing to do and rest, the scout, the watch and the test
	f.Eventually("true", func() string {
		return f.Ask("SELECT count(*) >= 7 FROM pg_stat_activity WHERE datname = current_database()")
	})
	woken := func() float64 { return f.metric("outbox_wakeups_total") }
	start, began := woken(), time.Now()
	f.Eventually("true", func() string { return fmt.Sprint(time.Since(began) > 500*time.Millisecond) })
	if got := woken() - start; got > 10 {
		t.Errorf("workers of paused lanes were woken %v times in half a second", got)
	}
	if got := payloads(r, 0); got != "" {
		t.Errorf("paused lanes sent %q", got)
	}
	f.Exec("DELETE FROM outbox.paused_lane")
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
}

// A message with a lower id than the one of its key that is tried, as producers that do not
// take turns may commit it, waits behind it: the key never has two that are tried.
func TestALowerIdThatComesLateIsParked(t *testing.T) {
	f := newFixture(t)
	r := new(receiver)
	r.Set(func(m *sink.Message) sink.Result {
		if m.Attempt < 4 {
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	late := f.writer().write("k", "late")
	f.Enqueue("k", "head")
	f.start(r, func(s *Settings) { s.Retries = 9 })
	f.Eventually("1", func() string { return f.Ask("SELECT count(*) FROM outbox.deferred") })
	late.commit()
	two := false
	f.Eventually("0 pending, 0 deferred, 0 dead", func() string {
		two = two || f.Ask("SELECT count(*) > 1 FROM outbox.deferred WHERE state = 'retry'") == "true"
		return f.Places()
	})
	if got := r.Texts("k"); two || got != "head late" {
		t.Errorf("delivered %q; two were tried at a time: %v", got, two)
	}
}
