package retryqueue

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Members that are no ids are set aside, and what is due is claimed all the same.
func TestForeignMembers(t *testing.T) {
	q, client, logs := open(t)
	foreign := []string{"", "0", "-1", "007", "1.5", "1e3", "secret-word", "9223372036854775808", "99999999999999999999", "1\n", strings.Repeat("9", 1<<16)}
	for i, member := range foreign {
		score := []float64{0, math.Inf(-1), 1e308 * -1, 12.5}[i%4]
		if err := client.ZAdd(t.Context(), q.due, redis.Z{Score: score, Member: member}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	schedule(t, q, Timer{7, -time.Second})
	calls, found, claims := 0, 0, []Claim{}
	for {
		claimed := claim(t, q, 3, lease)
		found += claimed.Foreign
		claims = append(claims, claimed.Claims...)
		if claimed.Sleep > 0 {
			break
		}
		if calls++; calls > 20 {
			t.Fatal("the claimer never sleeps")
		}
	}
	if !slices.Equal(ids(claims), []int64{7}) || found != len(foreign) {
		t.Errorf("claimed %v, set aside %d of %d", ids(claims), found, len(foreign))
	}
	assertStats(t, q, 0, 1, int64(len(foreign)))
	if logs.Len() == 0 || strings.Contains(fmt.Sprint(logs.All()), "secret-word") {
		t.Errorf("logged: %v", logs.All())
	}
}

// Scores that no script of ours writes neither hide an id nor make it late for ever.
func TestForeignScores(t *testing.T) {
	q, client, _ := open(t)
	for id, score := range map[int64]float64{1: math.Inf(-1), 2: -1e300, 3: math.Inf(1), 4: 1e300} {
		if err := client.ZAdd(t.Context(), q.due, redis.Z{Score: score, Member: id}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for id, score := range map[int64]float64{11: math.Inf(-1), 12: math.Inf(1), 13: 1e300, 14: 5} {
		if err := client.ZAdd(t.Context(), q.leased, redis.Z{Score: score, Member: id}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	claimed := claim(t, q, 100, lease)
	got := ids(claimed.Claims)
	slices.Sort(got)
	if !slices.Equal(got, []int64{1, 2, 11, 12, 13, 14}) || claimed.Expired != 4 {
		t.Errorf("claimed %v, %d leases had ended", got, claimed.Expired)
	}
	for _, c := range claimed.Claims {
		if c.Late < 0 {
			t.Errorf("%d is late by %s", c.ID, c.Late)
		}
	}
	if got := claim(t, q, 100, lease).Sleep; got != longestSleep {
		t.Errorf("sleeps %s", got)
	}
	if missing, err := q.Reconcile(t.Context(), Timer{3, -time.Second}, Timer{4, -time.Second}); missing != 0 || err != nil {
		t.Errorf("%d were missing: %v", missing, err)
	}
	assertIDs(t, claim(t, q, 100, lease), 3, 4)
}

// A key of the wrong type is renamed and reported, and the queue is rebuilt: by whatever
// call finds it.
func TestWrongTypes(t *testing.T) {
	q, client, logs := open(t)
	calls := map[string]func() error{
		"Claim":     func() error { _, err := q.Claim(t.Context(), 5, lease); return err },
		"Schedule":  func() error { return q.Schedule(t.Context(), Timer{1, -time.Second}) },
		"Reconcile": func() error { _, err := q.Reconcile(t.Context(), Timer{1, -time.Second}); return err },
		"Done":      func() error { _, err := q.Done(t.Context(), Claim{ID: 1}); return err },
		"Return":    func() error { _, err := q.Return(t.Context(), Returned{Claim{ID: 1}, 0}); return err },
		"Remove":    func() error { return q.Remove(t.Context(), 1) },
		"Stats":     func() error { _, err := q.Stats(t.Context()); return err },
		"Rebuild":   func() error { _, err := q.Rebuild(t.Context(), pages(1)); return err },
	}
	wrong := 0
	for name, call := range calls {
		for _, key := range []string{q.due, q.leased, q.epoch, q.aside} {
			if err := client.Del(t.Context(), key).Err(); err != nil {
				t.Fatal(err)
			}
			if err := client.LPush(t.Context(), key, "secret-word").Err(); err != nil {
				t.Fatal(err)
			}
			if err := call(); err != nil && err != ErrNotWhole {
				t.Errorf("%s with a list under %s: %v", name, key, err)
			}
			// Whatever it left, a claim and a rebuild put right.
			if _, err := q.Claim(t.Context(), 5, lease); err != nil && err != ErrNotWhole {
				t.Errorf("claiming after %s with a list under %s: %v", name, key, err)
			}
			if _, err := q.Rebuild(t.Context(), pages(1, Timer{9, -time.Second})); err != nil {
				t.Errorf("rebuilding after %s with a list under %s: %v", name, key, err)
			}
			claim(t, q, 5, lease)
			wrong++
			aside, err := client.Keys(t.Context(), q.base+"wrong:*").Result()
			if err != nil || len(aside) != wrong {
				t.Fatalf("%s with a list under %s: %d keys are set aside, want %d: %v", name, key, len(aside), wrong, err)
			}
		}
	}
	if text := fmt.Sprint(logs.All()); logs.Len() < wrong || strings.Contains(text, "secret-word") {
		t.Errorf("logged %d times: %s", logs.Len(), text)
	}
}

// Timers that were under a key of the wrong type are back after the rebuild.
func TestWrongTypeIsALoss(t *testing.T) {
	q, client, _ := open(t)
	schedule(t, q, Timer{1, -time.Second})
	if err := client.Set(t.Context(), q.due, "text", 0).Err(); err != nil {
		t.Fatal(err)
	}
	assertNotWhole(t, q)
	rebuild(t, q, Timer{1, -time.Second})
	assertIDs(t, claim(t, q, 5, lease), 1)
}
