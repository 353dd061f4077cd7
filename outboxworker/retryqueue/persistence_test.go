package retryqueue

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// Redis is killed and started again under relays that go on: with an append-only file,
// which is written once a second to the disk, the queue is whole and goes on, and without
// one it is rebuilt.
func TestRestartUnderLoad(t *testing.T) {
	t.Parallel()
	for name, fsync := range map[string]string{"AOF everysec": "everysec", "no persistence": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testserver.RedisWith(t, localserver.RedisOptions{AppendFsync: fsync})
			q, _ := openOn(t, connect(t, server))
			rebuild(t, q)
			tb := through(t, q, func(*table) {
				if err := errors.Join(server.Kill(), server.Restart(t.Context())); err != nil {
					t.Fatal(err)
				}
			})
			if (tb.rebuilds > 0) != (fsync == "") {
				t.Errorf("%d rebuilds", tb.rebuilds)
			}
		})
	}
}

// The machine loses power and with it the end of the append-only file, at any byte: what is
// left is a queue as it was, in which every id is in one place.
func TestEndOfAppendOnlyFileIsLost(t *testing.T) { cutFile(t, 5) }

func TestSoakEndOfAppendOnlyFileIsLost(t *testing.T) {
	if os.Getenv("WEIR_SOAK") == "" {
		return // the short form is TestEndOfAppendOnlyFileIsLost
	}
	cutFile(t, 300)
}

func cutFile(t *testing.T, cuts int) {
	t.Helper()
	const count = 300
	dir := t.TempDir()
	server := testserver.RedisWith(t, localserver.RedisOptions{Dir: dir, AppendFsync: "always"})
	client := connect(t, server)
	q, _ := openOn(t, client)
	rebuild(t, q, rows(count)...)
	file := appendOnlyFile(t, dir)
	least := len(read(t, file))
	for range 50 {
		claimed := claim(t, q, 1+rand.IntN(20), time.Duration(1+rand.IntN(20))*time.Millisecond)
		var back []Returned
		for _, c := range claimed.Claims {
			if rand.IntN(2) == 0 {
				back = append(back, Returned{c, rand.N(10*time.Millisecond) - 5*time.Millisecond})
			}
		}
		if _, err := q.Return(t.Context(), back...); err != nil {
			t.Fatal(err)
		}
	}
	whole := read(t, file)
	if len(whole)-least < 1000 {
		t.Fatalf("%d bytes were written", len(whole)-least)
	}
	for range cuts {
		length := least + rand.IntN(len(whole)-least)
		err := errors.Join(server.Kill(), os.WriteFile(file, whole[:length], 0o600), server.Restart(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "Redis answers", func() bool { return client.Ping(t.Context()).Err() == nil })
		assertOnePlace(t, client, q, count, length)
	}
	if missing, err := q.Reconcile(t.Context(), rows(count)...); missing != 0 || err != nil {
		t.Errorf("%d were missing: %v", missing, err)
	}
	seen := make(map[int64]bool)
	eventually(t, "all are claimed", func() bool {
		for _, c := range claim(t, q, MaxCall, lease).Claims {
			if seen[c.ID] {
				t.Errorf("%d is claimed twice", c.ID)
			}
			seen[c.ID] = true
		}
		return len(seen) == count
	})
}

// assertOnePlace checks that each id up to count is either due or leased.
func assertOnePlace(t *testing.T, client *redis.Client, q *Queue, count, length int) {
	t.Helper()
	due, err := client.ZRange(t.Context(), q.due, 0, -1).Result()
	leased, leasedErr := client.ZRange(t.Context(), q.leased, 0, -1).Result()
	if err := errors.Join(err, leasedErr); err != nil {
		t.Fatal(err)
	}
	places := make(map[string]int)
	for _, id := range append(due, leased...) {
		places[id]++
	}
	for id, n := range places {
		if n != 1 {
			t.Errorf("with %d bytes, %s is in %d places", length, id, n)
		}
	}
	if len(places) != count {
		t.Errorf("with %d bytes, there are %d of %d ids: %d due, %d leased", length, len(places), count, len(due), len(leased))
	}
	if stats, err := q.Stats(t.Context()); err != nil || !stats.Whole {
		t.Errorf("with %d bytes: %+v, %v", length, stats, err)
	}
}

// appendOnlyFile is the one to which the server appends.
func appendOnlyFile(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(found) != 1 {
		t.Fatalf("files %q, %v", found, err)
	}
	return found[0]
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
