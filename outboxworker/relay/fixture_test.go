package relay

// fixture_test.go has what the tests of relays share: an outbox in a real PostgreSQL, and
// a receiver that does what a test says.

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/outbox"
	"github.com/weirproxy/weir/outboxworker/sink"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// deadline is how long tests wait for what should happen soon.
const deadline = 20 * time.Second

// fixture is an outbox and a connection to its database.
type fixture struct {
	*testing.T
	url      string
	conn     *pgx.Conn
	settings Settings
	registry *prometheus.Registry
	metrics  *Metrics
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return fixtureAt(t, testserver.Database(t))
}

func fixtureAt(t *testing.T, url string) *fixture {
	t.Helper()
	f := &fixture{T: t, url: url, settings: DefaultSettings(), registry: prometheus.NewRegistry()}
	f.conn = f.connect()
	if _, err := outbox.Migrate(t.Context(), f.conn, "outbox"); err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	f.settings.Database, f.settings.Listen = config, config
	f.settings.PollMax = 20 * time.Millisecond
	f.settings.Retry = backoff.Policy{Base: 20 * time.Millisecond, Cap: 50 * time.Millisecond}
	f.settings.Outage = backoff.Policy{Base: 20 * time.Millisecond, Cap: 50 * time.Millisecond}
	if f.metrics, err = NewMetrics(f.registry); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) connect() *pgx.Conn {
	f.Helper()
	conn, err := pgx.Connect(f.Context(), f.url)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (f *fixture) exec(sql string, args ...any) {
	f.Helper()
	if _, err := f.conn.Exec(f.Context(), sql, args...); err != nil {
		f.Fatal(err)
	}
}

// ask returns the one value of a query, as text.
func (f *fixture) ask(sql string, args ...any) string {
	f.Helper()
	var text *string
	if err := f.conn.QueryRow(f.Context(), "SELECT ("+sql+")::text", args...).Scan(&text); err != nil {
		f.Fatal(err)
	}
	if text == nil {
		return "NULL"
	}
	return *text
}

// enqueue writes messages of a key, whose payloads are their texts.
func (f *fixture) enqueue(key string, texts ...string) {
	f.Helper()
	for _, text := range texts {
		f.exec("SELECT outbox.enqueue(topic => 'test', key => $1::text, payload => $2::text)", key, text)
	}
}

// start runs a relay until the test ends or the returned function is called.
func (f *fixture) start(to sink.Sink, change ...func(*Settings)) (stop func()) {
	f.Helper()
	settings := f.settings
	for _, c := range change {
		c(&settings)
	}
	r, err := New(settings, to, f.metrics, zaptest.NewLogger(f, zaptest.Level(zap.WarnLevel)))
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				f.Error(err)
			}
		case <-time.After(deadline):
			f.Error("the relay does not stop")
		}
	})
	f.Cleanup(stop)
	return stop
}

// eventually waits until what returns want.
func (f *fixture) eventually(want string, what func() string) {
	f.Helper()
	end := time.Now().Add(deadline)
	for {
		got := what()
		if got == want {
			return
		}
		if time.Now().After(end) {
			f.Fatalf("got %q in the end, want %q", got, want)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// places counts the messages in each place.
func (f *fixture) places() string {
	f.Helper()
	return f.ask(`format('%s pending, %s deferred, %s dead', (SELECT count(*) FROM outbox.message),
		(SELECT count(*) FROM outbox.deferred), (SELECT count(*) FROM outbox.dead))`)
}

func (f *fixture) metric(name string) float64 {
	f.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.Metric {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// receiver is a sink that does what a test says, and remembers what it was given.
type receiver struct {
	mu     sync.Mutex
	answer func(m *sink.Message) sink.Result // nil delivers all
	seen   []sink.Message
	got    []sink.Message
	sizes  []int // bytes of each batch
}

func (r *receiver) Deliver(ctx context.Context, batch *sink.Batch) {
	failed := make(map[string]bool)
	size := 0
	for i := range batch.Messages {
		m := &batch.Messages[i]
		size += len(m.Payload)
		if batch.Expired(ctx) {
			return
		}
		if m.HasKey && failed[m.Key] {
			continue
		}
		result := r.one(m)
		batch.Results[i] = result
		if result.Outcome != sink.Delivered {
			failed[m.Key] = true
		}
		if result.Outcome == sink.Throttled || result.Outcome == sink.Unreachable {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sizes = append(r.sizes, size)
}

func (r *receiver) one(m *sink.Message) sink.Result {
	r.mu.Lock()
	answer := r.answer
	copied := *m
	copied.Payload = slices.Clone(m.Payload)
	r.seen = append(r.seen, copied)
	r.mu.Unlock()
	result := sink.Result{Outcome: sink.Delivered}
	if answer != nil {
		result = answer(&copied)
	}
	if result.Outcome == sink.Delivered {
		r.mu.Lock()
		r.got = append(r.got, copied)
		r.mu.Unlock()
	}
	return result
}

func (r *receiver) Close() error { return nil }

// set changes what the receiver does.
func (r *receiver) set(answer func(m *sink.Message) sink.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// texts are the payloads of a key's messages that were taken, in order.
func (r *receiver) texts(key string) string { return texts(r.taken(), key) }

// tried are those that were sent.
func (r *receiver) tried(key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return texts(r.seen, key)
}

func (r *receiver) taken() []sink.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func texts(messages []sink.Message, key string) string {
	var all []string
	for _, m := range messages {
		if m.Key == key {
			all = append(all, string(m.Payload))
		}
	}
	return strings.Join(all, " ")
}

func refuse(err error) sink.Result { return sink.Result{Outcome: sink.Refused, Err: err} }

var errNo = fmt.Errorf("no")
