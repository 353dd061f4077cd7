package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// journal notes what happens to relays, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// take returns the lines since the last call.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// scripted is a relay that takes a while to stop, and may end by itself.
type scripted struct {
	journal *journal
	name    string
	stops   time.Duration // how long its last batch takes
	ends    error         // what it ends with by itself, at once
}

func (r *scripted) Run(ctx context.Context) error {
	r.journal.note("start %s", r.name)
	if r.ends != nil {
		return r.ends
	}
	<-ctx.Done()
	time.Sleep(r.stops)
	r.journal.note("end %s", r.name)
	return nil
}

// Status is 1, for a runner that is there.
func (r *scripted) Status() int { return 1 }

// outbox is an outbox whose settings are the version.
func (j *journal) outbox(name string, version int) Service[int] {
	return Service[int]{Name: name, Settings: version, New: func() (Runner[int], error) {
		return &scripted{journal: j, name: fmt.Sprintf("%s%d", name, version), stops: time.Second}, nil
	}}
}

func apply(t *testing.T, s *Supervisor[int], outboxes ...Service[int]) {
	t.Helper()
	if err := s.Apply(t.Context(), outboxes); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func expect(t *testing.T, j *journal, want ...string) {
	t.Helper()
	if got := j.take(); !slices.Equal(got, want) {
		t.Errorf("happened: %q\nwant:     %q", got, want)
	}
}

func stop(t *testing.T, s *Supervisor[int]) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestOnlyWhatChangedIsExchangedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := new(journal), New[int]("outbox", zap.NewNop())
		apply(t, s, j.outbox("a", 1), j.outbox("b", 1), j.outbox("c", 1))
		started := j.take()
		slices.Sort(started)
		if want := []string{"start a1", "start b1", "start c1"}; !slices.Equal(started, want) {
			t.Fatalf("started %q, want %q", started, want)
		}
		// b is untouched; a and c change, and c begins to stop after a2 has started.
		began := time.Now()
		apply(t, s, j.outbox("a", 2), j.outbox("b", 1), j.outbox("c", 2))
		got := j.take()
		if len(got) != 4 || got[0] != "end a1" || slices.Index(got, "end c1") < 1 || slices.Contains(got, "end b1") {
			t.Errorf("happened: %q", got)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("the exchange of two relays that stop within 1s each took %s, want 2s, one after the other", took)
		}
		// c goes, d comes.
		apply(t, s, j.outbox("a", 2), j.outbox("b", 1), j.outbox("d", 1))
		expect(t, j, "end c2", "start d1")
		stop(t, s)
	})
}

// Two relays of one outbox do not run at once: they would halve each other's lanes.
func TestTheNewRelayStartsAfterTheOldOnesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := new(journal), New[int]("outbox", zap.NewNop())
		apply(t, s, j.outbox("a", 1))
		apply(t, s, j.outbox("a", 2))
		expect(t, j, "start a1", "end a1", "start a2")
		stop(t, s)
		expect(t, j, "end a2")
	})
}

func TestARelayThatEndsIsStartedAgainWithLongerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := new(journal), New[int]("outbox", zap.NewNop())
		broken := errors.New("the schema has version 0")
		outbox := Service[int]{Name: "a", Settings: 1, New: func() (Runner[int], error) {
			return &scripted{journal: j, name: "a1", ends: broken}, nil
		}}
		other := j.outbox("b", 1)
		apply(t, s, outbox, other)
		if status := s.Status(); !errors.Is(status["a"].Err, broken) || status["a"].Runner != 0 ||
			status["b"].Err != nil || status["b"].Runner != 1 {
			t.Errorf("status is %+v", status)
		}
		j.take()
		// Waits of 0.5 to 1s, 1 to 2, 2 to 4, 4 to 8: in 15s between 4 and 7 starts.
		time.Sleep(15*time.Second + time.Nanosecond)
		synctest.Wait()
		if n := len(j.take()); n < 4 || n > 7 {
			t.Errorf("the relay was started %d times within 15s", n)
		}
		// A changed outbox does not wait.
		began := time.Now()
		apply(t, s, j.outbox("a", 2), other)
		if took := time.Since(began); took > 0 {
			t.Errorf("the exchange of a relay that does not run took %s", took)
		}
		if status := s.Status()["a"]; status.Err != nil || status.Runner != 1 {
			t.Errorf("status is %+v", status)
		}
		stop(t, s)
	})
}

func TestAnEndWithoutReasonIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New[int]("outbox", zap.NewNop())
		apply(t, s, Service[int]{Name: "a", New: func() (Runner[int], error) { return ended{}, nil }})
		if err := s.Status()["a"].Err; err == nil || !strings.Contains(err.Error(), "without a reason") {
			t.Errorf("the error is %v", err)
		}
		stop(t, s)
	})
}

type ended struct{}

func (ended) Run(context.Context) error { return nil }
func (ended) Status() int               { return 1 }

func TestARelayThatCannotBeMadeIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := new(journal), New[int]("outbox", zap.NewNop())
		var refused atomic.Bool
		refused.Store(true)
		outbox := j.outbox("a", 1)
		make1 := outbox.New
		outbox.New = func() (Runner[int], error) {
			if refused.Load() {
				return nil, errors.New("no")
			}
			return make1()
		}
		apply(t, s, outbox)
		if err := s.Status()["a"].Err; err == nil || err.Error() != "making it: no" {
			t.Errorf("the error is %v", err)
		}
		refused.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		expect(t, j, "start a1")
		stop(t, s)
	})
}

func TestStopStopsAllAtOnceWithinItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := new(journal), New[int]("outbox", zap.NewNop())
		slow := Service[int]{Name: "slow", New: func() (Runner[int], error) {
			return &scripted{journal: j, name: "slow", stops: time.Minute}, nil
		}}
		apply(t, s, j.outbox("a", 1), j.outbox("b", 1), slow)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		err := s.Stop(ctx)
		if err == nil || !errors.Is(err, context.DeadlineExceeded) || err.Error() != "stopping outbox slow: context deadline exceeded" {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("Stop took %s", took)
		}
		if err := s.Apply(t.Context(), []Service[int]{j.outbox("c", 1)}); !errors.Is(err, ErrStopped) {
			t.Errorf("Apply after Stop returns %v", err)
		}
		time.Sleep(time.Minute)
	})
}

// A reload that the process's end breaks off leaves a relay that is ending; the
// next one takes it over.
func TestAnExchangeThatWasBrokenOffIsTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := new(journal), New[int]("outbox", zap.NewNop())
		apply(t, s, j.outbox("a", 1))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := s.Apply(ctx, []Service[int]{j.outbox("a", 2)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Apply returns %v", err)
		}
		// Back to the first settings: the old relay is ending and cannot be kept.
		apply(t, s, j.outbox("a", 1))
		expect(t, j, "start a1", "end a1", "start a1")
		stop(t, s)
	})
}
