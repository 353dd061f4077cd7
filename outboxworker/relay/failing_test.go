package relay

// failing_test.go: a receiver that fails, messages at which it fails, and how the relay
// tells them apart, in a real PostgreSQL.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/outboxworker/fingerprint"
	"github.com/weirproxy/weir/outboxworker/sink"
)

var errFails = errors.New("posting to http://receiver: status 500: no 17")

func failed() sink.Result {
	return sink.Result{Outcome: sink.Failed, Err: errFails, Class: "status 500"}
}

// poisoned fails at messages whose texts begin with poison, and takes all others.
func poisoned(m *sink.Message) sink.Result {
	if strings.HasPrefix(string(m.Payload), "poison") {
		return failed()
	}
	return sink.Result{Outcome: sink.Delivered}
}

// dead counts the dead of each number of attempts.
func (f *fixture) dead() string {
	f.Helper()
	return f.Ask(`COALESCE((SELECT string_agg(format('%s %s', reason, attempts), ', ' ORDER BY id) FROM outbox.dead), 'none')`)
}

// A message alone at which the receiver fails is no evidence against the receiver.
func TestAPoisonMessageDiesBySchedule(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(poisoned)
	f.Enqueue("k", "poison", "after")
	f.start(r)
	f.Eventually("0 pending, 0 deferred, 1 dead", f.Places)
	if got := f.dead(); got != "exhausted 7" {
		t.Errorf("died as %s", got)
	}
	if got, want := r.Tried("k"), strings.Repeat("poison ", 7)+"after"; got != want {
		t.Errorf("tried %q, want %q", got, want)
	}
	if got, want := f.Ask("SELECT class || ' ' || fingerprint FROM outbox.dead"), "status 500 "+fingerprint.Of("status 500", errFails.Error()); got != want {
		t.Errorf("class and fingerprint are %q, want %q", got, want)
	}
}

// It is the same when the breaker was open before, since nobody answered.
func TestAPoisonMessageDiesAfterAnOutage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(func(*sink.Message) sink.Result { return sink.Result{Outcome: sink.Unreachable, Err: errNo} })
	f.Enqueue("k", "poison", "poison again")
	f.start(r)
	f.Eventually("true", func() string { return fmt.Sprint(len(r.Seen()) > 3) })
	r.Set(poisoned)
	f.Eventually("0 pending, 0 deferred, 2 dead", f.Places)
	if got := f.dead(); got != "exhausted 7, exhausted 7" {
		t.Errorf("died as %s", got)
	}
}

// Three are taken for a receiver that fails, until there is another answer: then they
// die, and until then they keep nobody.
func TestThreePoisonMessagesKeepNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// Two alone, until the worker of the third comes to it, must not die, nor be tried often
	// before a good message is.
	f.settings.Retry = backoff.Policy{Base: 300 * time.Millisecond, Cap: 500 * time.Millisecond}
	f.settings.Outage = backoff.Policy{Base: 100 * time.Millisecond, Cap: 100 * time.Millisecond}
	r := new(receiver)
	r.Set(poisoned)
	f.start(r)
	f.connected()
	f.Exec("SELECT outbox.enqueue('test', 'poison', key => 'p' || i) FROM generate_series(0, 2) i")
	f.Eventually("true", func() string { return fmt.Sprint(len(r.Seen()) > 20) })
	if got := f.Places(); !strings.HasSuffix(got, "0 dead") {
		t.Errorf("without another answer: %s", got)
	}
	const counted = "SELECT sum(attempts) FROM outbox.deferred"
	spent, before := f.Ask(counted), len(r.Seen())
	f.Eventually("true", func() string { return fmt.Sprint(len(r.Seen()) > before+10) })
	if got := f.Ask(counted); got != spent {
		t.Errorf("while the breaker is open, attempts are counted: %s, then %s", spent, got)
	}
	most := 0
	for i, end := 0, time.Now().Add(deadline); time.Now().Before(end); i++ {
		key := fmt.Sprintf("g%d", i)
		f.Enqueue(key, "good")
		before := len(r.Seen())
		f.Eventually("good", func() string { return r.Texts(key) })
		// those that failed, a turn each, and what was under way
		tried := slices.IndexFunc(r.Seen(), func(m sink.Message) bool { return m.Key == key }) - before
		if most = max(most, tried); tried > 20 {
			t.Errorf("good message %d came after %d others", i, tried)
		}
		if strings.HasSuffix(f.Places(), "3 dead") {
			break
		}
	}
	f.Eventually("0 pending, 0 deferred, 3 dead", f.Places)
	if got := f.dead(); got != "exhausted 7, exhausted 7, exhausted 7" {
		t.Errorf("died as %s", got)
	}
	t.Logf("a good message came after %d attempts at most", most)
}

// With a bound, three with nothing else to send die by their schedule after that.
func TestThreePoisonMessagesAreGivenUp(t *testing.T) {
	f := newFixture(t)
	r := new(receiver)
	r.Set(poisoned)
	for i := range 3 {
		f.Enqueue(fmt.Sprintf("p%d", i), "poison")
	}
	f.start(r, func(s *Settings) { s.BreakerGiveUpAfter = 200 * time.Millisecond })
	f.Eventually("0 pending, 0 deferred, 3 dead", f.Places)
	if got := f.dead(); got != "exhausted 7, exhausted 7, exhausted 7" {
		t.Errorf("died as %s", got)
	}
}

// Poison in one lane while there is traffic in others: all of that arrives at once, and the
// poison dies.
func TestPoisonAmongTraffic(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(poisoned)
	f.start(r)
	good := 0
	for end := time.Now().Add(deadline); f.dead() != strings.Repeat("exhausted 7, ", 9)+"exhausted 7"; good++ {
		if time.Now().After(end) {
			t.Fatalf("dead are %s", f.dead())
		}
		f.Enqueue(fmt.Sprintf("g%d", good%40), fmt.Sprintf("good %d", good))
		if good < 10 {
			f.Enqueue("p", fmt.Sprintf("poison %d", good))
		}
	}
	f.Eventually("0 pending, 0 deferred, 10 dead", f.Places)
	if n := len(r.Taken()); n != good {
		t.Errorf("%d good messages arrived, want %d", n, good)
	}
}

// one makes a Deliverer of a receiver, which remembers how many calls there were at once.
type one struct {
	*receiver
	now, most atomic.Int32
}

func (o *one) Deliver(_ context.Context, m *sink.Message) sink.Result {
	n := o.now.Add(1)
	for most := o.most.Load(); n > most && !o.most.CompareAndSwap(most, n); most = o.most.Load() {
	}
	defer o.now.Add(-1)
	return o.receiver.Answer(m)
}

// A receiver that fails at everything for much longer than the schedule: nothing dies,
// nobody is overtaken, and hardly an attempt is spent.
func TestAReceiverThatFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.settings.Outage = backoff.Policy{Base: 100 * time.Millisecond, Cap: 100 * time.Millisecond}
	r := &one{receiver: new(receiver)}
	r.Set(func(*sink.Message) sink.Result { return failed() })
	for i := range 200 {
		f.Enqueue(fmt.Sprintf("k%d", i%20), fmt.Sprint(i/20))
	}
	f.start(sink.Keyed(r, 16))
	f.Eventually("true", func() string { return fmt.Sprint(f.metric("outbox_receiver_away") == 1) })
	// What was under way when it opened, in four workers, has ended some probes later, which
	// is after a second or two.
	before := len(r.Seen())
	f.Eventually("true", func() string { return fmt.Sprint(len(r.Seen()) > before+20) })
	r.most.Store(0)
	before = len(r.Seen())
	f.Eventually("true", func() string { return fmt.Sprint(len(r.Seen()) > before+10) })
	if most := r.most.Load(); most != 1 {
		t.Errorf("%d messages at once while the breaker was open, want 1", most)
	}
	if got := f.Places(); !strings.HasSuffix(got, " 0 dead") {
		t.Errorf("while the receiver fails: %s", got)
	}
	r.Set(nil)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	for i := range 20 {
		if got := r.Texts(fmt.Sprintf("k%d", i)); got != "0 1 2 3 4 5 6 7 8 9" {
			t.Errorf("key %d got %q", i, got)
		}
	}
	for _, m := range r.Taken() {
		if m.Attempt > 3 {
			t.Errorf("a message was delivered in attempt %d: a receiver that fails must not spend attempts", m.Attempt)
		}
	}
	if got := f.outcomes("failed"); got == 0 {
		t.Error("the metric shows no delivery that failed")
	}
}

// outcomes is the value of outbox_deliveries_total of an outcome.
func (f *fixture) outcomes(outcome string) float64 {
	f.Helper()
	return f.labelled("outbox_deliveries_total", "outcome", outcome)
}

// Two keys alone cannot show that it is the receiver that fails. When their messages have
// died, a third one does.
func TestAReceiverThatFailsAtOneKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(func(*sink.Message) sink.Result { return failed() })
	f.Enqueue("k", "1", "2", "3", "4", "5")
	f.start(r)
	f.Eventually("1", func() string { return fmt.Sprint(f.metric("outbox_receiver_away")) })
	before := len(r.Seen())
	f.Eventually("true", func() string { return fmt.Sprint(len(r.Seen()) > before+20) })
	if got := f.Places(); got != "0 pending, 3 deferred, 2 dead" {
		t.Errorf("while the receiver fails: %s", got)
	}
	r.Set(nil)
	f.Eventually("0 pending, 0 deferred, 2 dead", f.Places)
	if got := r.Texts("k"); got != "3 4 5" {
		t.Errorf("got %q", got)
	}
}

// A receiver that says how long is given that long, for this message and no other.
func TestRetryAfterOfAMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	const wait = 5 * time.Second // for which the other message is not late, on a busy machine either
	var tries moments
	r.Set(func(m *sink.Message) sink.Result {
		if m.Key == "slow" && tries.note() == 1 {
			return sink.Result{Outcome: sink.Refused, Err: errNo, RetryAfter: wait}
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("slow", "1")
	f.start(r)
	f.Eventually("1", func() string { return r.Tried("slow") })
	f.Enqueue("quick", "2")
	f.Eventually("2", func() string { return r.Texts("quick") })
	if r.Texts("slow") != "" {
		t.Error("the other message waited too, or this one did not")
	}
	f.Eventually("refused", func() string { return f.Ask("SELECT class FROM outbox.deferred") })
	f.Eventually("1", func() string { return r.Texts("slow") })
	if took := tries.between(0, 1); took < wait {
		t.Errorf("tried again after %s, the receiver asked for %s", took, wait)
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	s := DefaultSettings()
	for after, want := range map[time.Duration]int64{0: 1000, time.Minute: 60_000, 100 * time.Hour: 3_600_000} {
		reason, wait := s.verdict(&sink.Result{Outcome: sink.Failed, RetryAfter: after}, 1)
		if reason != "" || wait > want || wait < want/2 || after > time.Second && wait != want {
			t.Errorf("Retry-After of %s: waits %d ms, want %d", after, wait, want)
		}
	}
	if reason, _ := s.verdict(&sink.Result{Outcome: sink.Failed}, 7); reason != "exhausted" {
		t.Errorf("failed in attempt 7 of 7: %q", reason)
	}
}

// A list says how long to wait, and how often to try.
func TestAListOfRetries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	var tries moments
	r.Set(func(m *sink.Message) sink.Result {
		tries.note()
		return poisoned(m)
	})
	f.Enqueue("k", "poison")
	f.start(r, func(s *Settings) {
		s.Retry.List = []time.Duration{10 * time.Millisecond, 700 * time.Millisecond}
	})
	f.Eventually("exhausted 3", f.dead)
	if took := tries.between(1, 2); took < 600*time.Millisecond {
		t.Errorf("the last retry came after %s, the list says 700ms", took)
	}
}

// A message that is replayed has its dead row still, and dies into that.
func TestAReplayedMessageDiesAgain(t *testing.T) {
	t.Parallel()
	for _, onDead := range []OnDead{Continue, Hold} {
		f := newFixture(t)
		r := new(receiver)
		r.Set(func(*sink.Message) sink.Result {
			return sink.Result{Outcome: sink.Fatal, Err: errors.New("gone\x00"), Class: "status 410"}
		})
		f.Enqueue("k", "1")
		stop := f.start(r, func(s *Settings) { s.OnDead = onDead })
		f.Eventually("fatal 1", f.dead)
		stop()
		f.Exec(`UPDATE outbox.dead SET replaying_at = now(), replays = replays + 1, holds = false, died_at = '2020-01-01'`)
		f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, key, type, payload, created_at)
			SELECT id, lane, 'retry', now(), message_id, topic, key, type, payload, created_at FROM outbox.dead`)
		r.Set(poisoned)
		r.Set(func(*sink.Message) sink.Result { return failed() })
		f.start(r, func(s *Settings) { s.OnDead = onDead; s.Retries = 1 })
		f.Eventually("0 pending, 0 deferred, 1 dead", f.Places)
		got := f.Ask(`SELECT format('%s %s %s %s %s %s %s %s', reason, attempts, class, fingerprint = $1, holds, replays,
			replaying_at IS NULL, died_at > now() - interval '1 hour') FROM outbox.dead`, fingerprint.Of("status 500", errFails.Error()))
		if want := fmt.Sprintf("exhausted 3 status 500 t %.1s 1 t t", fmt.Sprint(onDead == Hold)); got != want {
			t.Errorf("%s: dead is %q, want %q", onDead, got, want)
		}
	}
}
