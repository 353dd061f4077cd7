package redisclaim

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency"
)

// The test binary is run as a consumer, on this Redis, that dies at this point.
const (
	childRedis = "REDISCLAIM_TEST_REDIS"
	childPoint = "REDISCLAIM_TEST_POINT"
)

// handle handles one message, whose effect has two parts.
func handle(ctx context.Context, store *Store, client *redis.Client, at func(point string)) (idempotency.State, error) {
	claim, state, err := store.Begin(ctx, "g", "1")
	if err != nil || claim == nil {
		return state, err
	}
	kept, stop := claim.Keep(ctx)
	at("before")
	err = client.Incr(kept, "first").Err()
	at("during")
	err = errors.Join(err, client.Incr(kept, "second").Err())
	at("after")
	stop()
	if err != nil {
		return state, errors.Join(err, claim.Release(ctx))
	}
	err = claim.Done(ctx)
	at("done")
	return state, err
}

func brief(s *Settings) { s.Lease = 500 * time.Millisecond }

// TestChild is the consumer that dies.
func TestChild(t *testing.T) {
	url := os.Getenv(childRedis)
	if url == "" {
		return
	}
	client := connect(t, url, nil)
	state, err := handle(t.Context(), open(t, client, brief), client, func(point string) {
		if point == os.Getenv(childPoint) {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			if err != nil {
				t.Fatal(err)
			}
			select {} // the signal is on its way
		}
	})
	t.Fatalf("it lives: %v, %v", state, err)
}

func TestConsumerIsKilled(t *testing.T) {
	for _, test := range []struct {
		point         string
		first, second string // how often the parts of the effect have happened
	}{
		{"before", "1", "1"},
		{"during", "2", "1"},
		{"after", "2", "2"},
		{"done", "1", "1"},
	} {
		t.Run(test.point, func(t *testing.T) {
			server := testserver.Redis(t)
			client := connect(t, server.URL(), nil)
			store := open(t, client, brief)
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
			child.Env = append(os.Environ(), childRedis+"="+server.URL(), childPoint+"="+test.point)
			out, err := child.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != -1 {
				t.Fatalf("the consumer was not killed: %v\n%s", err, out)
			}

			asked := time.Now()
			eventually(t, "the message is done", func() bool {
				state, err := handle(t.Context(), store, client, func(string) {})
				if err != nil {
					t.Fatal(err)
				}
				return state.Status == idempotency.AlreadyDone
			})
			if took := time.Since(asked); took > 5*time.Second+store.settings.Lease {
				t.Errorf("that took %s", took)
			}
			first, second := client.Get(t.Context(), "first").Val(), client.Get(t.Context(), "second").Val()
			if first != test.first || second != test.second {
				t.Errorf("the parts of the effect happened %s and %s times, want %s and %s", first, second, test.first, test.second)
			}
		})
	}
}
