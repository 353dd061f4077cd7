package retryqueue

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

func rows(count int) []Timer {
	all := make([]Timer, count)
	for i := range all {
		all[i] = Timer{int64(i + 1), -time.Second}
	}
	return all
}

func TestNewQueueIsNotWhole(t *testing.T) {
	q, _ := openOn(t, connect(t, testserver.Redis(t)))
	schedule(t, q, Timer{1, -time.Second}) // is no reason to wait
	assertNotWhole(t, q)
	if stats, err := q.Stats(t.Context()); err != nil || stats.Whole || stats.Epoch != "" || stats.Timers != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
	rebuild(t, q)
	assertIDs(t, claim(t, q, 1, lease), 1)
	if added, err := q.Rebuild(t.Context(), func(context.Context) ([]Timer, error) { return nil, errors.New("read in vain") }); added != 0 || err != nil {
		t.Errorf("rebuilding a whole queue: %d, %v", added, err)
	}
}

// Everything is lost, by FLUSHALL or by a restart without persistence, while some is
// leased: the rebuild brings back all of it, and the old leases count no more.
func TestLosesEverything(t *testing.T) {
	server := testserver.Redis(t)
	client := connect(t, server)
	q, _ := openOn(t, client)
	rebuild(t, q)
	for name, lose := range map[string]func() error{
		"FLUSHALL": func() error { return client.FlushAll(t.Context()).Err() },
		"kill":     func() error { return errors.Join(server.Kill(), server.Restart(t.Context())) },
	} {
		all := rows(1200)
		schedule(t, q, all...)
		old := claim(t, q, 100, lease)
		before, err := q.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		// The connections that are left may be broken.
		eventually(t, name+": the loss is noticed", func() bool {
			_, err := q.Claim(t.Context(), 1, lease)
			return errors.Is(err, ErrNotWhole)
		})
		rebuild(t, q, all...)
		after, err := q.Stats(t.Context())
		if err != nil || after.Epoch == before.Epoch || !after.Whole {
			t.Errorf("%s: %+v after %+v: %v", name, after, before, err)
		}
		if lost, err := q.Done(t.Context(), old.Claims...); lost != 100 || err != nil {
			t.Errorf("%s: %d of 100 old leases are lost: %v", name, lost, err)
		}
		assertAllClaimed(t, q, len(all))
	}
}

// assertAllClaimed claims the ids from 1 to count, each once, and is done with them.
func assertAllClaimed(t *testing.T, q *Queue, count int) {
	t.Helper()
	seen := make(map[int64]bool)
	for {
		claimed := claim(t, q, MaxCall, lease)
		if len(claimed.Claims) == 0 {
			break
		}
		for _, c := range claimed.Claims {
			if seen[c.ID] {
				t.Errorf("%d is claimed twice", c.ID)
			}
			seen[c.ID] = true
		}
		if _, err := q.Done(t.Context(), claimed.Claims...); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != count {
		t.Errorf("%d of %d ids were claimed", len(seen), count)
	}
	assertStats(t, q, 0, 0, 0)
}

// Several find the loss: all rebuild under one epoch, whoever of them dies, and none
// may claim until one is done.
func TestRebuildBySeveral(t *testing.T) {
	q, _ := openOn(t, connect(t, testserver.Redis(t)))
	died := errors.New("died")
	if _, err := q.Rebuild(t.Context(), func(context.Context) ([]Timer, error) {
		assertNotWhole(t, q)
		return nil, died
	}); !errors.Is(err, died) {
		t.Errorf("error %v", err)
	}
	assertNotWhole(t, q)
	first, err := q.Stats(t.Context())
	if err != nil || first.Whole || first.Epoch == "" {
		t.Errorf("%+v, %v", first, err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := q.Rebuild(t.Context(), pages(100, rows(1000)...)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if stats, err := q.Stats(t.Context()); err != nil || !stats.Whole || stats.Epoch != first.Epoch {
		t.Errorf("%+v after %+v: %v", stats, first, err)
	}
	assertAllClaimed(t, q, 1000)
}

// Redis loses everything again during the rebuild: that is not taken for whole.
func TestLossDuringRebuild(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	q, _ := openOn(t, client)
	read := pages(100, rows(300)...)
	count := 0
	_, err := q.Rebuild(t.Context(), func(ctx context.Context) ([]Timer, error) {
		if count++; count == 3 {
			if err := client.FlushAll(ctx).Err(); err != nil {
				return nil, err
			}
		}
		return read(ctx)
	})
	if !errors.Is(err, ErrNotWhole) {
		t.Fatalf("error %v, want ErrNotWhole", err)
	}
	assertNotWhole(t, q)
	if _, err := q.Rebuild(t.Context(), pages(100, rows(300)...)); err != nil {
		t.Fatal(err)
	}
	assertAllClaimed(t, q, 300)
}

// Redis forgets the scripts again and again while they are called.
func TestScriptFlushUnderLoad(t *testing.T) {
	q, client, _ := open(t)
	ctx, stop := context.WithCancel(t.Context())
	var flushing sync.WaitGroup
	flushes := 0
	flushing.Go(func() {
		for ; ctx.Err() == nil; flushes++ {
			if err := client.ScriptFlush(t.Context()).Err(); err != nil {
				t.Error(err)
			}
		}
	})
	var all sync.WaitGroup
	for worker := range int64(4) {
		all.Go(func() {
			for i := range int64(200) {
				id := worker*1000 + i + 1
				if err := q.Schedule(ctx, Timer{id, -time.Second}); err != nil {
					t.Error(err)
				}
				claimed, err := q.Claim(ctx, 1, lease)
				if err != nil || len(claimed.Claims) != 1 {
					t.Errorf("claimed %d: %v", len(claimed.Claims), err)
				}
				if lost, err := q.Done(ctx, claimed.Claims...); lost > 0 || err != nil {
					t.Errorf("lost %d: %v", lost, err)
				}
			}
		})
	}
	all.Wait()
	stop()
	flushing.Wait()
	if flushes < 10 {
		t.Errorf("%d flushes", flushes)
	}
	assertStats(t, q, 0, 0, 0)
}

// Without memory nothing is scheduled, but what is there is claimed, returned and done.
func TestOutOfMemory(t *testing.T) {
	q, client, _ := open(t)
	schedule(t, q, rows(3)...)
	claim(t, q, 1, time.Millisecond)
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := q.Schedule(t.Context(), Timer{4, 0}); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("scheduling: %v", err)
	}
	found := []int64{}
	eventually(t, "all are claimed", func() bool {
		claimed := claim(t, q, 3, lease)
		found = append(found, ids(claimed.Claims)...)
		for _, c := range claimed.Claims {
			if lost, err := q.Return(t.Context(), Returned{c, time.Hour}); lost != 0 || err != nil {
				t.Errorf("lost %d: %v", lost, err)
			}
		}
		return len(found) == 3
	})
	slices.Sort(found)
	if !slices.Equal(found, []int64{1, 2, 3}) {
		t.Errorf("claimed %v", found)
	}
	assertStats(t, q, 3, 0, 0)
}

// Errors of Redis are errors, not an empty queue, and a caller may go on afterwards.
func TestRedisIsAway(t *testing.T) {
	server := testserver.RedisWith(t, localserver.RedisOptions{AppendFsync: "always"})
	q, _ := openOn(t, connect(t, server))
	rebuild(t, q, rows(5)...)
	held := claim(t, q, 2, lease).Claims
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Claim(t.Context(), 1, lease); err == nil || errors.Is(err, ErrNotWhole) {
		t.Errorf("claiming: %v", err)
	}
	if _, err := q.Rebuild(t.Context(), pages(1)); err == nil || errors.Is(err, ErrNotWhole) {
		t.Errorf("rebuilding: %v", err)
	}
	if _, err := q.Done(t.Context(), held...); err == nil {
		t.Error("done without Redis")
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis answers", func() bool { _, err := q.Stats(t.Context()); return err == nil })
	assertStats(t, q, 3, 2, 0)
	if lost, err := q.Done(t.Context(), held...); lost != 0 || err != nil {
		t.Errorf("lost %d: %v", lost, err)
	}
	assertIDs(t, claim(t, q, 5, lease), 3, 4, 5)
}
