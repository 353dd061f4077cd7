package relay

// timers_fixture_test.go has what the tests of timers share: a Redis that can be
// exchanged behind the client's back, and retries that are on time only with timers.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap/zaptest"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
	"github.com/weirproxy/weir/outboxworker/retryqueue"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// timedFixture is an outbox whose retries have timers, in the Redis to which the forwarder
// leads.
type timedFixture struct {
	*fixture
	redis  *localserver.Redis
	to     *forwarder
	client *redis.Client
	queue  *retryqueue.Queue
	got    *receiver
}

func newTimedFixture(t *testing.T) *timedFixture {
	t.Helper()
	t.Parallel() // they wait most of the time
	f := newQueueFixture(t)
	// Nobody polls, but for a worker's own look every 5 seconds, so that what is
	// sooner is a timer's work.
	f.settings.PollMin, f.settings.PollMax = time.Hour, time.Hour
	f.settings.Retry = backoff.Policy{Base: 200 * time.Millisecond, Cap: 200 * time.Millisecond}
	f.settings.Retries = 50
	return f
}

// newQueueFixture is an outbox with a queue that nothing uses yet.
func newQueueFixture(t *testing.T) *timedFixture {
	t.Helper()
	f := &timedFixture{fixture: newFixture(t), redis: testserver.Redis(t), got: new(receiver)}
	f.to = newForwarder(t, address(f.redis))
	f.client = newClient(t, f.to.address())
	f.queue = f.newQueue(f.client)
	return f
}

func address(server *localserver.Redis) string { return fmt.Sprintf("127.0.0.1:%d", server.Port()) }

// redisTimeout is how long a call may take: as long as by default, so that a Redis that a
// busy machine stops for a second does not fail.
const redisTimeout = 3 * time.Second

// newClient returns a client with the options that the configuration gives it.
func newClient(t *testing.T, address string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{
		Addr: address, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: redisTimeout, ReadTimeout: redisTimeout, WriteTimeout: redisTimeout,
	})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func (f *timedFixture) newQueue(client *redis.Client) *retryqueue.Queue {
	f.Helper()
	q, err := retryqueue.New(client, "shop.outbox", zaptest.NewLogger(f))
	if err != nil {
		f.Fatal(err)
	}
	return q
}

func (f *timedFixture) startTimed() (stop func()) {
	f.Helper()
	return f.start(f.got, func(s *Settings) { s.Timers = f.queue })
}

// Enqueue writes messages and has the scout look, which does not poll.
func (f *timedFixture) Enqueue(key string, texts ...string) {
	f.Helper()
	f.fixture.Enqueue(key, texts...)
	f.Exec("SELECT pg_notify('outbox', '')")
}

// up waits until there are timers.
func (f *timedFixture) up(want string) {
	f.Helper()
	f.Eventually(want, func() string { return fmt.Sprint(f.metric("outbox_timers_up")) })
}

// onTime has a message refused once, and waits until it is retried, which must be within
// its wait and three seconds. Without timers, of several in a row most would be found
// by the looks every 5 seconds, too late.
func (f *timedFixture) onTime() bool {
	f.Helper()
	began := time.Now()
	f.Enqueue("on time", fmt.Sprintf("once %d", began.UnixNano()))
	f.Eventually("0 pending, 0 deferred, 0 dead", func() string {
		// The scout leaves out workers that are just going to rest, and does not poll here.
		f.Exec("SELECT pg_notify('outbox', '') FROM (SELECT FROM outbox.message LIMIT 1) AS pending")
		return f.Places()
	})
	return time.Since(began) < f.settings.Retry.Cap+3*time.Second
}

// recovers waits until four retries in a row are on time, and returns how many there were.
func (f *timedFixture) recovers() (all uint64) {
	f.Helper()
	end := time.Now().Add(2 * deadline)
	for inRow := 0; inRow < 4; {
		all++
		if inRow++; !f.onTime() {
			inRow = 0
		}
		if time.Now().After(end) {
			f.Fatal("retries are not on time again")
		}
	}
	return all
}

// refuseOnce refuses the first attempt of messages whose text begins with once, and the
// first n of those that begin with often.
func refuseOnce(n int) func(m *sink.Message) sink.Result {
	return func(m *sink.Message) sink.Result {
		text := string(m.Payload)
		if strings.HasPrefix(text, "once") && m.Attempt == 1 || strings.HasPrefix(text, "often") && m.Attempt <= n {
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	}
}

// forwarder passes connections on to an address that can be changed, as a name or a
// Sentinel does after a failover.
type forwarder struct {
	listener net.Listener
	mu       sync.Mutex
	target   string
	open     map[net.Conn]bool
}

func newForwarder(t *testing.T, target string) *forwarder {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{listener: listener, target: target, open: make(map[net.Conn]bool)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				all.Go(func() { f.serve(conn) })
			}
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		f.lead("")
		all.Wait()
	})
	return f
}

func (f *forwarder) address() string { return f.listener.Addr().String() }

// lead ends all connections and leads new ones to a target; an empty one leads nowhere.
func (f *forwarder) lead(target string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.target = target
	for conn := range f.open {
		_ = conn.Close()
	}
}

// add notes connections to a target, unless it has changed.
func (f *forwarder) add(target string, conns ...net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range conns {
		f.open[conn] = true
	}
	return f.target == target
}

func (f *forwarder) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	f.mu.Lock()
	target := f.target
	f.mu.Unlock()
	if target == "" {
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	if !f.add(target, conn, server) {
		return
	}
	var both sync.WaitGroup
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
		_ = from.Close()
	}
	both.Go(func() { pass(server, conn) })
	both.Go(func() { pass(conn, server) })
	both.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, conn)
	delete(f.open, server)
}

// harm does something again and again until ctx is done, and twice at least. wait waits for
// the end of it.
func harm(ctx context.Context, every time.Duration, what func()) (wait func()) {
	var done sync.WaitGroup
	done.Go(func() {
		for count := 0; sleep(ctx, every, nil) != "stop" || count < 2; count++ {
			what()
		}
	})
	return done.Wait
}
