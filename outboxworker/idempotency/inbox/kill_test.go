package inbox

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/idempotency"
	"github.com/weirproxy/weir/outboxworker/outbox"
)

// The test binary is run as a consumer, on this database, that dies at this point.
const (
	childDatabase = "INBOX_TEST_DATABASE"
	childPoint    = "INBOX_TEST_POINT"
)

// handle handles one message, whose effect has two parts.
func handle(ctx context.Context, store idempotency.Store, at func(point string)) (idempotency.State, error) {
	claim, state, err := store.Begin(ctx, "g", "1")
	if err != nil || claim == nil {
		return state, err
	}
	kept, stop := claim.Keep(ctx)
	at("before")
	_, err = Tx(kept).Exec(kept, "INSERT INTO effect VALUES ('first')")
	at("during")
	if err == nil {
		_, err = Tx(kept).Exec(kept, "INSERT INTO effect VALUES ('second')")
	}
	at("after")
	stop()
	if err != nil {
		return state, errors.Join(err, claim.Release(ctx))
	}
	err = claim.Done(ctx)
	at("done")
	return state, err
}

// TestChild is the consumer that dies.
func TestChild(t *testing.T) {
	url := os.Getenv(childDatabase)
	if url == "" {
		return
	}
	messages, err := New(outbox.DefaultSchema)
	if err != nil {
		t.Fatal(err)
	}
	store, err := messages.Store(connect(t, url), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	state, err := handle(t.Context(), store, func(point string) {
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
	for _, point := range []string{"before", "during", "after", "done"} {
		t.Run(point, func(t *testing.T) {
			messages, url := installed(t)
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
			child.Env = append(os.Environ(), childDatabase+"="+url, childPoint+"="+point)
			out, err := child.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != -1 {
				t.Fatalf("the consumer was not killed: %v\n%s", err, out)
			}

			conn := connect(t, url)
			store, err := messages.Store(conn, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the message is done", func() bool {
				state, err := handle(t.Context(), store, func(string) {})
				if err != nil {
					t.Fatal(err)
				}
				return state.Status == idempotency.AlreadyDone
			})
			if effects := value[string](t, conn, "SELECT string_agg(message_id, ' ' ORDER BY message_id) FROM effect"); effects != "first second" {
				t.Errorf("the effect is %q", effects)
			}
		})
	}
}
