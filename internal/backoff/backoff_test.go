package backoff

import (
	"math"
	"testing"
	"time"
)

func TestLongest(t *testing.T) {
	p := Policy{Base: time.Second, Cap: 32 * time.Second}
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 32} {
		if got := p.Longest(n); got != want*time.Second {
			t.Errorf("before retry %d: %s, want %s", n, got, want*time.Second)
		}
	}
	for _, n := range []int{62, 63, 64, 1000, math.MaxInt32} {
		if got := p.Longest(n); got != 32*time.Second {
			t.Errorf("before retry %d: %s: it overflows", n, got)
		}
	}
	if got := (Policy{Base: time.Second, Cap: math.MaxInt64}).Longest(500); got != math.MaxInt64 {
		t.Errorf("with the largest cap: %s", got)
	}
}

func TestWaitHasHalfOfItForCertain(t *testing.T) {
	p := Policy{Base: time.Second, Cap: 32 * time.Second}
	least := p.wait(3, func(int64) int64 { return 0 })
	most := p.wait(3, func(n int64) int64 { return n - 1 })
	if least != 4*time.Second || most != 8*time.Second {
		t.Errorf("waits from %s to %s, want from 4s to 8s", least, most)
	}
	for range 1000 {
		if d := p.Wait(0); d < time.Second/2 || d > time.Second {
			t.Fatalf("waits %s", d)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, p := range []Policy{{}, {Base: -1, Cap: 1}, {Base: 2, Cap: 1}} {
		if p.Validate() == nil {
			t.Errorf("%v is accepted", p)
		}
	}
	if err := (Policy{Base: 1, Cap: 1}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestAList(t *testing.T) {
	p := Policy{List: []time.Duration{5 * time.Second, time.Minute}}
	least := func(int64) int64 { return 0 }
	most := func(n int64) int64 { return n - 1 }
	for n, want := range map[int]time.Duration{-1: 5 * time.Second, 0: 5 * time.Second, 1: time.Minute, 2: time.Minute, math.MaxInt: time.Minute} {
		if got := p.wait(n, least); got != want {
			t.Errorf("before retry %d at least %s, want %s", n, got, want)
		}
		if got := p.wait(n, most); got != want+want/10 || got != p.Longest(n) {
			t.Errorf("before retry %d at most %s, longest %s, want %s", n, got, p.Longest(n), want+want/10)
		}
	}
	if got := (Policy{List: []time.Duration{1}}).Wait(0); got != 1 {
		t.Errorf("a wait of 1ns became %s", got)
	}
	for _, list := range [][]time.Duration{{time.Second, 0}, {-1}, {maxWait + 1}, make([]time.Duration, 51)} {
		if (Policy{List: list}).Validate() == nil {
			t.Errorf("%v is accepted", list)
		}
	}
	for _, list := range [][]time.Duration{{1}, {maxWait}, StandardWebhooks()} {
		if err := (Policy{List: list}).Validate(); err != nil {
			t.Error(err)
		}
	}
	sum := time.Duration(0)
	for _, wait := range StandardWebhooks() {
		sum += wait
	}
	if want := 75*time.Hour + 35*time.Minute + 5*time.Second; sum != want {
		t.Errorf("Standard Webhooks takes %s, want %s", sum, want)
	}
}
