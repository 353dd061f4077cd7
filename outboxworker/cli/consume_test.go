package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/monitor"
)

// streams is a Redis with streams, and a receiver.
type streams struct {
	url    string
	client *redis.Client
	inbox  *inbox
}

func newStreams(t *testing.T, held chan struct{}) *streams {
	t.Helper()
	server := testserver.Redis(t)
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	s := &streams{url: server.URL(), client: redis.NewClient(options), inbox: newInbox(t, held)}
	t.Cleanup(func() { _ = s.client.Close() })
	return s
}

// add appends a message, as the relay does.
func (s *streams) add(t *testing.T, stream, payload string) {
	t.Helper()
	err := s.client.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: []string{
		"id", uuid.NewString(), "topic", "t", "payload", payload, "created_at", "2026-01-02T03:04:05.678901Z",
	}}).Err()
	if err != nil {
		t.Fatal(err)
	}
}

// configuration has one group for each name, which reads the stream of that name and
// posts to that path, with more behind.
func (s *streams) configuration(address, more string, names ...string) string {
	text := fmt.Sprintf("redis: {url: %q}\nhttp: {address: %q}\nlog: {level: debug}\nconsumers:\n", s.url, address)
	for _, name := range names {
		text += fmt.Sprintf("  - {name: %s, streams: [%s], stop_timeout: 5s, retry: {base: 10ms, cap: 10ms}, webhook: {url: %q}}\n",
			name, name, s.inbox.URL+"/"+name+more)
	}
	return text
}

func serving(t *testing.T, address string, groups ...string) {
	t.Helper()
	eventually(t, "the consumers are ready", func() bool {
		status, body := get(address, "/readyz")
		var r monitor.Readiness
		if status != http.StatusOK || json.Unmarshal([]byte(body), &r) != nil || len(r.Consumers) != len(groups) {
			return false
		}
		for _, name := range groups {
			if !r.Consumers[name].Connected {
				return false
			}
		}
		return true
	})
}

func TestConsumePostsAndReloads(t *testing.T) {
	s := newStreams(t, nil)
	address := freeport.Address(t)
	s.add(t, "first", "before")
	r := startAs(t, newConsumers(nil), s.configuration(address, "", "first"))
	serving(t, address, "first")
	s.inbox.expect(t, "/first before")
	s.add(t, "first", "a")
	s.inbox.expect(t, "/first a")

	// Another path, and a group more.
	r.reload(s.configuration(address, "/two", "first", "second"))
	r.reloaded(1, address)
	serving(t, address, "first", "second")
	s.add(t, "first", "b")
	s.inbox.expect(t, "/first/two b")
	s.add(t, "second", "c")
	s.inbox.expect(t, "/second/two c")

	// What cannot be used changes nothing; nor does one without consumers.
	r.reload(s.configuration(address, "", "first", "first"))
	r.refused(1, address)
	r.reload(fmt.Sprintf("database: {url: postgres://nobody@127.0.0.1:1/nothing}\nhttp: {address: %q}\noutboxes: [{sink: {discard: {}}}]\n", address))
	r.refused(2, address)
	r.logged("the configuration has no consumers", 1)
	s.add(t, "first", "d")
	s.inbox.expect(t, "/first/two d")

	// A group less: its messages stay.
	r.reload(s.configuration(address, "/two", "first"))
	r.reloaded(2, address)
	serving(t, address, "first")
	// the group went on over the reload, and the last message is counted after its answer
	eventually(t, "the metrics show the four messages of the first group", func() bool {
		_, body := get(address, "/metrics")
		return strings.Contains(body, `outbox_consumer_messages_total{group="first",outcome="done",stream="first"} 4`)
	})
	r.signals <- syscall.SIGTERM
	if err := r.end(); err != nil {
		t.Errorf("the end: %v", err)
	}
	if log := r.log.String(); strings.Contains(log, "/two") || !strings.Contains(log, `"msg":"stopped"`) || strings.Contains(log, "panic") {
		t.Error("the log shows a webhook's path, or not that the worker stopped")
	}
}

// A stop waits for what is posted, and what it had not begun is another's at once.
func TestConsumeStopsWithoutLoss(t *testing.T) {
	held := make(chan struct{})
	s := newStreams(t, held)
	r := startAs(t, newConsumers(nil), s.configuration("", "", "first"))
	s.add(t, "first", "a")
	s.inbox.expect(t, "/first a")
	r.signals <- syscall.SIGTERM
	r.logged(`"stopping"`, 1)
	select {
	case err := <-r.ended:
		t.Fatalf("it did not wait for the message: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	close(held)
	if err := r.end(); err != nil {
		t.Errorf("the end: %v", err)
	}
	pending, err := s.client.XPending(t.Context(), "first", "first").Result()
	if err != nil || pending.Count != 0 {
		t.Errorf("%+v is pending, %v", pending, err)
	}
}

func TestConsumeIsNotReadyWithoutRedis(t *testing.T) {
	s := newStreams(t, nil)
	address := freeport.Address(t)
	s.url = "redis://" + freeport.Address(t)
	r := startAs(t, newConsumers(nil), s.configuration(address, "", "first"))
	eventually(t, "/readyz says that it is not ready", func() bool {
		status, body := get(address, "/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, `"first":{"connected":false`)
	})
	if status, _ := get(address, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d", status)
	}
	r.signals <- syscall.SIGTERM
	if err := r.end(); err != nil {
		t.Errorf("the end: %v", err)
	}
}

func TestConsumeOfOneGroup(t *testing.T) {
	s := newStreams(t, nil)
	address := freeport.Address(t)
	file, log := written(t, s.configuration(address, "", "first", "second")), new(logbook)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- Execute(ctx, Process{Args: []string{"consume", "-c", file, "--consumer", "second"}, Out: log, Err: log})
	}()
	serving(t, address, "second")
	s.add(t, "first", "a")
	s.add(t, "second", "b")
	s.inbox.expect(t, "/second b")
	cancel()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit %d\n%s", code, log)
		}
	case <-time.After(deadline):
		t.Fatalf("it does not end\n%s", log)
	}
	if n, err := s.client.XLen(t.Context(), "first").Result(); err != nil || n != 1 {
		t.Errorf("the other group's stream has %d entries, %v", n, err)
	}
}

func TestWhatThereIsNothingFor(t *testing.T) {
	s := newStreams(t, nil)
	consumers := written(t, s.configuration("", "", "first"))
	outboxes := written(t, "database: {url: postgres://nobody@127.0.0.1:1/nothing}\noutboxes: [{sink: {discard: {}}}]\n")
	for _, test := range []struct {
		args []string
		code int
		err  string
	}{
		{[]string{"run", "-c", consumers}, 1, "outboxworker: the configuration has no outboxes"},
		{[]string{"consume", "-c", outboxes}, 1, "outboxworker: the configuration has no consumers"},
		{[]string{"consume", "-c", consumers, "--consumer", "second"}, 1, `outboxworker: the configuration has no consumer "second"`},
		{[]string{"consume", "-c", consumers, "more"}, 2, `outboxworker: "more" is one argument too many`},
		{[]string{"consume", "--consumer"}, 2, "outboxworker: flag needs an argument"},
		{[]string{"consume", "-c", os.DevNull}, 1, "outboxworker: reading the configuration from"},
		{[]string{"check-config", "-c", consumers}, 0, ""},
	} {
		code, _, errOut := execute(t, nil, test.args...)
		if code != test.code || !strings.HasPrefix(errOut, test.err) {
			t.Errorf("%q: exit %d, %s", test.args, code, errOut)
		}
	}
}
