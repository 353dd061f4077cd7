package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
)

// Every variant schedules and claims all of its timers; that they are all claimed, and none
// twice, is checked by the benchmark itself.
func TestBenchmark(t *testing.T) {
	server := testserver.Redis(t)
	var out bytes.Buffer
	if err := run(t.Context(), &out, fmt.Sprintf("127.0.0.1:%d", server.Port()), 250, 1); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 1+len(variants("")) {
		t.Errorf("it writes\n%s", &out)
	}
	for _, name := range []string{"asynq, 1 server", "retryqueue, singly", "retryqueue, batches"} {
		if !strings.Contains(out.String(), name) {
			t.Errorf("nothing about %s in\n%s", name, &out)
		}
	}
}

func TestLedger(t *testing.T) {
	l := newLedger(2)
	for _, number := range []int{-1, 2} {
		if _, err := l.claimed(number); err == nil {
			t.Errorf("timer %d, which was never scheduled, is no mistake", number)
		}
	}
	if last, err := l.claimed(1); last || err != nil {
		t.Errorf("the first of two: %v, %v", last, err)
	}
	if _, err := l.claimed(1); err == nil {
		t.Error("the same again is no mistake")
	}
	if last, err := l.claimed(0); !last || err != nil {
		t.Errorf("the last of two: %v, %v", last, err)
	}
}

// Ratios are those of each round, to the best yardstick in it.
func TestRatios(t *testing.T) {
	all := []variant{{name: "slow", yardstick: true}, {name: "fast", yardstick: true}, {name: "ours"}}
	took := func(d time.Duration) result { return result{schedule: d / 2, claim: d / 2} }
	rounds := [][]result{
		{took(4 * time.Second), took(2 * time.Second), took(time.Second)},
		{took(6 * time.Second), took(9 * time.Second), took(2 * time.Second)},
		{took(5 * time.Second), took(4 * time.Second), took(time.Second)},
	}
	var out bytes.Buffer
	if err := write(&out, all, rounds, 100); err != nil {
		t.Fatal(err)
	}
	_, row, _ := strings.Cut(out.String(), "ours")
	if got := strings.Join(strings.Fields(row), " "); got != "200 200 100 50 to 100 3.00 x" {
		t.Errorf("the row is %q", got)
	}
}
