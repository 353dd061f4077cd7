package relay

// turns_test.go: producers of a key that do not take turns. A lower id is committed when a
// higher one has been refused already, so the key waits for one that is not its first.

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// lateComer has the messages "2", which is refused and waits for long, "1", which has a lower
// id and came later, and "3" of one key.
func (f *fixture) lateComer(r *receiver) {
	f.Helper()
	r.Set(func(*sink.Message) sink.Result { return refuse(errNo) })
	late := f.Connect()
	if _, err := late.Exec(f.Context(), "BEGIN; SELECT outbox.enqueue(topic => 'test', key => 'k', payload => '1'::text)"); err != nil {
		f.Fatal(err)
	}
	f.Enqueue("k", "2")
	f.start(r, func(s *Settings) { s.Retry = backoff.Policy{Base: time.Hour, Cap: time.Hour} })
	f.Eventually("0 pending, 1 deferred, 0 dead", f.Places)
	if _, err := late.Exec(f.Context(), "COMMIT"); err != nil {
		f.Fatal(err)
	}
	f.Eventually("0 pending, 2 deferred, 0 dead", f.Places)
	f.Enqueue("k", "3")
	f.Eventually("parked retry parked", func() string { return f.Ask("SELECT string_agg(state, ' ' ORDER BY id) FROM outbox.deferred") })
}

const retryNow = "UPDATE outbox.deferred SET due_at = now() WHERE state = 'retry'"

// failOnce lets the next change of what waits fail, so that messages are settled one by one.
func (f *fixture) failOnce(change string) {
	f.Helper()
	f.Exec(`CREATE SEQUENCE tries; GRANT ALL ON SEQUENCE tries TO public;
		CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('public.tries') = 1 THEN RAISE 'not now'; END IF; RETURN COALESCE(NEW, OLD); END $$`)
	f.Exec("CREATE TRIGGER fail_once BEFORE " + change + " ON outbox.deferred FOR EACH ROW EXECUTE FUNCTION fail_once()")
}

// Whoever enqueues a message after another was committed, in the same key, sees it arrive
// after that one.
func TestALateComerIsNotOvertaken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.lateComer(r)
	r.Set(nil)
	f.Exec(retryNow)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := r.Texts("k"); got != "2 1 3" {
		t.Errorf("got %q", got)
	}
}

// Settled one by one, too, the late comer is tried again only when the other one is gone.
func TestALateComerIsSettledAfterTheFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.lateComer(r)
	r.Set(func(m *sink.Message) sink.Result {
		if string(m.Payload) == "1" {
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.failOnce("DELETE")
	f.Exec(`CREATE TABLE wrong (); GRANT ALL ON wrong TO public;
		CREATE FUNCTION heads() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF (SELECT count(*) > 1 FROM outbox.deferred WHERE state = 'retry') THEN INSERT INTO public.wrong DEFAULT VALUES; END IF; RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER heads AFTER UPDATE ON outbox.deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION heads()`)
	f.Exec(retryNow)
	f.Eventually("1 retry, 3 parked", func() string {
		return f.Ask("SELECT string_agg(convert_from(payload, 'UTF8') || ' ' || state, ', ' ORDER BY id) FROM outbox.deferred")
	})
	if got := f.Ask("SELECT count(*) FROM wrong"); got != "0" {
		t.Errorf("%s times two messages of a key were tried", got)
	}
	if got := f.Ask("SELECT last_value > 1 FROM tries"); got != "true" {
		t.Error("the batch did not fail")
	}
}

// The one that is tried stays so, if it is refused again, though the late comer is before it.
func TestTheFirstDoesNotWaitBehindALateComer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.lateComer(r)
	f.failOnce("UPDATE OF attempts")
	f.Exec(retryNow)
	f.Eventually("2", func() string { return f.Ask("SELECT max(attempts) FROM outbox.deferred") })
	if got := f.Ask("SELECT string_agg(convert_from(payload, 'UTF8') || ' ' || state, ', ' ORDER BY id) FROM outbox.deferred"); got != "1 parked, 2 retry, 3 parked" {
		t.Errorf("what waits: %s", got)
	}
	if got := f.Ask("SELECT last_value > 1 FROM tries"); got != "true" {
		t.Error("the batch did not fail")
	}
}
