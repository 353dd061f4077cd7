package operator

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/internal/outboxtest"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/relay"
	"github.com/weirproxy/weir/outboxworker/sink"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// deadline is how long tests wait for what should happen soon.
const deadline = outboxtest.Deadline

// fixture is an outbox with an operator.
type fixture struct {
	*outboxtest.Outbox
	o *Operator
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Outbox: outboxtest.New(t)}
	f.o = f.operator()
	return f
}

// operator opens one more, with no more rights than it needs.
func (f *fixture) operator() *Operator {
	f.Helper()
	config := f.Config.Copy()
	config.RuntimeParams["role"] = "outbox_operator"
	o, err := Open(f.Context(), config, "outbox", Identity{Actor: "ann", Reason: "a test"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = o.Close(context.Background()) })
	return o
}

// start runs a relay until the test ends or the returned function is called.
func (f *fixture) start(to sink.Sink, change ...func(*relay.Settings)) (stop func()) {
	f.Helper()
	s := relay.DefaultSettings()
	s.Database, s.Listen, s.PollMax = f.Config, f.Config, 20*time.Millisecond
	s.Retry = backoff.Policy{Base: 20 * time.Millisecond, Cap: 50 * time.Millisecond}
	s.Outage = s.Retry
	s.Retries = 2
	for _, c := range change {
		c(&s)
	}
	metrics, err := relay.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		f.Fatal(err)
	}
	r, err := relay.New(s, to, metrics, zaptest.NewLogger(f, zaptest.Level(zap.WarnLevel)))
	if err != nil {
		f.Fatal(err)
	}
	return f.Start(r.Run)
}

// waiting tells the messages of a key that wait, in their order, with their states.
func (f *fixture) waiting(key string) string {
	f.Helper()
	return f.Ask(`SELECT COALESCE(string_agg(convert_from(payload, 'UTF8') || ' ' || state, ', ' ORDER BY id), '')
		FROM outbox.deferred WHERE key = $1`, key)
}

// died tells the dead messages of a key in their order: what each died of, with a + if it
// holds the key, and a * if it is being replayed.
func (f *fixture) died(key string) string {
	f.Helper()
	return f.Ask(`SELECT COALESCE(string_agg(convert_from(payload, 'UTF8') || ' ' || reason
		|| CASE WHEN holds THEN '+' ELSE '' END || CASE WHEN replaying_at IS NULL THEN '' ELSE '*' END, ', ' ORDER BY id), '')
		FROM outbox.dead WHERE key = $1`, key)
}

// ordered fails the test if a key is not in order, or a message is in two places.
func (f *fixture) ordered() {
	f.Helper()
	for _, broken := range disorder(f.Context(), f.Conn) {
		f.Error(broken)
	}
}

// disorder returns what is wrong with the order of keys and the places of messages.
func disorder(ctx context.Context, conn *pgx.Conn) []string {
	rows, err := conn.Query(ctx, `
		WITH held AS (SELECT DISTINCT lane, key FROM outbox.dead WHERE holds),
		k AS (SELECT d.id, d.state, d.lane, d.key, row_number() OVER (PARTITION BY d.key ORDER BY d.id) AS n, h.key IS NOT NULL AS held
			FROM outbox.deferred d LEFT JOIN held h ON h.lane = d.lane AND h.key = d.key
			WHERE d.key IS NOT NULL AND d.state <> 'delayed'),
		places AS (SELECT message_id, id, 'pending' AS place FROM outbox.message
			UNION ALL SELECT message_id, id, 'deferred' FROM outbox.deferred
			UNION ALL SELECT message_id, id, 'dead' FROM outbox.dead WHERE replaying_at IS NULL)
		SELECT format('message %s of key %s is %s, number %s of its key, held %s', id, key, state, n, held) FROM k
			WHERE state <> CASE WHEN n = 1 AND NOT held THEN 'retry' ELSE 'parked' END
		UNION ALL SELECT format('message %s is %s', message_id, string_agg(place, ' and ')) FROM places GROUP BY message_id HAVING count(*) > 1
		UNION ALL SELECT format('message %s is replayed and not there', id) FROM outbox.dead x
			WHERE replaying_at IS NOT NULL AND NOT EXISTS (SELECT FROM outbox.deferred d WHERE d.id = x.id)`)
	if err != nil {
		return []string{err.Error()}
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return []string{err.Error()}
	}
	return found
}

// receiver is a sink that does what a test says, and remembers what it was given.
type receiver = outboxtest.Receiver

func answering(outcome sink.Outcome, class, text string) func(*sink.Message) sink.Result {
	return func(*sink.Message) sink.Result {
		return sink.Result{Outcome: outcome, Class: class, Err: fmt.Errorf("%s", text)}
	}
}

// key returns the filter of one key.
func key(k string) Filter { return Filter{Key: &k} }

// must returns the result of a change that must not fail.
func (f *fixture) must(result Result, err error) Result {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
	return result
}

func parse(t *testing.T, url string) *pgx.ConnConfig {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return config
}
