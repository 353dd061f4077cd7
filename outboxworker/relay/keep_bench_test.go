package relay

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/outbox"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// taker takes everything and does nothing.
type taker struct{}

func (taker) Deliver(_ context.Context, batch *sink.Batch) {
	for i := range batch.Results {
		batch.Results[i].Outcome = sink.Delivered
	}
}

func (taker) Close() error { return nil }

// BenchmarkKeepDelivered drains a backlog of 200,000 messages, without and with notes of
// what was delivered. docs/outbox.md has its figures.
func BenchmarkKeepDelivered(b *testing.B) {
	url := testserver.Database(b)
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := outbox.Migrate(b.Context(), conn, "outbox"); err != nil {
		b.Fatal(err)
	}
	for name, keep := range map[string]time.Duration{"off": 0, "24h": 24 * time.Hour} {
		b.Run(name, func(b *testing.B) {
			var took time.Duration
			for range b.N {
				took += drain(b, conn, url, keep)
			}
			b.ReportMetric(200_000*float64(b.N)/took.Seconds(), "messages/s")
		})
	}
}

// drain returns how long a relay takes for a backlog.
func drain(b *testing.B, conn *pgx.Conn, url string, keep time.Duration) time.Duration {
	b.Helper()
	for _, sql := range []string{
		`INSERT INTO outbox.message (topic, key, type, biz_id, payload)
			SELECT 'orders', 'customer-' || i % 10000, 'order.paid', 'order-' || i, repeat('x', 300)::bytea FROM generate_series(1, 200000) i`,
		"CHECKPOINT",
	} {
		if _, err := conn.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	s := DefaultSettings()
	s.KeepDelivered = keep
	var err error
	if s.Database, err = pgx.ParseConfig(url); err != nil {
		b.Fatal(err)
	}
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	r, err := New(s, taker{}, metrics, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- r.Run(ctx) }()
	for r.delivered.Load() < 200_000 {
		if time.Since(began) > time.Minute {
			b.Fatal("the backlog is not drained")
		}
		time.Sleep(2 * time.Millisecond)
	}
	took := time.Since(began)
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return took
}
