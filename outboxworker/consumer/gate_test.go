package consumer

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
)

// While the gate is closed those who wait are let through one at a time, in turn, after
// pauses that double up to half a minute.
func TestGateProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		ctx := t.Context()
		enter := func() bool {
			probe, err := g.enter(ctx, ctx)
			if err != nil {
				t.Fatal(err)
			}
			return probe
		}
		if enter() {
			t.Error("an open gate has a probe")
		}
		if !g.leave(false, true, 0) || g.leave(false, true, 0) {
			t.Error("it closes once")
		}
		order := make(chan int, 100)
		outcome := make(chan bool)
		for i := range 3 {
			go func() {
				for {
					probe := enter()
					order <- i
					away := <-outcome
					g.leave(probe, away, 0)
					if !away {
						return
					}
				}
			}()
			synctest.Wait()
		}
		for round, pause := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			time.Sleep(pause*time.Second - time.Millisecond)
			synctest.Wait()
			if len(order) != 0 {
				t.Fatalf("round %d: a probe within the pause", round)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if len(order) != 1 || <-order != round%3 {
				t.Fatalf("round %d: not one probe, in turn", round)
			}
			outcome <- true
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		<-order
		outcome <- false
		synctest.Wait()
		if len(order) != 2 {
			t.Error("the others are not let through")
		}
		outcome <- false
		outcome <- false
		if closed, _, _ := g.look(); closed {
			t.Error("it is closed")
		}
	})
}

// Nobody waits longer than their contexts, and a probe that is gone is replaced.
func TestGateContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		g.leave(false, true, time.Minute)
		job, lose := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := g.enter(t.Context(), job)
			failed <- err
		}()
		synctest.Wait()
		second := make(chan bool, 1)
		go func() {
			probe, _ := g.enter(t.Context(), t.Context())
			second <- probe
		}()
		synctest.Wait()
		lose()
		if err := <-failed; err == nil {
			t.Error("it enters")
		}
		began := time.Now()
		g.pause(t.Context())
		if !<-second || time.Since(began) != time.Minute {
			t.Errorf("the second is no probe, or was one after %s", time.Since(began))
		}
	})
}

// Messages for which the handler is always Unavailable, as many as there are handlers, do
// not keep another from being tried; and nothing is counted.
func TestUnavailableMakesRoom(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	options := quick()
	options.Concurrency, options.Retries = 2, 0
	var got record
	c := run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		if strings.HasPrefix(m.ID, "poison") {
			return Unavailable(errRefused, 10*time.Millisecond)
		}
		return nil
	}, options)
	for _, id := range []string{"poison1", "poison2", "poison3"} {
		publish(t, client, events, id)
	}
	eventually(t, "both handlers have such", func() bool { return len(got.ids()) > 2 })
	publish(t, client, events, "fine")
	eventually(t, "it is handled", func() bool { return got.count("fine") == 1 })
	if s := seenOf(t, client, events); s.dead != 0 || s.pending+s.waiting < 3 {
		t.Errorf("%+v", s)
	}
	c.stop()
	for _, m := range got.messages {
		if m.Attempt != 1 {
			t.Errorf("counted: %+v", m)
		}
	}
	if s := seenOf(t, client, events); s.dead != 0 || s.pending+s.waiting != 3 {
		t.Errorf("%+v", s)
	}
}
