package relay

// fault_test.go: databases that are slow, cut off, set up otherwise, or that refuse.

import (
	"context"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// between stands between a relay and its database.
type between struct {
	delay time.Duration // of each answer
	// hole swallows what goes over the connections that were there when it was set,
	// without a word to either side.
	hole atomic.Bool
}

// proxied returns a configuration that leads through b.
func (f *fixture) proxied(b *between) *pgx.ConnConfig {
	f.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = listener.Close() })
	to := net.JoinHostPort(f.settings.Database.Host, strconv.Itoa(int(f.settings.Database.Port)))
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			late := b.hole.Load()
			go b.copy(out, in, 0, late)
			go b.copy(in, out, b.delay, late)
		}
	}()
	config := f.settings.Database.Copy()
	config.Host, config.Fallbacks, config.TLSConfig = "127.0.0.1", nil, nil
	config.Port = uint16(listener.Addr().(*net.TCPAddr).Port)
	return config
}

func (b *between) copy(to, from net.Conn, delay time.Duration, late bool) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		swallow := b.hole.Load() && !late
		if err != nil {
			if !swallow {
				_ = to.Close()
			}
			return
		}
		time.Sleep(delay)
		if !swallow {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
}

// The time of a batch is for sending: a read that takes longer must not use it up.
func TestASlowDatabaseIsSlowAndNoMore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	config := f.proxied(&between{delay: 80 * time.Millisecond})
	f.Enqueue("k", "1", "2", "3")
	r := new(receiver)
	f.start(r, func(s *Settings) { s.Database, s.Listen, s.BatchTime = config, nil, 50*time.Millisecond })
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := r.Texts("k"); got != "1 2 3" {
		t.Errorf("got %q", got)
	}
}

// A failover may leave connections behind over which nothing comes any more.
func TestAConnectionThatIsCutOffIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := new(between)
	config := f.proxied(b)
	r := new(receiver)
	f.start(r, func(s *Settings) {
		s.Database, s.Listen, s.Workers = config, nil, 2
		s.LaneTimeout, s.StopTimeout, s.FullLook = 2200*time.Millisecond, time.Second, time.Hour
	})
	for _, text := range []string{"1", "2"} { // looks from the start may take longer
		f.Enqueue("k", text)
		f.Enqueue("l", text)
		f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	}
	b.hole.Store(true)
	f.Enqueue("k", "3")
	f.Eventually("1 2 3", func() string { return r.Texts("k") })
}

// The snapshot of the last query must not live as long as the batch: a slow receiver would
// hold back vacuum.
func TestNoSnapshotIsHeldWhileSending(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := newProper(f)
	ask := func() string {
		return f.Ask("SELECT format('%s, xid %s, xmin %s', state, backend_xid, backend_xmin) FROM pg_stat_activity WHERE pid = $1", p.w.conn.PgConn().PID())
	}
	const want = "idle in transaction, xid , xmin "
	p.r.Set(func(*sink.Message) sink.Result {
		if got := ask(); got != want {
			t.Errorf("while a pending message is sent: %q, want %q", got, want)
		}
		return refuse(errNo)
	})
	f.Enqueue("k", "1")
	p.look()
	var sent atomic.Bool
	p.r.Set(func(*sink.Message) sink.Result {
		sent.Store(true)
		if got := ask(); got != want {
			t.Errorf("while a waiting message is sent: %q, want %q", got, want)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Eventually("true", func() string { p.look(); return fmt.Sprint(sent.Load()) })
}

// The isolation that a database has by default is not that of the relay.
func TestOtherIsolationByDefault(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.settings.Database = f.settings.Database.Copy()
	f.settings.Database.RuntimeParams["default_transaction_isolation"] = "serializable"
	f.settings.Database.RuntimeParams["default_transaction_read_only"] = "on"
	f.settings.Listen = f.settings.Database
	p := newProper(f)
	p.w.conn = f.ConnectTo(f.settings.Database)
	var level string
	p.r.Set(func(*sink.Message) sink.Result {
		level = "sent"
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("k", "1")
	if got := p.look(); got != "1" || level != "sent" {
		t.Fatalf("got %q", got)
	}
	if _, err := p.w.conn.Exec(t.Context(), begin); err != nil {
		t.Fatal(err)
	}
	if err := p.w.conn.QueryRow(t.Context(), "SELECT current_setting('transaction_isolation')").Scan(&level); err != nil || level != "read committed" {
		t.Errorf("batches run in %q, %v", level, err)
	}
}

// A probe sends one message and learns nothing about the others.
func TestAProbeDoesNotMoveTheMark(t *testing.T) {
	f := newFixture(t)
	p := newProper(f)
	f.Enqueue("k", "first")
	n := f.lane("k")
	f.Enqueue("other", "other")
	p.r.Set(func(m *sink.Message) sink.Result {
		if m.Key == "k" {
			return sink.Result{}
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	p.look()
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, type, payload, created_at)
		VALUES (99, $1, 'retry', now(), gen_random_uuid(), 'test', '', 'waiting', now())`, n)
	p.r.Set(func(*sink.Message) sink.Result { return sink.Result{Outcome: sink.Unreachable, Err: errNo} })
	p.look()
	p.r.Set(nil)
	f.Eventually("true", func() string { return fmt.Sprint(p.w.relay.pausedFor() == 0) })
	p.look()
	f.Enqueue("k", "second")
	f.Eventually("0 pending, 0 deferred, 0 dead", func() string { p.look(); return f.Places() })
	if got := p.r.Texts("k"); got != "first second" {
		t.Errorf("got %q", got)
	}
}

// A transaction that is open and has written much must not slow down the others' looks.
func TestALargeOpenTransactionIsNotScanned(t *testing.T) {
	f := newFixture(t)
	p := newProper(f)
	w := f.writer().exec("INSERT INTO outbox.message (topic, key, payload) SELECT 'test', 'k', 'x' FROM generate_series(1, 20000)")
	for range 3 {
		f.Enqueue("k", "y")
		p.look()
	}
	l := p.w.lanes[f.lane("k")]
	if len(l.mark.xids) == 0 { // autovacuum may have more
		t.Fatalf("the mark is %v, want one that looks for the open transaction", l.mark)
	}
	plan := f.plan(p.w.sql.session, "(ANALYZE, TIMING OFF) "+p.w.sql.look, []any{l.number, l.mark.low, l.mark.texts(), 2000, 4 << 20})
	for line := range strings.Lines(plan) {
		if strings.Contains(line, "message_txid") && !strings.Contains(line, "never executed") {
			t.Errorf("a look reads what the open transaction has written: %s", line)
		}
	}
	w.exec("ROLLBACK")
}

func TestAShorterPauseDoesNotEndALongerOne(t *testing.T) {
	t.Parallel()
	r := newProper(newFixture(t)).w.relay
	r.throttle(time.Minute)
	r.throttle(time.Second)
	if got := r.Status().Paused; got < 50*time.Second {
		t.Errorf("paused for %s, want a minute", got)
	}
}

// Should the first of a key be impossible to move, its followers must not overtake it.
func TestAMessageThatCannotBeMovedIsNotOvertaken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(`CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.payload = 'bad'::bytea THEN RAISE 'not this one'; END IF; RETURN NEW; END $$`)
	f.Exec("CREATE TRIGGER stop BEFORE INSERT ON outbox.deferred FOR EACH ROW EXECUTE FUNCTION stop()")
	r := new(receiver)
	var n atomic.Int32
	r.Set(func(m *sink.Message) sink.Result {
		if string(m.Payload) == "bad" && n.Add(1) <= 2 {
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("k", "good", "bad", "after", "last")
	f.start(r, func(s *Settings) { s.FullLook = 50 * time.Millisecond })
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := r.Texts("k"); got != "good bad after last" {
		t.Errorf("got %q", got)
	}
	if f.metric("outbox_orphaned_keys_total") > 0 {
		t.Error("messages waited behind nothing")
	}
}

// While all lanes of a worker rest after failures it must do nothing.
func TestAWorkerWhoseLanesRestIsIdle(t *testing.T) {
	f := newFixture(t)
	p := newProper(f)
	p.w.relay.scouting.Store(true)
	for _, l := range p.w.lanes {
		l.rest = time.Now().Add(time.Hour)
	}
	least := math.MaxInt
	for range 5 { // the server itself has something to log now and then
		before := f.Ask("SELECT pg_current_wal_insert_lsn()")
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := p.w.loop(ctx, t.Context()); err != nil {
			t.Fatal(err)
		}
		logged, err := strconv.Atoi(f.Ask("SELECT pg_current_wal_insert_lsn() - $1::pg_lsn", before))
		if err != nil {
			t.Fatal(err)
		}
		if least = min(least, logged); least <= 10_000 {
			return
		}
	}
	t.Errorf("%d bytes were logged meanwhile", least)
}

// Messages that wait, and time out again and again, must not keep pending ones from being
// sent.
func TestSlowRetriesLeaveTimeForOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(func(m *sink.Message) sink.Result {
		if m.Key == "slow" {
			time.Sleep(60 * time.Millisecond)
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	lane := f.lane("slow")
	f.Enqueue("slow", "1")
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, type, payload, key, created_at)
		SELECT -i, $1, 'retry', now(), gen_random_uuid(), 'test', '', 'x', 'slow', now() FROM generate_series(1, 50) i`, lane)
	f.start(r, func(s *Settings) { s.BatchTime, s.Retries, s.Workers = 50*time.Millisecond, 100_000, 1 })
	f.Eventually("true", func() string { return fmt.Sprint(len(r.Tried("slow")) > 4) })
	var same string
	for i := range 1000 {
		if same = fmt.Sprint("k", i); f.lane(same) == lane {
			break
		}
	}
	f.Enqueue(same, "quick")
	f.Eventually("quick", func() string { return r.Texts(same) })
}
