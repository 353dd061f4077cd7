package redisclaim

// main_test.go holds what the tests share.

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// within bounds what a test waits for.
const within = time.Minute

func connect(t testing.TB, url string, change func(*redis.Options)) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.ContextTimeoutEnabled = true
	if change != nil {
		change(options)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func open(t testing.TB, client redis.UniversalClient, change func(*Settings)) *Store {
	t.Helper()
	settings := DefaultSettings()
	if change != nil {
		change(&settings)
	}
	store, err := New(client, settings)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// started begins, and fails unless that gives a claim.
func started(t *testing.T, store *Store, id string) idempotency.Claim {
	t.Helper()
	claim, state, err := store.Begin(t.Context(), "g", id)
	if err != nil || state != (idempotency.State{Status: idempotency.Started}) || claim == nil {
		t.Fatalf("message %s: %v, %v", id, state, err)
	}
	return claim
}

// status begins, and returns what was found.
func status(t *testing.T, store *Store, id string) idempotency.State {
	t.Helper()
	claim, state, err := store.Begin(t.Context(), "g", id)
	if err != nil || (claim != nil) != (state.Status == idempotency.Started) {
		t.Fatalf("message %s: %v, %v", id, state, err)
	}
	return state
}

// eventually polls until what holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", within, what)
		case <-tick.C:
		}
	}
}

// gone waits until a key has expired.
func gone(t testing.TB, client redis.UniversalClient, id string) {
	t.Helper()
	eventually(t, "the claim of "+id+" runs out", func() bool {
		n, err := client.Exists(t.Context(), key("g", id)).Result()
		return err == nil && n == 0
	})
}
