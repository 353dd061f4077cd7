package consumer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency/redisclaim"
)

const (
	crashRedis = "WEIR_TEST_CRASH_REDIS"
	crashKind  = "WEIR_TEST_CRASH_KIND"
	crashed    = 42 // the code with which the process ends
	crashMost  = 5  // Options.MaxTakeovers
)

// TestCrashingChild is a consumer in a process of its own, which a message ends: at once,
// while others are in the hands of handlers that take longer.
func TestCrashingChild(t *testing.T) {
	address, kind := os.Getenv(crashRedis), os.Getenv(crashKind)
	if address == "" {
		return // this is no child
	}
	parsed, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(parsed)
	options := quick()
	options.Ordered = strings.HasPrefix(kind, "ordered")
	options.Lease, options.Concurrency, options.MaxTakeovers = time.Second, 8, crashMost
	if strings.HasSuffix(kind, "claimed") { // and for longer than the consumer is waited for
		settings := redisclaim.Settings{Lease: 2 * time.Second, DoneTTL: time.Hour}
		if options.Idempotency, err = redisclaim.New(client, settings); err != nil {
			t.Fatal(err)
		}
	}
	retries := strings.HasSuffix(kind, "retries")
	c, err := New(client, group, func(_ context.Context, m *Message) error {
		culprit := m.ID == "culprit/2"
		if retries && m.Attempt == 1 && (!options.Ordered || !culprit) {
			return errRefused // so the culprit's own first attempt, where there is order, follows a retry
		}
		if culprit {
			os.Exit(crashed)
		}
		time.Sleep(30 * time.Millisecond) // the work
		return client.SAdd(context.Background(), "done", m.ID).Err()
	}, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A message that ends the process of whoever handles it is dead in the end, and alone: those
// that were in hand with it are done, whether they are new, are tried again or come after it.
func TestMessageThatEndsTheProcess(t *testing.T) {
	for _, kind := range []string{"new", "retries", "claimed", "ordered new", "ordered retries", "ordered claimed"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := testserver.Redis(t)
			client := connect(t, server)
			streams, to := []string{events}, func(string) string { return events }
			if strings.HasPrefix(kind, "ordered") {
				streams, to = LaneStreams(events), laneOf
			}
			add := func(key string, n int) {
				appended(t, client, to(key), "id", fmt.Sprintf("%s/%d", key, n), "topic", "orders", "key", key, "payload", "p")
			}
			const keys, each = 24, 3
			for n := range each {
				for k := range keys {
					add(fmt.Sprint("k", k), n)
				}
				add("culprit", n+1)
			}
			crashes := crashUntilSettled(t, client, server.URL(), kind, streams)
			if done, err := client.SCard(t.Context(), "done").Result(); err != nil || done != keys*each+each-1 {
				t.Errorf("%d of %d innocent messages were done, error %v", done, keys*each+each-1, err)
			}
			var dead []string
			for _, name := range streams {
				for _, d := range listed(t, deadOf(t, client, name), Filter{}) {
					dead = append(dead, d.Message.ID+" "+d.Class)
				}
			}
			if fmt.Sprint(dead) != "[culprit/2 crash]" {
				t.Errorf("dead: %q", dead)
			}
			// A lease that runs out as the machine is slow counts, too.
			if crashes > crashMost+1 || crashes < suspectFrom {
				t.Errorf("%d processes crashed, want %d", crashes, crashMost+1)
			}
		})
	}
}

// crashUntilSettled runs one process after another until nothing is left, and returns how
// many of them crashed.
func crashUntilSettled(t *testing.T, client *redis.Client, url, kind string, streams []string) (crashes int) {
	t.Helper()
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	begin := func() {
		child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCrashingChild$")
		child.Env = append(os.Environ(), crashRedis+"="+url, crashKind+"="+kind)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { ended <- child.Wait() }()
	}
	settled := func() bool {
		for _, name := range streams {
			if found, err := look(t.Context(), client, streamOf(t, name), false); err != nil || found.pending+found.waiting > 0 || found.lag != 0 {
				return false
			}
		}
		return true
	}
	begin()
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != crashed {
				t.Fatalf("the process ended with %v", err)
			}
			crashes++
			if crashes > 4*crashMost {
				t.Fatalf("%d processes crashed", crashes)
			}
			begin()
		case <-time.After(50 * time.Millisecond):
			if settled() {
				stop()
				<-ended
				return crashes
			}
		}
	}
	t.Fatalf("not settled, after %d crashes", crashes)
	return 0
}
