package sink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// receiver is a deliverer that takes a second for each message and keeps a journal.
type receiver struct {
	// fail says what becomes of a message; nil delivers all.
	fail func(*Message) Result
	// takes is how long a delivery takes.
	takes time.Duration

	mu       sync.Mutex
	journal  []int64
	underWay map[string]int
	now, max int
	problems []string
	closed   bool
}

func newReceiver() *receiver {
	return &receiver{takes: time.Second, underWay: make(map[string]int)}
}

func (r *receiver) Deliver(_ context.Context, m *Message) Result {
	r.begin(m)
	time.Sleep(r.takes)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now--
	if m.HasKey {
		r.underWay[m.Key]--
	}
	if r.fail != nil {
		return r.fail(m)
	}
	return Result{Outcome: Delivered}
}

func (r *receiver) begin(m *Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.journal = append(r.journal, m.Position)
	r.now++
	r.max = max(r.max, r.now)
	if m.HasKey {
		r.underWay[m.Key]++
		if r.underWay[m.Key] > 1 {
			r.problems = append(r.problems, "two messages of key "+m.Key+" under way")
		}
	}
}

func (r *receiver) Close() error {
	r.closed = true
	return errors.New("closing twice")
}

// batchOf makes a batch with messages of these keys; "" is a message without one.
func batchOf(keys ...string) *Batch {
	b := &Batch{Results: make([]Result, len(keys))}
	for i, key := range keys {
		b.Messages = append(b.Messages, Message{Position: int64(i), Key: key, HasKey: key != ""})
	}
	return b
}

func outcomes(b *Batch) string {
	text := ""
	for _, r := range b.Results {
		text += string(r.Outcome.String()[0])
	}
	return text
}

// failing makes the message at a position have a result.
func failing(position int64, result Result) func(*Message) Result {
	return func(m *Message) Result {
		if m.Position == position {
			return result
		}
		return Result{Outcome: Delivered}
	}
}

func TestKeyedDeliversKeysAtOnceAndAKeyInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		b := batchOf("a", "b", "a", "c", "a", "b")
		began := time.Now()
		Keyed(r, 10).Deliver(t.Context(), b)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %s, want the 3s of the longest key", took)
		}
		if got := outcomes(b); got != "dddddd" {
			t.Errorf("outcomes %s", got)
		}
		if r.max != 3 {
			t.Errorf("%d at once, want one of each of 3 keys", r.max)
		}
		assertOrder(t, r, b)
	})
}

func TestKeyedKeepsToItsConcurrency(t *testing.T) {
	for _, test := range []struct {
		concurrency int
		want        time.Duration
	}{{4, 3 * time.Second}, {1, 12 * time.Second}, {0, 12 * time.Second}, {-3, 12 * time.Second}, {100, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver()
			b := batchOf(make([]string, 12)...)
			began := time.Now()
			Keyed(r, test.concurrency).Deliver(t.Context(), b)
			if took := time.Since(began); took != test.want {
				t.Errorf("concurrency %d: 12 messages took %s, want %s", test.concurrency, took, test.want)
			}
			if most := max(test.concurrency, 1); r.max > most {
				t.Errorf("concurrency %d: %d at once", test.concurrency, r.max)
			}
		})
	}
}

func TestKeyedSharesItsConcurrencyAmongCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		to := Keyed(r, 4)
		var calls sync.WaitGroup
		began := time.Now()
		for range 3 {
			calls.Go(func() {
				b := batchOf(make([]string, 8)...)
				to.Deliver(t.Context(), b)
				if got := outcomes(b); got != "dddddddd" {
					t.Errorf("outcomes %s", got)
				}
			})
		}
		calls.Wait()
		if took := time.Since(began); r.max != 4 || took != 6*time.Second {
			t.Errorf("%d at once for %s, want 4 for 6s", r.max, took)
		}
	})
}

func TestKeyedLeavesFollowersOfAFailure(t *testing.T) {
	for _, outcome := range []Outcome{Refused, Fatal, NotSent} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver()
			reason := errors.New("no")
			r.fail = failing(2, Result{Outcome: outcome, Err: reason})
			b := batchOf("a", "b", "a", "", "a", "b", "a")
			Keyed(r, 2).Deliver(t.Context(), b)
			want := []Outcome{Delivered, Delivered, outcome, Delivered, NotSent, Delivered, NotSent}
			for i, o := range want {
				if b.Results[i].Outcome != o {
					t.Errorf("message %d is %s, want %s", i, b.Results[i].Outcome, o)
				}
			}
			if b.Results[2].Err != reason || b.Results[4].Err != nil {
				t.Errorf("errors %v and %v", b.Results[2].Err, b.Results[4].Err)
			}
			assertOrder(t, r, b)
		})
	}
}

func TestKeyedBeginsNothingAfterAnOutage(t *testing.T) {
	for _, outcome := range []Outcome{Throttled, Unreachable} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver()
			r.fail = failing(1, Result{Outcome: outcome, RetryAfter: time.Minute})
			b := batchOf("a", "b", "a", "c", "d", "b", "")
			Keyed(r, 2).Deliver(t.Context(), b)
			// 0 and 1 are under way together; 0's follower may have begun in the
			// same instant in which 1 failed, nothing else.
			if got := outcomes(b); b.Results[1].Outcome != outcome || len(r.journal) > 3 {
				t.Errorf("%s: outcomes %s, sent %v", outcome, got, r.journal)
			}
			if b.Results[1].RetryAfter != time.Minute {
				t.Errorf("retry after %s", b.Results[1].RetryAfter)
			}
			assertOrder(t, r, b)
		})
	}
}

func TestKeyedStopsAtUntilAndFinishesWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		b := batchOf(make([]string, 10)...)
		began := time.Now()
		b.Until = began.Add(1500 * time.Millisecond)
		Keyed(r, 2).Deliver(t.Context(), b)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %s, want 2s", took)
		}
		if got := outcomes(b); got != "ddddnnnnnn" {
			t.Errorf("outcomes %s", got)
		}
	})
}

func TestKeyedStopsWaitingForASlotAtUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.takes = time.Minute
		to := Keyed(r, 1)
		other := batchOf("x")
		go to.Deliver(t.Context(), other)
		synctest.Wait()
		b := batchOf("a")
		b.Until = time.Now().Add(time.Second)
		to.Deliver(t.Context(), b)
		if took := time.Until(b.Until); took != 0 || outcomes(b) != "n" {
			t.Errorf("returned %s before Until with %s", took, outcomes(b))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if outcomes(other) != "d" || len(r.journal) != 1 {
			t.Errorf("the other call: %s, sent %v", outcomes(other), r.journal)
		}
	})
}

func TestKeyedSendsNothingWhenItIsTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		b := batchOf("a", "", "b")
		b.Until = time.Now().Add(-time.Second)
		Keyed(r, 2).Deliver(t.Context(), b)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c := batchOf("a", "", "b")
		Keyed(r, 2).Deliver(ctx, c)
		Keyed(r, 2).Deliver(t.Context(), batchOf())
		if outcomes(b)+outcomes(c) != "nnnnnn" || len(r.journal) != 0 {
			t.Errorf("outcomes %s and %s, sent %v", outcomes(b), outcomes(c), r.journal)
		}
	})
}

func TestKeyedStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2500*time.Millisecond, cancel)
		b := batchOf(make([]string, 10)...)
		Keyed(r, 1).Deliver(ctx, b)
		if got := outcomes(b); got != "dddnnnnnnn" {
			t.Errorf("outcomes %s", got)
		}
	})
}

func TestKeyedClosesItsDeliverer(t *testing.T) {
	r := newReceiver()
	if err := Keyed(r, 1).Close(); err == nil || !r.closed {
		t.Errorf("closed %t, error %v", r.closed, err)
	}
}

// Whatever fails, and whenever: of a key, what is delivered is what comes first.
func TestKeyedKeepsItsPromisesAtRandom(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			keys := make([]string, 1+random.IntN(60))
			for i := range keys {
				if k := random.IntN(8); k > 0 {
					keys[i] = strconv.Itoa(k)
				}
			}
			fate := make([]Outcome, len(keys))
			for i := range fate {
				fate[i] = Delivered
				if random.IntN(10) == 0 {
					fate[i] = Outcome(random.IntN(int(Unreachable) + 1))
				}
			}
			r := newReceiver()
			r.takes = time.Duration(1+random.IntN(3)) * time.Millisecond
			r.fail = func(m *Message) Result { return Result{Outcome: fate[m.Position]} }
			b := batchOf(keys...)
			if random.IntN(3) == 0 {
				b.Until = time.Now().Add(time.Duration(random.IntN(20))*time.Millisecond + time.Microsecond)
			}
			concurrency := 1 + random.IntN(6)
			Keyed(r, concurrency).Deliver(t.Context(), b)
			if r.max > concurrency {
				t.Errorf("%d at once, want %d", r.max, concurrency)
			}
			assertOrder(t, r, b)
			assertSent(t, r, b, fate)
			if t.Failed() {
				t.Fatalf("seed %d, keys %q", seed, keys)
			}
		})
	}
}

// assertOrder checks that each key's messages were sent in order, one at a time, and
// none after a failure.
func assertOrder(t *testing.T, r *receiver, b *Batch) {
	t.Helper()
	for _, problem := range r.problems {
		t.Error(problem)
	}
	last := make(map[string]int64)
	for _, position := range r.journal {
		m := b.Messages[position]
		if !m.HasKey {
			continue
		}
		for i := range position {
			if b.Messages[i].HasKey && b.Messages[i].Key == m.Key && b.Results[i].Outcome != Delivered {
				t.Errorf("message %d was sent though %d of its key is %s", position, i, b.Results[i].Outcome)
			}
		}
		if before, ok := last[m.Key]; ok && before > position {
			t.Errorf("message %d was sent after %d of its key", position, before)
		}
		last[m.Key] = position
	}
}

// assertSent checks that results say what happened: sent at most once, and what was
// not sent is NotSent. Without an outage and Until all is sent that can be.
func assertSent(t *testing.T, r *receiver, b *Batch, fate []Outcome) {
	t.Helper()
	sent := make(map[int64]int)
	outage := false
	for _, position := range r.journal {
		sent[position]++
		outage = outage || fate[position] >= Throttled
	}
	failed := make(map[string]bool)
	for i, result := range b.Results {
		m := b.Messages[i]
		want := NotSent
		if sent[int64(i)] > 0 {
			want = fate[i]
		}
		if sent[int64(i)] > 1 || result.Outcome != want {
			t.Errorf("message %d was sent %d times and is %s, want %s", i, sent[int64(i)], result.Outcome, want)
		}
		if blocked := m.HasKey && failed[m.Key]; !blocked && sent[int64(i)] == 0 && !outage && b.Until.IsZero() {
			t.Errorf("message %d was not sent", i)
		}
		failed[m.Key] = failed[m.Key] || result.Outcome != Delivered
	}
}

// instant is a deliverer that does nothing.
type instant struct{ calls atomic.Int64 }

func (i *instant) Deliver(context.Context, *Message) Result {
	i.calls.Add(1)
	return Result{Outcome: Delivered}
}
func (*instant) Close() error { return nil }

// What Keyed costs for each message, beside the delivery itself.
func BenchmarkKeyed(b *testing.B) {
	for _, keys := range []int{1, 100, 10_000} {
		for _, concurrency := range []int{1, 32} {
			b.Run(fmt.Sprintf("keys=%d/concurrency=%d", keys, concurrency), func(b *testing.B) {
				names := make([]string, 2000)
				for i := range names {
					names[i] = strconv.Itoa(i % keys)
				}
				batch := batchOf(names...)
				to := Keyed(new(instant), concurrency)
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					clear(batch.Results)
					to.Deliver(b.Context(), batch)
				}
				b.ReportMetric(float64(b.N)*float64(len(names))/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}
