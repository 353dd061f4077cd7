package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

func TestMain(m *testing.M) { testserver.Main(m) }

const (
	group  = "billing"
	events = "events:orders"
)

// connect returns a client of a server.
func connect(t testing.TB, server *localserver.Redis) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.PoolSize = 100
	client := redis.NewClient(options)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// quick are options whose retries are due at once.
func quick() Options {
	o := DefaultOptions()
	o.Streams = []string{events}
	o.Backoff = backoff.Policy{Base: time.Millisecond, Cap: 10 * time.Millisecond}
	o.TrimEvery = 0
	return o
}

// running is a consumer that runs.
type running struct {
	*Consumer
	stop func()
	logs *observer.ObservedLogs
}

// run runs a consumer until the test ends or stop is called.
func run(t testing.TB, client redis.UniversalClient, handler Handler, options Options) *running {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	options.Logger = zap.New(core)
	c, err := New(client, group, handler, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	r := &running{Consumer: c, logs: logs}
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("the consumer does not stop")
		}
	})
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			all := logs.All()
			for _, entry := range all[max(0, len(all)-50):] {
				t.Log(entry.Level, entry.Message, entry.ContextMap())
			}
		}
	})
	return r
}

// publish appends a message with an id to a stream as the relay does, and returns the
// entry's id.
func publish(t testing.TB, client redis.UniversalClient, stream, id string) string {
	t.Helper()
	return appended(t, client, stream, "id", id, "topic", "orders", "key", "k"+id, "type", "placed", "payload", "secret-"+id,
		"headers", `{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}`, "biz_id", "b"+id,
		"created_at", "2026-01-02T03:04:05.000006Z")
}

func appended(t testing.TB, client redis.UniversalClient, stream string, fields ...any) string {
	t.Helper()
	id, err := client.XAdd(context.Background(), &redis.XAddArgs{Stream: stream, Values: fields}).Result()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// eventually waits for what should happen soon, with a deadline that is generous, as on a
// busy machine everything is slow.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}

// record counts what a handler gets.
type record struct {
	mu       sync.Mutex
	messages []Message
}

func (r *record) add(m *Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, *m)
}

// ids are those of the messages, in order.
func (r *record) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := []string{}
	for _, m := range r.messages {
		ids = append(ids, m.ID)
	}
	return ids
}

func (r *record) count(id string) (n int) {
	for _, other := range r.ids() {
		if id == other {
			n++
		}
	}
	return n
}

// distinct is how many different messages there were.
func (r *record) distinct() int {
	ids := r.ids()
	slices.Sort(ids)
	return len(slices.Compact(ids))
}

// look1 is what is to be seen of a stream.
func seenOf(t testing.TB, client redis.UniversalClient, name string) seen {
	t.Helper()
	found, err := look(context.Background(), client, streamOf(t, name), false)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func streamOf(t testing.TB, name string) *stream {
	t.Helper()
	s, err := newStream(name, group, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// allSettled waits until a stream has nothing pending, unread or waiting.
func allSettled(t testing.TB, client redis.UniversalClient, name string) {
	t.Helper()
	var found seen
	var err error
	defer func() {
		if t.Failed() {
			t.Logf("seen last: %+v, %v", found, err)
		}
	}()
	eventually(t, "all is settled", func() bool {
		found, err = look(context.Background(), client, streamOf(t, name), false)
		return err == nil && found.pending == 0 && found.waiting == 0 && found.lag <= 0
	})
}

func deadOf(t testing.TB, client redis.UniversalClient, name string) *DeadLetters {
	t.Helper()
	d, err := NewDeadLetters(client, name, group)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func listed(t testing.TB, d *DeadLetters, f Filter) []Dead {
	t.Helper()
	found, _, err := d.List(t.Context(), f, "", 10_000, true)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// noSecrets checks that no payload is in the log.
func noSecrets(t testing.TB, logs *observer.ObservedLogs) {
	t.Helper()
	for _, entry := range logs.All() {
		if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, "secret") {
			t.Errorf("logged a payload: %s", text)
		}
	}
}

var errRefused = errors.New("status 500: try 42 failed")

var zapTrace = zap.String("trace_id", "0af7651916cd43dd8448eb211c80319c")
