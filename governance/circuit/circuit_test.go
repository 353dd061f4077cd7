package circuit

import (
	"testing"
	"testing/synctest"
	"time"
)

func doubling(n int) time.Duration { return min(time.Second<<n, 4*time.Second) }

// call asks for a call and, if it may be made, reports how it ended.
func call(b *Breaker, o Outcome) bool {
	done, _ := b.Allow()
	if done == nil {
		return false
	}
	done(o)
	return true
}

func TestOpensProbesAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Settings{OpenFor: doubling})
		if !call(b, Success) || !call(b, Failure) {
			t.Fatal("a closed breaker refused a call")
		}
		for n, open := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
			if got := b.Open(); got != open {
				t.Fatalf("opening %d lasts %s, want %s", n, got, open)
			}
			if done, wait := b.Allow(); done != nil || wait != open {
				t.Fatalf("an open breaker allowed a call, or said to wait %s", wait)
			}
			time.Sleep(open)
			if !call(b, Failure) {
				t.Fatalf("no probe after opening %d", n)
			}
		}
		time.Sleep(4 * time.Second)
		if !call(b, Success) || !b.Closed() || b.Open() != 0 {
			t.Fatal("a probe that went well did not close the breaker")
		}
		call(b, Failure)
		if got := b.Open(); got != time.Second {
			t.Errorf("after it was closed it opens for %s, want to begin with 1s", got)
		}
	})
}

func TestOneProbeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Settings{OpenFor: doubling})
		call(b, Failure)
		time.Sleep(time.Second)
		probe, _ := b.Allow()
		if probe == nil {
			t.Fatal("no probe")
		}
		if done, wait := b.Allow(); done != nil || wait != 0 {
			t.Fatal("a second call beside the probe")
		}
		probe(Neutral)
		if b.Closed() {
			t.Fatal("a probe that said nothing closed the breaker")
		}
		if !call(b, Success) || !b.Closed() {
			t.Error("a probe that said nothing kept its place")
		}
	})
}

func TestSeveralFailuresOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Settings{Failures: 3, OpenFor: doubling})
		for range 2 {
			call(b, Failure)
			call(b, Failure)
			call(b, Success)
		}
		if !b.Closed() {
			t.Fatal("opened after two failures in a row, want three")
		}
		for range 3 {
			call(b, Failure)
		}
		if b.Closed() || b.Open() != time.Second {
			t.Error("did not open after three failures in a row")
		}
	})
}

// Calls that were under way when the breaker opened must not open it for longer.
func TestLateFailuresDoNotCountTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Settings{OpenFor: doubling})
		var late []func(Outcome)
		for range 5 {
			done, _ := b.Allow()
			late = append(late, done)
		}
		for _, done := range late {
			done(Failure)
			time.Sleep(time.Microsecond) // so that the engine's own open time passes
		}
		if got := b.Open(); got > time.Second {
			t.Errorf("open for %s after five failures at once, want 1s", got)
		}
		time.Sleep(time.Second)
		if !call(b, Failure) || b.Open() != 2*time.Second {
			t.Errorf("open for %s after the probe failed, want 2s", b.Open())
		}
	})
}
