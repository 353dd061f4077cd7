package redisclaim

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency"
)

func cancelled(t *testing.T, kept context.Context, want error) {
	t.Helper()
	select {
	case <-kept.Done():
		if cause := context.Cause(kept); cause != want {
			t.Errorf("the handler is stopped because of %v, want %v", cause, want)
		}
	case <-time.After(within):
		t.Fatal("the handler is not stopped")
	}
}

func TestKeepOutlastsTheLease(t *testing.T) {
	client := connect(t, testserver.Redis(t).URL(), nil)
	store := open(t, client, func(s *Settings) { s.Lease = 1500 * time.Millisecond })
	claim := started(t, store, "1")
	kept, stop := claim.Keep(t.Context())
	begun := time.Now()
	eventually(t, "two leases pass", func() bool {
		if s := status(t, store, "1"); s.Status != idempotency.Busy {
			t.Fatalf("after %s: %v", time.Since(begun), s)
		}
		return time.Since(begun) > 3*time.Second
	})
	if err := kept.Err(); err != nil {
		t.Errorf("the handler is stopped: %v", context.Cause(kept))
	}
	stop()
	stop()
	cancelled(t, kept, context.Canceled)
	gone(t, client, "1")
}

func TestKeepOfAnothersClaim(t *testing.T) {
	client := connect(t, testserver.Redis(t).URL(), nil)
	store := open(t, client, func(s *Settings) { s.Lease = 300 * time.Millisecond })
	kept, stop := started(t, store, "1").Keep(t.Context())
	defer stop()
	if err := client.Set(t.Context(), key("g", "1"), "P:another", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	cancelled(t, kept, idempotency.ErrLost)
}

// A Redis that refuses connections, and one that accepts them and is silent.
func TestKeepWithoutRedis(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, client *redis.Client, kill func() error) error{
		"dead": func(_ *testing.T, _ *redis.Client, kill func() error) error { return kill() },
		"silent": func(t *testing.T, client *redis.Client, _ func() error) error {
			return client.Do(t.Context(), "CLIENT", "PAUSE", "8000", "ALL").Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := testserver.Redis(t)
			store := open(t, connect(t, server.URL(), fast), func(s *Settings) { s.Lease = 400 * time.Millisecond })
			before := time.Now()
			claim := started(t, store, "1")
			kept, stop := claim.Keep(t.Context())
			defer stop()
			if err := end(t, connect(t, server.URL(), nil), server.Kill); err != nil {
				t.Fatal(err)
			}
			cancelled(t, kept, idempotency.ErrLost)
			// Before Redis is back, and not before the lease is over.
			if took := time.Since(before); took > 6*time.Second || took < 300*time.Millisecond {
				t.Errorf("the handler is stopped after %s", took)
			}
		})
	}
}

func TestKeepEndsWithItsContext(t *testing.T) {
	store := open(t, connect(t, testserver.Redis(t).URL(), nil), nil)
	ctx, cancel := context.WithCancel(t.Context())
	kept, stop := started(t, store, "1").Keep(ctx)
	cancel()
	cancelled(t, kept, context.Canceled)
	stop()
	if s := status(t, store, "1"); s.Status != idempotency.Busy {
		t.Errorf("%v", s)
	}
}
