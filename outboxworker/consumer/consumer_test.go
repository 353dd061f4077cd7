package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
)

func TestHandles(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	id := publish(t, client, events, "1")
	var got record
	c := run(t, client, func(_ context.Context, m *Message) error { got.add(m); return nil }, quick())
	publish(t, client, events, "2")
	eventually(t, "two are handled", func() bool { return len(got.ids()) == 2 })
	allSettled(t, client, events)
	c.stop()

	want := Message{
		ID: "1", Topic: "orders", Key: "k1", HasKey: true, Type: "placed", Payload: []byte("secret-1"), BizID: "b1",
		Headers:   map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Stream: events, EntryID: id, Attempt: 1,
	}
	i := slices.IndexFunc(got.messages, func(m Message) bool { return m.ID == "1" })
	if fmt.Sprint(got.messages[i]) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got.messages[i], want)
	}
	noSecrets(t, c.logs)
	if c.logs.FilterField(zapTrace).Len() != 2 {
		t.Errorf("the trace is not in the log: %v", c.logs.All())
	}
	if err := c.Run(t.Context()); err == nil {
		t.Error("it runs twice")
	}
}

// What fails is tried again, with the attempt's number, and then is done or dead.
func TestRetries(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	for _, id := range []string{"twice", "never", "fatal", "panics", "fine"} {
		publish(t, client, events, id)
	}
	var got record
	options := quick()
	options.Retries = 2
	c := run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		switch {
		case m.ID == "twice" && m.Attempt < 3:
			return errRefused
		case m.ID == "never":
			return Class(fmt.Errorf("attempt %d: %w", m.Attempt, errRefused), "status 500")
		case m.ID == "fatal":
			return fmt.Errorf("wrapped: %w", Fatal(errors.New("no such order")))
		case m.ID == "panics":
			panic(string(m.Payload))
		}
		return nil
	}, options)
	dead := deadOf(t, client, events)
	eventually(t, "three are dead", func() bool { return len(listed(t, dead, Filter{})) == 3 })
	allSettled(t, client, events)
	c.stop()

	for id, want := range map[string]int{"twice": 3, "never": 3, "fatal": 1, "panics": 3, "fine": 1} {
		if n := got.count(id); n != want {
			t.Errorf("%s was handled %d times, want %d", id, n, want)
		}
	}
	for _, d := range listed(t, dead, Filter{}) {
		want := map[string]string{
			"never": "3 status 500: attempt 3: status 500: try 42 failed", "fatal": "1 fatal: wrapped: no such order",
			"panics": "3 panic: the handler panicked with string",
		}[d.Message.ID]
		if have := fmt.Sprintf("%d %s: %s", d.Attempts, d.Class, d.Error); have != want {
			t.Errorf("%s: %s, want %s", d.Message.ID, have, want)
		}
		if string(d.Message.Payload) != "secret-"+d.Message.ID || d.Message.Key != "k"+d.Message.ID || len(d.Fingerprint) != 16 || time.Since(d.DiedAt) > time.Minute {
			t.Errorf("dead: %+v", d)
		}
	}
	noSecrets(t, c.logs)
	stack := fmt.Sprint(c.logs.FilterMessage("a handler panicked").All()[0].ContextMap()["stack"])
	if !strings.Contains(stack, "consumer_test.go") {
		t.Errorf("the stack does not say where: %s", stack)
	}
}

// Busy comes back and counts nothing.
func TestBusy(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	publish(t, client, events, "1")
	var got record
	var n atomic.Int32
	options := quick()
	options.Retries = 0
	run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		if n.Add(1) < 5 {
			return Busy(10 * time.Millisecond)
		}
		return nil
	}, options)
	eventually(t, "it is handled", func() bool { return n.Load() == 5 })
	allSettled(t, client, events)
	for _, m := range got.messages {
		if m.Attempt != 1 {
			t.Errorf("attempt %d", m.Attempt)
		}
	}
	if len(listed(t, deadOf(t, client, events), Filter{})) != 0 {
		t.Error("it is dead")
	}
}

// While what the handler needs is away, one message at a time is tried, and nothing is
// counted.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	const count = 200
	for i := range count {
		publish(t, client, events, fmt.Sprint(i))
	}
	var got record
	var away atomic.Bool
	var tries, probes, most atomic.Int32
	away.Store(true)
	options := quick()
	options.Retries = 0
	c := run(t, client, func(_ context.Context, m *Message) error {
		tries.Add(1)
		// Those that began before the first one failed have ended some probes later.
		if now := probes.Add(1); tries.Load() > int32(options.Concurrency)+20 {
			most.Store(max(most.Load(), now))
		}
		defer probes.Add(-1)
		if away.Load() {
			return Unavailable(errors.New("no route to host"), 20*time.Millisecond)
		}
		got.add(m)
		return nil
	}, options)
	eventually(t, "it has tried some times", func() bool { return tries.Load() > int32(options.Concurrency)+40 })
	if n := most.Load(); n != 1 {
		t.Errorf("%d messages were tried at once", n)
	}
	if s := seenOf(t, client, events); s.dead != 0 {
		t.Errorf("%+v", s)
	}
	away.Store(false)
	eventually(t, "all are handled", func() bool { return got.distinct() == count })
	allSettled(t, client, events)
	if len(got.ids()) != count {
		t.Errorf("%d were handled, want %d", len(got.ids()), count)
	}
	c.stop()
	for _, m := range got.messages {
		if m.Attempt != 1 {
			t.Errorf("attempt %d", m.Attempt)
		}
	}
	if n := c.logs.FilterMessage("a consumer cannot go on at present: its handler misses something").Len(); n != 1 {
		t.Errorf("logged %d times that it is away", n)
	}
}

// What has not begun is given back at a stop, and another consumer has it at once.
func TestStopGivesBack(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	const count = 40
	for i := range count {
		publish(t, client, events, fmt.Sprint(i))
	}
	var first, second record
	options := quick()
	options.Concurrency, options.Lease = 1, time.Hour
	release := make(chan struct{})
	c := run(t, client, func(_ context.Context, m *Message) error {
		first.add(m)
		<-release
		return nil
	}, options)
	eventually(t, "all are read and one is begun", func() bool { return seenOf(t, client, events).pending == count && len(first.ids()) == 1 })
	stopped := make(chan struct{})
	go func() { c.stop(); close(stopped) }()
	other := options
	other.Concurrency = 10
	run(t, client, func(_ context.Context, m *Message) error { second.add(m); return nil }, other)
	eventually(t, "the other has the rest", func() bool { return second.distinct() == count-1 })
	if n := len(second.ids()); n != count-1 {
		t.Errorf("the other has handled %d, want %d", n, count-1)
	}
	close(release)
	<-stopped
	allSettled(t, client, events)
	if n := len(first.ids()); n != 1 {
		t.Errorf("after the stop %d were begun", n-1)
	}
	for _, m := range second.messages {
		if m.Attempt != 1 {
			t.Errorf("attempt %d", m.Attempt)
		}
	}
}

// A handler that goes on for too long is told to end, and its message counts no attempt.
func TestStopTimeout(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	publish(t, client, events, "1")
	options := quick()
	options.StopTimeout, options.Retries, options.Lease = 50*time.Millisecond, 0, time.Hour
	began := make(chan struct{})
	c := run(t, client, func(ctx context.Context, m *Message) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	}, options)
	<-began
	c.stop()
	if s := seenOf(t, client, events); s.pending != 1 || s.waiting != 0 || s.dead != 0 {
		t.Errorf("%+v", s)
	}
	var got record
	run(t, client, func(_ context.Context, m *Message) error { got.add(m); return nil }, options)
	eventually(t, "another has it", func() bool { return len(got.ids()) == 1 })
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"streams: none":           func(o *Options) { o.Streams = nil },
		"consumer: the name":      func(o *Options) { o.Consumer = "a b" },
		"start:":                  func(o *Options) { o.Start = "yesterday" },
		"batch:":                  func(o *Options) { o.Batch = 501 },
		"concurrency:":            func(o *Options) { o.Concurrency = 0 },
		"max_bytes:":              func(o *Options) { o.MaxBytes = 0 },
		"backoff:":                func(o *Options) { o.Backoff = nil },
		"retries:":                func(o *Options) { o.Retries = -1 },
		"max_takeovers:":          func(o *Options) { o.MaxTakeovers = 0 },
		"lease:":                  func(o *Options) { o.Lease = time.Millisecond },
		"trim_every:":             func(o *Options) { o.TrimEvery = -1 },
		"keep:":                   func(o *Options) { o.Keep = -1 },
		"forget_after:":           func(o *Options) { o.ForgetAfter = time.Second },
		"stop_timeout:":           func(o *Options) { o.StopTimeout = -1 },
		`streams: the name "a}b"`: func(o *Options) { o.Streams = []string{"a}b"} },
		`streams: "s" is named`:   func(o *Options) { o.Streams = []string{"s", "s"} },
	} {
		o := quick()
		change(&o)
		if _, err := New(nil, group, func(context.Context, *Message) error { return nil }, o); err == nil || !strings.HasPrefix(err.Error(), "consumer: "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(nil, "a:b", func(context.Context, *Message) error { return nil }, quick()); err == nil {
		t.Error("a group with a colon")
	}
	if _, err := New(nil, group, nil, quick()); err == nil {
		t.Error("no handler")
	}
}
