package balance

import (
	"testing"
	"testing/synctest"
	"time"
)

// Another request may take the only place for a probe between the look at who is
// free and the draw.
func TestDrawTakesNoSecondProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(100, 1, 1)...)
		b.try(0, Refused)
		time.Sleep(time.Second)
		b.wantWeight(0, 0.1)
		probed := b.table.upstreams[0]
		for range 1000 {
			probed.probeUntil.Store(0)
			i := b.table.Draw(func(i int) bool {
				if i == 2 {
					probed.admitProbe(time.Now()) // the other request
				}
				return i != 2
			}, nil)
			if i != 1 {
				t.Fatalf("picked %d, whose probe is under way; want 1", i)
			}
		}
		// it is still better than none
		probed.probeUntil.Store(0)
		taken := func(i int) bool {
			if i == 1 {
				probed.admitProbe(time.Now())
			}
			return i == 0
		}
		if i := b.table.Draw(taken, nil); i != 0 {
			t.Errorf("picked %d, want 0, the only one available", i)
		}
	})
}

// A request that cannot use the upstream that is to be tried at once must leave it
// to the next one.
func TestSeekIsLeftToARequestThatCanUseIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, pick := range map[string]func(t *Table, available, tried func(int) bool) int{"pick": (*Table).Pick, "draw": (*Table).Draw} {
			b := newBench(t, DefaultSettings(), members(1, 1)...)
			b.try(0, Refused)
			time.Sleep(time.Millisecond)
			b.try(1, Refused) // now 0 is sought
			for range 3 {
				if i := pick(b.table, everyone, func(i int) bool { return i == 0 }); i != 1 {
					t.Fatalf("%s: a request that has tried 0 got %d, want 1", name, i)
				}
			}
			if i := pick(b.table, everyone, nil); i != 0 {
				t.Errorf("%s: the next request got %d, want 0, which is sought", name, i)
			}
			if b.table.seek.Load() != 0 {
				t.Errorf("%s: it is sought still", name)
			}
		}
	})
}
