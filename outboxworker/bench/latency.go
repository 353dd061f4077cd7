package bench

// latency.go measures how long a message takes while little happens: from when its
// transaction is told to commit until the sink has it.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/outbox"
	"github.com/weirproxy/weir/outboxworker/sink"
)

const (
	// samples is how many messages a run sends, or Messages if that is less.
	samples = 200
	// rest is at least what passes between two, so that the relay sleeps; as much
	// again at most is added by chance, so that no poll is met by habit.
	rest = 75 * time.Millisecond
)

// latencies is scenario Latency. Its yardstick is what can be no quicker: a commit of
// the same data, and then one XADD, in turns with the messages.
func (b *bench) latencies(ctx context.Context) ([]Row, error) {
	var relayed, direct results
	for run := range b.Runs {
		r, d, err := b.latencyRun(ctx)
		if err != nil {
			return nil, err
		}
		relayed, direct = append(relayed, r), append(direct, d)
		b.say("%s, run %d of %d: p50 %s through the outbox, %s for a commit and an XADD", Latency, run+1, b.Runs,
			percentile(r.times, 0.5), percentile(d.times, 0.5))
	}
	row := relayed.summarize(Latency, RedisStream, "outbox")
	yardstick := direct.summarize(Latency, RedisStream, "commit and XADD")
	setRatio(&row, "p50 of commit and XADD", ratioOf(row.P50, yardstick.P50))
	setRatio(&row, "p99 of commit and XADD", ratioOf(row.P99, yardstick.P99))
	return []Row{row, yardstick}, nil
}

func ratioOf(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// latencyRun sends messages one by one, through the outbox and without it.
func (b *bench) latencyRun(ctx context.Context) (relayed, direct result, err error) {
	if err := b.reset(ctx); err != nil {
		return relayed, direct, err
	}
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return relayed, direct, fmt.Errorf("connecting a producer: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	to, err := b.open(RedisStream)
	if err != nil {
		return relayed, direct, err
	}
	defer to.close()
	m := newMeter(to, 0)
	arrived := make(chan time.Time, 1)
	m.observe = func(_ *sink.Message, at time.Time) { arrived <- at }
	j := b.job(RedisStream)
	relay, err := j.start(ctx, m, 0, b.Logger)
	if err != nil {
		return relayed, direct, err
	}
	defer relay.stopIf(&err)
	if err := relay.connected(ctx); err != nil {
		return relayed, direct, err
	}
	p := idleProducer{conn: conn, redis: b.stream, arrived: arrived, payload: text(b.Payload)}
	for range min(samples, b.Messages) {
		if err := p.sample(ctx, p.throughOutbox, &relayed); err != nil {
			return relayed, direct, err
		}
		if err := p.sample(ctx, p.directly, &direct); err != nil {
			return relayed, direct, err
		}
	}
	return relayed, direct, nil
}

// idleProducer sends a message now and then.
type idleProducer struct {
	conn    *pgx.Conn
	redis   *redis.Client
	arrived chan time.Time
	payload []byte
}

// sample measures one message after a rest.
func (p *idleProducer) sample(ctx context.Context, send func(context.Context) (time.Duration, error), sum *result) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(rest + rand.N(rest)):
	}
	took, err := send(ctx)
	if err != nil {
		return err
	}
	sum.messages++
	sum.elapsed += took
	sum.times = append(sum.times, took)
	return nil
}

// throughOutbox commits a message and waits until it arrives.
func (p *idleProducer) throughOutbox(ctx context.Context) (time.Duration, error) {
	tx, err := p.conn.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("beginning a transaction: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	o, err := outbox.New(schema)
	if err != nil {
		return 0, err
	}
	// a key that the meter does not count
	if _, err := o.Enqueue(ctx, tx, outbox.Message{Topic: "orders", Key: "idle", Payload: p.payload}); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := tx.Commit(ctx); err != nil {
		return 0, fmt.Errorf("committing: %w", err)
	}
	select {
	case at := <-p.arrived:
		return at.Sub(began), nil
	case <-time.After(patience):
		return 0, fmt.Errorf("waiting for a message: it did not arrive within %s", patience)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// directly commits the same data and then appends it to the stream.
func (p *idleProducer) directly(ctx context.Context) (time.Duration, error) {
	tx, err := p.conn.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("beginning a transaction: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, "INSERT INTO "+plain+".bare (topic, key, payload) VALUES ('orders', 'idle', $1)", p.payload); err != nil {
		return 0, fmt.Errorf("inserting: %w", err)
	}
	began := time.Now()
	if err := tx.Commit(ctx); err != nil {
		return 0, fmt.Errorf("committing: %w", err)
	}
	err = p.redis.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: []any{"topic", "orders", "key", "idle", "payload", p.payload}}).Err()
	if err != nil {
		return 0, fmt.Errorf("appending: %w", err)
	}
	return time.Since(began), nil
}

// text is a payload of a size.
func text(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = "0123456789abcdef"[rand.IntN(16)]
	}
	return b
}
