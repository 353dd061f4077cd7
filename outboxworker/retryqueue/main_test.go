package retryqueue

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

func TestMain(m *testing.M) { testserver.Main(m) }

const lease = time.Minute

// connect returns a client of a server.
func connect(t testing.TB, server *localserver.Redis) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries = -1
	client := redis.NewClient(options)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// open returns an empty queue on a server of its own that is whole, its client, and what
// it logs.
func open(t testing.TB) (*Queue, *redis.Client, *observer.ObservedLogs) {
	t.Helper()
	client := connect(t, testserver.Redis(t))
	q, logs := openOn(t, client)
	rebuild(t, q)
	return q, client, logs
}

func openOn(t testing.TB, client redis.UniversalClient) (*Queue, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	q, err := New(client, "orders", zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	return q, logs
}

// pages returns rows in pages of that many.
func pages(size int, rows ...Timer) func(context.Context) ([]Timer, error) {
	return func(context.Context) ([]Timer, error) {
		page := rows[:min(size, len(rows))]
		rows = rows[len(page):]
		return page, nil
	}
}

func rebuild(t testing.TB, q *Queue, rows ...Timer) {
	t.Helper()
	added, err := q.Rebuild(t.Context(), pages(MaxCall, rows...))
	if err != nil || added != len(rows) {
		t.Fatalf("rebuilding added %d of %d: %v", added, len(rows), err)
	}
}

func schedule(t testing.TB, q *Queue, timers ...Timer) {
	t.Helper()
	if err := q.Schedule(t.Context(), timers...); err != nil {
		t.Fatal(err)
	}
}

func claim(t testing.TB, q *Queue, limit int, lease time.Duration) Claimed {
	t.Helper()
	claimed, err := q.Claim(t.Context(), limit, lease)
	if err != nil {
		t.Fatal(err)
	}
	return claimed
}

// claimEventually claims until it gets something.
func claimEventually(t testing.TB, q *Queue, limit int, lease time.Duration) Claimed {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		claimed := claim(t, q, limit, lease)
		if len(claimed.Claims) > 0 {
			return claimed
		}
		if err := q.Wait(t.Context(), claimed); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("nothing can be claimed")
	return Claimed{}
}

func ids(claims []Claim) []int64 {
	all := []int64{}
	for _, c := range claims {
		all = append(all, c.ID)
	}
	return all
}

func assertIDs(t testing.TB, claimed Claimed, want ...int64) {
	t.Helper()
	if got := ids(claimed.Claims); !slices.Equal(got, append([]int64{}, want...)) {
		t.Errorf("claimed %v, want %v", got, want)
	}
}

func assertNotWhole(t testing.TB, q *Queue) {
	t.Helper()
	if _, err := q.Claim(t.Context(), 1, lease); !errors.Is(err, ErrNotWhole) {
		t.Fatalf("claiming: %v, want ErrNotWhole", err)
	}
}

func assertStats(t testing.TB, q *Queue, timers, leased, foreign int64) {
	t.Helper()
	got, err := q.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Timers != timers || got.Leased != leased || got.Foreign != foreign {
		t.Errorf("%d timers, %d leased, %d foreign; want %d, %d, %d", got.Timers, got.Leased, got.Foreign, timers, leased, foreign)
	}
}
