package retryqueue

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
)

// listen runs Listen until the test ends, and returns when it hears.
func listen(t testing.TB, q *Queue) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		q.Listen(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	eventually(t, "the queue hears", q.hint.hears.Load)
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// What one process schedules or returns wakes all claimers of another.
func TestHintsReachEveryClaimer(t *testing.T) {
	q, client, _ := open(t)
	listen(t, q)
	other, _ := openOn(t, client)
	published := q.hint.next()
	schedule(t, other, Timer{1, 0})
	<-published
	held := claimEventually(t, other, 1, time.Hour).Claims[0]
	for name, makeDue := range map[string]func() error{
		"Schedule":  func() error { return other.Schedule(t.Context(), Timer{2, 0}) },
		"Reconcile": func() error { _, err := other.Reconcile(t.Context(), Timer{3, 0}); return err },
		"Return":    func() error { _, err := other.Return(t.Context(), Returned{held, -time.Second}); return err },
	} {
		if err := other.Remove(t.Context(), 2, 3); err != nil {
			t.Fatal(err)
		}
		before := claim(t, q, 1, time.Hour)
		if before.Sleep != longestSleep {
			t.Fatalf("%s: sleeps %s", name, before.Sleep)
		}
		began := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if err := q.Wait(t.Context(), before); err != nil {
					t.Error(err)
				}
			})
		}
		if err := makeDue(); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		if took := time.Since(began); took > longestSleep/2 {
			t.Errorf("%s woke them after %s", name, took)
		}
	}
}

// A timer that is not the next one wakes nobody: they look when the next one is due.
func TestLaterTimersGiveNoHint(t *testing.T) {
	q, client, _ := open(t)
	schedule(t, q, Timer{1, time.Hour})
	subscription := client.Subscribe(t.Context(), q.wake)
	defer func() { _ = subscription.Close() }()
	if _, err := subscription.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	schedule(t, q, Timer{2, 2 * time.Hour})
	schedule(t, q, Timer{3, time.Minute}) // a hint
	schedule(t, q, Timer{4, 2 * time.Hour}, Timer{5, time.Hour})
	if _, err := q.Reconcile(t.Context(), Timer{1, time.Hour}, Timer{6, time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := client.Publish(t.Context(), q.wake, "end").Err(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(got) == 0 || got[len(got)-1] != "end" {
		message, err := subscription.ReceiveMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, message.Payload)
	}
	if !slices.Equal(got, []string{"", "end"}) {
		t.Errorf("%d hints, want 1", len(got)-1)
	}
}

// A claimer that has nothing else to do is there when the lease of a dead one ends.
func TestEndOfALeaseWakesAClaimer(t *testing.T) {
	q, client, _ := open(t)
	listen(t, q)
	schedule(t, q, Timer{1, -time.Second})
	dead := claim(t, q, 1, killLease)
	assertIDs(t, dead, 1)
	ctx, stop := context.WithCancel(t.Context())
	stalled := make(chan time.Duration)
	go func() { stalled <- longestStall(ctx, client) }()
	next := claimEventually(t, q, 1, lease)
	stop()
	assertIDs(t, next, 1)
	if late, most := next.Claims[0].Late, time.Second+<-stalled; late < 0 || late > most {
		t.Errorf("claimed %s after the end of the lease, want %s", late, most)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	q, _, _ := open(t)
	listen(t, q)
	claimed := claim(t, q, 1, lease)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	began := time.Now()
	if err := q.Wait(ctx, claimed); err != context.Canceled || time.Since(began) > longestSleep/2 {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// Without a listener, or the right to be one, claimers look every second.
func TestDeafClaimersPoll(t *testing.T) {
	q, client, _ := open(t)
	if err := client.Do(t.Context(), "ACL", "SETUSER", "default", "resetchannels").Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		q.Listen(ctx)
	}()
	claimed := claim(t, q, 1, lease)
	schedule(t, q, Timer{1, 0})
	began := time.Now()
	if err := q.Wait(ctx, claimed); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < deafSleep/2 || took > longestSleep-time.Second {
		t.Errorf("waited %s, want %s", took, deafSleep)
	}
	assertIDs(t, claim(t, q, 1, lease), 1)
	cancel()
	<-done
}

// After a restart the listener is connected again, and has let all look.
func TestListenerConnectsAgain(t *testing.T) {
	server := testserver.Redis(t)
	client := connect(t, server)
	q, _ := openOn(t, client)
	rebuild(t, q)
	listen(t, q)
	before := q.hint.next()
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-before:
	case <-time.After(30 * time.Second):
		t.Fatal("no hint after the restart")
	}
	eventually(t, "somebody listens", func() bool {
		n, err := client.PubSubNumSub(t.Context(), q.wake).Result()
		return err == nil && n[q.wake] == 1
	})
}

// From due to claimed, with 1,000 timers a second and 8 claimers.
func TestLateness(t *testing.T) {
	q, client, _ := open(t)
	listen(t, q)
	const want = 50 * time.Millisecond
	// A busy machine makes it longer, never shorter: by what it stalls.
	for range 5 {
		ctx, stop := context.WithCancel(t.Context())
		stalled := make(chan time.Duration)
		go func() { stalled <- longestStall(ctx, client) }()
		late := measureLateness(t, q, 1500, 8)
		stop()
		stall := <-stalled
		p50, p99 := late[len(late)/2], late[len(late)*99/100]
		t.Logf("%d timers: p50 %s, p99 %s, max %s; the machine stalled for up to %s", len(late), p50, p99, late[len(late)-1], stall)
		if p99 < want+stall {
			return
		}
	}
	t.Errorf("p99 was never under %s and what the machine stalled", want)
}

// measureLateness schedules 1,000 timers a second for 50 to 550 ms later, and returns
// by how much they were late, in order.
func measureLateness(t *testing.T, q *Queue, count, claimers int) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	due := make(map[int64]time.Time) // on this machine's clock, which is the server's
	var late []time.Duration
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for range claimers {
		all.Go(func() {
			for ctx.Err() == nil {
				claimed, err := q.Claim(ctx, 100, lease)
				now := time.Now()
				if err == nil {
					mu.Lock()
					for _, c := range claimed.Claims {
						late = append(late, now.Sub(due[c.ID]))
					}
					enough := len(late) == count
					mu.Unlock()
					_, err = q.Done(ctx, claimed.Claims...)
					if enough {
						cancel()
					}
				}
				if err == nil {
					err = q.Wait(ctx, claimed)
				}
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; i < count; i += 10 {
		<-ticker.C
		timers := make([]Timer, 10)
		mu.Lock()
		for k := range timers {
			timers[k] = Timer{int64(i + k + 1), time.Duration(50+(i+k)*7919%500) * time.Millisecond}
			due[timers[k].ID] = time.Now().Add(timers[k].In)
		}
		mu.Unlock()
		schedule(t, q, timers...)
	}
	all.Wait()
	if len(late) != count {
		t.Fatalf("%d of %d timers were claimed", len(late), count)
	}
	slices.Sort(late)
	return late
}
