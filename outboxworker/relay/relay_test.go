package relay

// relay_test.go: what becomes of messages, in a real PostgreSQL.

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/sink"
)

func TestDeliversOnceAndInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 40 {
		f.Enqueue(fmt.Sprintf("k%d", i%5), fmt.Sprint(i))
	}
	f.Exec("SELECT outbox.enqueue(topic => 'test', payload => 'no key')")
	r := new(receiver)
	f.start(r)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got, want := r.Texts("k3"), "3 8 13 18 23 28 33 38"; got != want {
		t.Errorf("key k3 got %q, want %q", got, want)
	}
	if n := len(r.Taken()); n != 41 {
		t.Errorf("%d messages arrived, want 41", n)
	}
}

func TestMessagesKeepWhatTheyHave(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(`INSERT INTO outbox.message (message_id, biz_id, topic, key, type, payload, headers)
		VALUES ('00000000-0000-4000-8000-000000000001', 'order 7', 'orders', '', 'paid', '\x00ff', '{"traceparent": "x"}')`)
	r := new(receiver)
	f.start(r)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	m := r.Taken()[0]
	got := fmt.Sprint(m.ID, m.BizID, m.Topic, m.HasKey, m.Key, m.Type, m.Payload, string(m.Headers), m.Attempt, time.Since(m.CreatedAt) < time.Minute)
	want := `00000000-0000-4000-8000-000000000001order 7orderstruepaid[0 255]{"traceparent": "x"}1 true`
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// Also a message that had to wait says in which lane it is.
func TestMessagesKnowTheirLane(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(func(m *sink.Message) sink.Result {
		if m.Attempt == 1 {
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	for i := range 20 {
		f.Enqueue(fmt.Sprintf("k%d", i), "x")
	}
	lanes := make(map[string]int)
	rows, err := f.Conn.Query(t.Context(), "SELECT key, lane FROM outbox.message")
	if err != nil {
		t.Fatal(err)
	}
	var key string
	var lane int
	if _, err := pgx.ForEachRow(rows, []any{&key, &lane}, func() error { lanes[key] = lane; return nil }); err != nil {
		t.Fatal(err)
	}
	f.start(r)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	for _, m := range r.Seen() {
		if m.Lane != lanes[m.Key] {
			t.Errorf("a message of lane %d says %d in attempt %d", lanes[m.Key], m.Lane, m.Attempt)
		}
	}
}

func TestARefusedMessageParksItsFollowers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(func(m *sink.Message) sink.Result {
		if string(m.Payload) == "a2" {
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("a", "a1", "a2", "a3")
	f.Enqueue("b", "b1", "b2")
	f.start(r, func(s *Settings) { s.Retries = 1000 })
	f.Eventually("0 pending, 2 deferred, 0 dead", f.Places)
	f.Enqueue("a", "a4")
	f.Eventually("0 pending, 3 deferred, 0 dead", f.Places)
	f.Eventually("b1 b2", func() string { return r.Texts("b") })
	f.Eventually("true", func() string { return f.Ask("SELECT attempts > 2 FROM outbox.deferred WHERE state = 'retry'") })
	if got := f.Ask("SELECT string_agg(state || attempts || COALESCE(last_error, ''), ' ' ORDER BY id) FROM outbox.deferred WHERE state = 'parked'"); got != "parked0 parked0" {
		t.Errorf("followers are %q, want parked with no attempt spent", got)
	}
	r.Set(nil)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := r.Texts("a"); got != "a1 a2 a3 a4" {
		t.Errorf("key a got %q, want its order", got)
	}
}

func TestTheFollowerOfAnotherFailsToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	var mu sync.Mutex
	failures := map[string]int{"1": 2, "3": 3, "4": 1}
	r.Set(func(m *sink.Message) sink.Result {
		mu.Lock()
		defer mu.Unlock()
		if failures[string(m.Payload)]--; failures[string(m.Payload)] >= 0 {
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("k", "1", "2", "3", "4", "5")
	f.start(r)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got, want := r.Tried("k"), "1 1 1 2 3 3 3 3 4 4 5"; got != want {
		t.Errorf("tried %q, want %q", got, want)
	}
}

func TestExhaustedMessagesDie(t *testing.T) {
	t.Parallel()
	for _, onDead := range []OnDead{Continue, Hold} {
		t.Run(string(onDead), func(t *testing.T) {
			f := newFixture(t)
			r := new(receiver)
			r.Set(func(m *sink.Message) sink.Result {
				switch string(m.Payload) {
				case "1":
					return refuse(errNo)
				case "f":
					return sink.Result{Outcome: sink.Fatal, Err: errNo}
				}
				return sink.Result{Outcome: sink.Delivered}
			})
			f.Enqueue("k", "1", "2", "3")
			f.Enqueue("f", "f", "g")
			f.start(r, func(s *Settings) { s.Retries, s.OnDead = 2, onDead })
			waiting := map[OnDead]string{Continue: "0 pending, 0 deferred, 2 dead", Hold: "0 pending, 3 deferred, 2 dead"}[onDead]
			f.Eventually(waiting, f.Places)
			got := f.Ask("SELECT string_agg(format('%s %s %s %s', reason, attempts, last_error, holds), ', ' ORDER BY key) FROM outbox.dead")
			held := map[OnDead]string{Continue: "f", Hold: "t"}[onDead]
			if want := "fatal 1 no " + held + ", exhausted 3 no " + held; got != want {
				t.Errorf("dead are %q, want %q", got, want)
			}
			f.Enqueue("k", "4")
			if onDead == Continue {
				f.Eventually("2 3 4", func() string { return r.Texts("k") })
				return
			}
			f.Eventually("0 pending, 4 deferred, 2 dead", f.Places)
			if got := r.Texts("k") + r.Texts("f"); got != "" {
				t.Errorf("%q was delivered past a dead message that holds its key", got)
			}
		})
	}
}

func TestDelayedMessagesLeaveTheirKeysOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.Exec("SELECT outbox.enqueue(topic => 'test', key => 'k', payload => 'later', deliver_after => now() + interval '8 seconds')")
	f.Enqueue("k", "1", "2")
	f.start(r)
	f.Eventually("1 2", func() string { return r.Texts("k") })
	f.Eventually("delayed", func() string { return f.Ask("SELECT state FROM outbox.deferred") })
	f.Eventually("1 2 later", func() string { return r.Texts("k") })
	m := r.Taken()[2]
	if age := time.Since(m.CreatedAt); age < 8*time.Second {
		t.Errorf("the delayed message came after %s", age)
	}
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
}

func TestAnOutageSpendsNoAttempts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(func(*sink.Message) sink.Result { return sink.Result{Outcome: sink.Unreachable, Err: errNo} })
	f.Enqueue("a", "1", "2", "3")
	f.Enqueue("b", "4", "5", "6")
	f.start(r)
	f.Eventually("true", func() string { return fmt.Sprint(len(strings.Fields(r.Tried("a")+" "+r.Tried("b"))) > 8) })
	if got := f.Places(); got != "6 pending, 0 deferred, 0 dead" {
		t.Errorf("during an outage: %s", got)
	}
	if got := strings.Fields(r.Tried("a") + " " + r.Tried("b")); strings.Contains(strings.Join(got, ""), "3") {
		t.Errorf("an outage was probed with %v, want heads alone", got)
	}
	r.Set(nil)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if r.Texts("a") != "1 2 3" || r.Texts("b") != "4 5 6" {
		t.Errorf("got %q and %q", r.Texts("a"), r.Texts("b"))
	}
	for _, m := range r.Taken() {
		if m.Attempt != 1 {
			t.Errorf("%s was delivered in attempt %d: an outage must not count", m.Payload, m.Attempt)
		}
	}
}

func TestThrottledLeavesTheReceiverAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	var tries moments
	r.Set(func(*sink.Message) sink.Result {
		if tries.note() == 1 {
			return sink.Result{Outcome: sink.Throttled, RetryAfter: 1500 * time.Millisecond, Err: errNo}
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("k", "1", "2")
	f.start(r)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if took := tries.between(0, 1); took < 1500*time.Millisecond {
		t.Errorf("the receiver was left alone for %s, it asked for 1.5s", took)
	}
	if got := r.Tried("k"); got != "1 1 2" {
		t.Errorf("tried %q", got)
	}
}

func TestErrorsOfAllSortsAreStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(func(*sink.Message) sink.Result {
		return refuse(errors.New("answer \x00 and \xff " + strings.Repeat("é", 3000)))
	})
	f.Enqueue("k", "1")
	f.start(r, func(s *Settings) { s.Retries = 0 })
	f.Eventually("0 pending, 0 deferred, 1 dead", f.Places)
	if got := f.Ask("SELECT left(last_error, 16) || octet_length(last_error) FROM outbox.dead"); got != "answer \uFFFD and \uFFFD é1999" && got != "answer \uFFFD and \uFFFD é2000" {
		t.Errorf("stored %q", got)
	}
}

// One message that cannot be moved must not keep the others.
func TestAMessageThatCannotBeMovedStaysAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(`CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.payload = 'bad'::bytea THEN RAISE 'not this one'; END IF; RETURN NEW; END $$`)
	f.Exec("CREATE TRIGGER stop BEFORE INSERT ON outbox.deferred FOR EACH ROW EXECUTE FUNCTION stop()")
	r := new(receiver)
	r.Set(func(m *sink.Message) sink.Result {
		if string(m.Payload) != "good" {
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("k", "good", "bad")
	f.Enqueue("l", "refused", "parked")
	f.start(r, func(s *Settings) { s.Retries = 1000 })
	f.Eventually("1 pending, 2 deferred, 0 dead", f.Places)
	if got := f.Ask("SELECT convert_from(payload, 'UTF8') FROM outbox.message"); got != "bad" {
		t.Errorf("%q is pending", got)
	}
	f.Exec("DROP TRIGGER stop ON outbox.deferred")
	r.Set(nil)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
}

// A row that somebody updates while it is being sent stands elsewhere in the table then.
func TestARowThatIsChangedMeanwhileIsNotLost(t *testing.T) {
	f := newFixture(t)
	other := f.Connect()
	r := new(receiver)
	var once atomic.Bool
	r.Set(func(m *sink.Message) sink.Result {
		if once.CompareAndSwap(false, true) {
			if _, err := other.Exec(t.Context(), "UPDATE outbox.message SET payload = 'new' WHERE payload = 'old'"); err != nil {
				t.Error(err)
			}
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("k", "1", "old", "3")
	f.start(r, func(s *Settings) { s.FullLook = time.Hour })
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := r.Texts("k"); got != "1 old 3 new" {
		t.Errorf("got %q, want the changed row again", got)
	}
}

func TestSeveralRelaysShareTheLanes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const keys, each, together = 50, 40, 10
	r := new(receiver)
	for range 3 {
		f.start(r, func(s *Settings) { s.BatchMessages = 7 })
	}
	for i := range each {
		for k := 0; k < keys; k += together {
			f.Exec("SELECT outbox.enqueue(topic => 'test', key => 'k' || k, payload => $1::text) FROM generate_series($2::integer, $3) k", fmt.Sprint(i), k, k+together-1)
		}
	}
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if n := len(r.Taken()); n != keys*each {
		t.Errorf("%d messages arrived, want %d: without faults there are no duplicates", n, keys*each)
	}
	for k := range keys {
		fields := strings.Fields(r.Texts(fmt.Sprint("k", k)))
		for i, text := range fields {
			if text != fmt.Sprint(i) {
				t.Fatalf("key %d got %v", k, fields)
			}
		}
	}
}

func TestBackendsThatAreTerminated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.start(r)
	for i := range 200 {
		f.Enqueue(fmt.Sprint("k", i%10), fmt.Sprint(i/10))
		if i%50 == 25 {
			f.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		}
	}
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	for k := range 10 {
		checkFirsts(t, r, fmt.Sprint("k", k), 20)
	}
}

// checkFirsts checks that each message of a key arrived, and for the first time in order.
func checkFirsts(t *testing.T, r *receiver, key string, n int) {
	t.Helper()
	next := 0
	for _, text := range strings.Fields(r.Texts(key)) {
		if text == fmt.Sprint(next) {
			next++
			continue
		}
		var i int
		if _, err := fmt.Sscan(text, &i); err != nil || i > next {
			t.Fatalf("key %s got %s before %d: %s", key, text, next, r.Texts(key))
		}
	}
	if next != n {
		t.Errorf("key %s got %d messages, want %d", key, next, n)
	}
}

// A worker that hangs loses its lane when the server ends its transaction.
func TestAWorkerThatHangsLosesItsLane(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Enqueue("k", "1")
	hanging, hung := make(chan struct{}), make(chan time.Time, 8)
	slow := new(receiver)
	slow.Set(func(*sink.Message) sink.Result {
		hung <- time.Now()
		<-hanging
		return sink.Result{Outcome: sink.Delivered}
	})
	short := func(s *Settings) { s.LaneTimeout = 2500 * time.Millisecond }
	f.start(slow, short)
	t.Cleanup(func() { close(hanging) })
	began := <-hung
	quick := new(receiver)
	f.start(quick, short)
	f.Eventually("1", func() string { return quick.Texts("k") })
	if took := time.Since(began); took < time.Second || took > 15*time.Second {
		t.Errorf("the lane was taken over after %s, want after about 2.5s", took)
	}
}

func TestBatchesAreBoundedByBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(`INSERT INTO outbox.message (topic, key, payload)
		SELECT 'big', 'k', decode(repeat(md5(i::text), 32768), 'hex') FROM generate_series(1, 30) i`)
	r := new(receiver)
	f.start(r, func(s *Settings) { s.BatchBytes = 2 << 20 })
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if n := len(r.Taken()); n != 30 {
		t.Errorf("%d messages arrived, want 30", n)
	}
	for _, size := range r.Sizes() {
		if size > 3<<20 {
			t.Errorf("a batch had %d bytes, want 2 MiB and one message at most", size)
		}
	}
}

func TestStoppingFinishesTheBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	sent := make(chan struct{})
	var once atomic.Bool
	r.Set(func(*sink.Message) sink.Result {
		if once.CompareAndSwap(false, true) {
			close(sent)
			time.Sleep(50 * time.Millisecond)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("k", "1", "2", "3")
	stop := f.start(r)
	<-sent
	if f.metric("outbox_workers") == 0 {
		t.Error("outbox_workers is not shown")
	}
	stop()
	if f.metric("outbox_workers") != 0 {
		t.Error("outbox_workers is shown of a relay that has stopped")
	}
	if got, left := r.Texts("k"), f.Places(); got != "1 2 3" || left != "0 pending, 0 deferred, 0 dead" {
		t.Errorf("after a stop: got %q, %s", got, left)
	}
}

func TestRowsOfNonsense(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(`INSERT INTO outbox.message (txid, id, topic, key, payload) OVERRIDING SYSTEM VALUE VALUES
		('18446744073709551615', -5, 'x', 'a', ''), ('0', 0, 'x', 'b', ''), ('3', 9000000000000000000, 'x', 'c', ''), ('3', 7, ' ', '', '')`)
	f.Enqueue("k", "1", "2")
	r := new(receiver)
	f.start(r, func(s *Settings) { s.FullLook = 50 * time.Millisecond })
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if n := len(r.Taken()); n != 6 {
		t.Errorf("%d messages arrived, want 6", n)
	}
}

// What somebody writes below the mark is found by a look from the start, and counted.
func TestALookFromTheStartFindsWhatTheMarkMisses(t *testing.T) {
	f := newFixture(t)
	p := newProper(f)
	for _, text := range []string{"1", "2", "3"} {
		f.Enqueue("k", text)
		p.look()
	}
	f.Exec("INSERT INTO outbox.message (id, topic, key, payload) OVERRIDING SYSTEM VALUE VALUES (1, 'x', 'k', 'low')")
	if got := p.look(); got != "" {
		t.Fatalf("got %q: the mark does not keep a look from reading what lies below it", got)
	}
	p.w.lanes[f.lane("k")].lookedAt = time.Time{}
	if got := p.look(); got != "low" {
		t.Errorf("a look from the start got %q", got)
	}
	if got := f.metric("outbox_mark_missed_total"); got != 1 {
		t.Errorf("outbox_mark_missed_total is %v, want 1", got)
	}
}

func TestTheSweepFindsOrphans(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, message_id, topic, key, type, payload, created_at)
		SELECT i, hashtextextended('k', 0) & 7, 'parked', gen_random_uuid(), 'test', 'k', '', convert_to(i::text, 'UTF8'), now()
		FROM generate_series(1, 3) i`)
	r := new(receiver)
	f.start(r, func(s *Settings) { s.FullLook = 50 * time.Millisecond })
	f.Eventually("1 2 3", func() string { return r.Texts("k") })
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := f.metric("outbox_orphaned_keys_total"); got != 1 {
		t.Errorf("outbox_orphaned_keys_total is %v, want 1", got)
	}
}

func TestNotificationsWakeWhoSleeps(t *testing.T) {
	f := newFixture(t)
	r := new(receiver)
	f.start(r, func(s *Settings) { s.PollMax = time.Hour })
	f.Eventually("1", func() string { return f.Ask("SELECT last_value FROM outbox.wake") })
	for i := range 20 {
		time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
		began := time.Now()
		f.Enqueue("k", fmt.Sprint(i))
		f.Eventually(fmt.Sprint(i+1), func() string { return fmt.Sprint(len(r.Taken())) })
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("message %d took %s", i, took)
		}
	}
	if f.metric("outbox_wakeups_total") == 0 {
		t.Error("nothing was counted as a wake-up")
	}
}

func TestPollingAloneDelivers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.start(r, func(s *Settings) { s.Listen = nil })
	f.Eventually("2", func() string { return f.Ask("SELECT last_value FROM outbox.wake") })
	f.Enqueue("k", "1")
	f.Eventually("1", func() string { return r.Texts("k") })
	if got := f.Ask("SELECT last_value FROM outbox.wake"); got != "2" {
		t.Error("a relay that only polls asked for notifications")
	}
}

// Poolers may keep prepared statements from working; pgx has other ways to ask.
func TestWaysToAsk(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			f := newFixture(t)
			f.settings.Database = f.settings.Database.Copy()
			f.settings.Database.DefaultQueryExecMode = mode
			r := new(receiver)
			var n atomic.Int32
			r.Set(func(m *sink.Message) sink.Result {
				switch string(m.Payload) {
				case "2":
					if n.Add(1) < 3 {
						return refuse(errNo)
					}
				case "dead":
					return sink.Result{Outcome: sink.Fatal, Err: errNo}
				}
				return sink.Result{Outcome: sink.Delivered}
			})
			f.Enqueue("k", "1", "2", "3")
			f.Enqueue("l", "dead", "4")
			f.Exec("SELECT outbox.enqueue(topic => 'test', key => 'm', payload => 'delayed', headers => '{}', deliver_after => now() + interval '200 milliseconds')")
			f.start(r)
			f.Eventually("0 pending, 0 deferred, 1 dead", f.Places)
			if got := r.Texts("k") + " " + r.Texts("l") + " " + r.Texts("m"); got != "1 2 3 4 delayed" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// The rights of the worker's role are enough, and a publication of all tables is no
// hindrance.
func TestTheWorkersRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec("CREATE PUBLICATION everything FOR ALL TABLES")
	f.settings.Database = f.settings.Database.Copy()
	f.settings.Database.RuntimeParams["role"] = "outbox_worker"
	f.settings.Listen = f.settings.Database
	r := new(receiver)
	var n atomic.Int32
	r.Set(func(m *sink.Message) sink.Result {
		switch string(m.Payload) {
		case "1":
			if n.Add(1) < 3 {
				return refuse(errNo)
			}
		case "dead":
			return sink.Result{Outcome: sink.Fatal, Err: errNo}
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("k", "1", "2")
	f.Enqueue("l", "dead", "3")
	f.Exec("SELECT outbox.enqueue(topic => 'test', key => 'm', payload => 'delayed', deliver_after => now() + interval '200 milliseconds')")
	f.start(r, func(s *Settings) { s.OnDead, s.FullLook = Hold, 50*time.Millisecond })
	f.Eventually("0 pending, 1 deferred, 1 dead", f.Places)
	f.Eventually("1", func() string { return f.Ask("SELECT last_value FROM outbox.wake") })
	if got := r.Texts("k") + " " + r.Texts("m"); got != "1 2 delayed" {
		t.Errorf("got %q", got)
	}
	f.Eventually("true", func() string { return fmt.Sprint(f.metric("outbox_table_bytes") > 0) })
}
