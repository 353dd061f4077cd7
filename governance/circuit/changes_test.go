package circuit

import (
	"testing"
	"testing/synctest"
	"time"
)

// A callback may use the breaker, also to change it again.
func TestCallbacksRunOutsideTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHistory()
		var b *Breaker
		var told []string
		b = New(h, quick(), func(c Change) {
			told = append(told, c.From.String()+" "+c.To.String())
			b.Snapshot()
			b.Ready()
			if c.To == Open && c.Why == WhyConsecutive {
				h.Decide(Decision{Mode: ForcedClosed})
				if s, _ := b.State(); s != Closed {
					t.Errorf("it is %s", s)
				}
				told = append(told, "decided") // before the next is told
			}
		})
		c, _ := b.Enter()
		c.End(Failure, 0)
		want := []string{"closed open", "decided", "open closed"}
		if len(told) != 3 || told[0] != want[0] || told[1] != want[1] || told[2] != want[2] {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestACallbackThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		b := New(NewHistory(), quick(), func(Change) {
			if n++; n == 1 {
				panic("callback")
			}
		})
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was lost")
				}
			}()
			c, _ := b.Enter()
			c.End(Failure, 0)
		}()
		time.Sleep(time.Minute)
		if s, _ := b.State(); s != HalfOpen || n != 2 {
			t.Errorf("it is %s, told %d times", s, n)
		}
	})
}

func TestChangeTellsForHowLong(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		left := f.open()
		f.wait()
		f.call(1, Success)
		f.history.Decide(Decision{Mode: ForcedOpen, Until: time.Now().Add(time.Minute)})
		c := f.changes
		if len(c) != 4 || c[0].OpenFor != left || c[1].OpenFor != 0 || c[2].OpenFor != 0 || c[3].OpenFor != time.Minute {
			f.Errorf("%+v", c)
		}
		for i := range c {
			if i > 0 && (c[i].From != c[i-1].To || c[i].At.Before(c[i-1].At)) {
				f.Errorf("%+v does not follow %+v", c[i], c[i-1])
			}
		}
	})
}
