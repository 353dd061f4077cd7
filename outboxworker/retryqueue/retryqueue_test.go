package retryqueue

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"orders": true, "db:outbox.orders-7_a": true, "": false, "a{b}": false, "a b": false, strings.Repeat("a", 201): false,
	} {
		if _, err := New(redis.NewClient(&redis.Options{}), name, zap.NewNop()); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestClaimsWhatIsDueInOrder(t *testing.T) {
	q, _, _ := open(t)
	schedule(t, q, Timer{3, -time.Second}, Timer{1, -3 * time.Second}, Timer{2, -2 * time.Second}, Timer{math.MaxInt64, -time.Hour},
		Timer{5, time.Hour}, Timer{6, math.MaxInt64})
	first := claim(t, q, 2, lease)
	assertIDs(t, first, math.MaxInt64, 1)
	if late := first.Claims[1].Late; late < 2990*time.Millisecond || late > time.Minute {
		t.Errorf("late by %s, want 3s", late)
	}
	if first.Sleep != 0 {
		t.Errorf("sleeps %s though more is due", first.Sleep)
	}
	second := claim(t, q, 500, 2*time.Second)
	assertIDs(t, second, 2, 3)
	if second.Sleep > 2*time.Second || second.Sleep < time.Second {
		t.Errorf("sleeps %s, want until the first lease ends", second.Sleep)
	}
	assertStats(t, q, 2, 4, 0)
}

func TestNeverEarly(t *testing.T) {
	q, _, _ := open(t)
	for i := range int64(20) {
		before := time.Now()
		in := time.Duration(i)*time.Millisecond + 300*time.Microsecond
		schedule(t, q, Timer{i + 1, in})
		claimed := claimEventually(t, q, 1, lease)
		assertIDs(t, claimed, i+1)
		if took := time.Since(before); took < in || claimed.Claims[0].Late < 0 {
			t.Errorf("due in %s, claimed after %s, late by %s", in, took, claimed.Claims[0].Late)
		}
	}
}

func TestSleepIsUntilTheNextTimer(t *testing.T) {
	q, _, _ := open(t)
	if got := claim(t, q, 1, lease).Sleep; got != longestSleep {
		t.Errorf("sleeps %s with an empty queue", got)
	}
	schedule(t, q, Timer{1, time.Hour})
	if got := claim(t, q, 1, lease).Sleep; got != longestSleep {
		t.Errorf("sleeps %s with a timer far away", got)
	}
	schedule(t, q, Timer{2, 3 * time.Second})
	if got := claim(t, q, 1, lease).Sleep; got > 3*time.Second+time.Millisecond || got < time.Second {
		t.Errorf("sleeps %s, want 3s", got)
	}
}

func TestArguments(t *testing.T) {
	q, _, _ := open(t)
	for _, test := range []struct {
		limit int
		lease time.Duration
		ok    bool
	}{
		{1, time.Millisecond, true},
		{500, MaxLease, true},
		{0, lease, false},
		{501, lease, false},
		{1, time.Microsecond, false},
		{1, MaxLease + 1, false},
	} {
		if _, err := q.Claim(t.Context(), test.limit, test.lease); (err == nil) != test.ok {
			t.Errorf("limit %d, lease %s: %v", test.limit, test.lease, err)
		}
	}
	if err := q.Schedule(t.Context(), Timer{1, 0}, Timer{0, 0}); err == nil {
		t.Error("0 is scheduled")
	}
	if err := q.Schedule(t.Context()); err != nil {
		t.Errorf("nothing to schedule: %v", err)
	}
	assertStats(t, q, 0, 0, 0)
}

func TestDoneAndReturn(t *testing.T) {
	q, _, _ := open(t)
	schedule(t, q, Timer{1, -3}, Timer{2, -2}, Timer{3, -1})
	c := claim(t, q, 3, lease).Claims
	if lost, err := q.Done(t.Context(), c[0]); lost != 0 || err != nil {
		t.Errorf("lost %d: %v", lost, err)
	}
	if lost, err := q.Return(t.Context(), Returned{c[1], -time.Second}, Returned{c[2], time.Hour}); lost != 0 || err != nil {
		t.Errorf("lost %d: %v", lost, err)
	}
	assertStats(t, q, 2, 0, 0)
	assertIDs(t, claim(t, q, 3, lease), 2)
}

// A lease that has ended is no lease, and that of its next owner is not touched.
func TestLeaseBelongsToItsOwner(t *testing.T) {
	q, _, _ := open(t)
	schedule(t, q, Timer{1, 0})
	old := claimEventually(t, q, 1, time.Millisecond).Claims[0]
	next := claimEventually(t, q, 1, lease)
	assertIDs(t, next, 1)
	if next.Expired != 1 || next.Claims[0].Late > 10*time.Second {
		t.Errorf("%d leases have ended, and the claim is late by %s", next.Expired, next.Claims[0].Late)
	}
	if lost, err := q.Done(t.Context(), old); lost != 1 || err != nil {
		t.Errorf("Done of the old owner: lost %d, %v", lost, err)
	}
	if lost, err := q.Return(t.Context(), Returned{old, 0}); lost != 1 || err != nil {
		t.Errorf("Return of the old owner: lost %d, %v", lost, err)
	}
	assertStats(t, q, 0, 1, 0)
	if lost, err := q.Done(t.Context(), next.Claims[0]); lost != 0 || err != nil {
		t.Errorf("Done of the owner: lost %d, %v", lost, err)
	}
	if lost, err := q.Done(t.Context(), next.Claims[0]); lost != 1 || err != nil {
		t.Errorf("Done again: lost %d, %v", lost, err)
	}
}

func TestScheduleMovesATimerButNotALease(t *testing.T) {
	q, _, _ := open(t)
	schedule(t, q, Timer{1, 0}, Timer{2, 0})
	assertIDs(t, claimEventually(t, q, 1, lease), 1)
	schedule(t, q, Timer{1, -time.Hour}, Timer{2, time.Hour}, Timer{3, -time.Second})
	assertIDs(t, claim(t, q, 10, lease), 3)
	assertStats(t, q, 1, 2, 0)
}

func TestReconcile(t *testing.T) {
	q, client, _ := open(t)
	schedule(t, q, Timer{1, -time.Second}, Timer{2, time.Hour}, Timer{3, 2 * time.Hour})
	claim(t, q, 1, lease)
	early := client.ZScore(t.Context(), q.due, "3").Val()
	missing, err := q.Reconcile(t.Context(),
		Timer{1, -time.Second},  // leased
		Timer{2, -time.Minute},  // late
		Timer{3, 3 * time.Hour}, // early
		Timer{4, -time.Second})  // missing
	if missing != 1 || err != nil {
		t.Errorf("%d were missing: %v", missing, err)
	}
	if after := client.ZScore(t.Context(), q.due, "3").Val(); after != early || early == 0 {
		t.Errorf("the early timer was at %.0f and is at %.0f", early, after)
	}
	assertIDs(t, claim(t, q, 10, lease), 2, 4)
	stats, err := q.Stats(t.Context())
	if err != nil || stats.Timers != 1 || stats.Leased != 3 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestManyInOneCall(t *testing.T) {
	q, _, _ := open(t)
	const count = 2*MaxCall + 7
	timers := make([]Timer, count)
	for i := range timers {
		timers[i] = Timer{int64(i + 1), -time.Second}
	}
	schedule(t, q, timers...)
	var all []Claim
	for len(all) < count {
		claimed := claim(t, q, MaxCall, lease)
		if len(claimed.Claims) == 0 {
			t.Fatalf("%d claimed", len(all))
		}
		all = append(all, claimed.Claims...)
	}
	if lost, err := q.Done(t.Context(), all...); lost != 0 || err != nil {
		t.Errorf("lost %d: %v", lost, err)
	}
	assertStats(t, q, 0, 0, 0)
	schedule(t, q, timers...)
	claim(t, q, 400, lease)
	every := make([]int64, count)
	for i := range every {
		every[i] = int64(i + 1)
	}
	if err := q.Remove(t.Context(), every...); err != nil {
		t.Error(err)
	}
	assertStats(t, q, 0, 0, 0)
}

func TestStats(t *testing.T) {
	q, _, _ := open(t)
	schedule(t, q, Timer{1, time.Hour})
	stats, err := q.Stats(t.Context())
	if err != nil || stats.Late != 0 || !stats.Whole || stats.Epoch == "" {
		t.Errorf("%+v, %v", stats, err)
	}
	schedule(t, q, Timer{2, -time.Hour})
	if stats, err = q.Stats(t.Context()); err != nil || stats.Late < time.Hour || stats.Late > 2*time.Hour {
		t.Errorf("%+v, %v", stats, err)
	}
}
