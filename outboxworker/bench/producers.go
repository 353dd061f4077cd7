package bench

// producers.go measures what the outbox costs the business transactions that use it.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/outbox"
)

const (
	// producerCount transactions run at once, and together producerRate a second
	// begin: well below what a server can do, since a queue of waiting transactions
	// would be measured otherwise.
	producerCount = 4
	producerRate  = 400
	// transactions of each kind are a run of each state, or Messages if that is less.
	transactions = 2_000
)

// What the worker is doing while transactions are measured. The last two happen to it
// after a tenth as many transactions, which are not measured in any state.
const (
	absent  = "no worker"
	running = "worker running"
	stopped = "worker stopped"
	killed  = "worker killed"
)

const (
	without = "without"
	with    = "with message"
)

// producers is scenario Producers.
func (b *bench) producers(ctx context.Context) ([]Row, error) {
	states := []string{absent, running, stopped, killed}
	all := make(map[string]*[2]results)
	for _, state := range states {
		all[state] = new([2]results)
	}
	for run := range b.Runs {
		for i := range states {
			state := states[(run+i)%len(states)]
			both, err := b.producersRun(ctx, state)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", state, err)
			}
			for kind := range both {
				all[state][kind] = append(all[state][kind], both[kind])
			}
			b.say("%s, run %d of %d, %s: p99 %s without a message, %s with one", Producers, run+1, b.Runs, state,
				percentile(both[0].times, 0.99), percentile(both[1].times, 0.99))
		}
	}
	var rows []Row
	base := all[absent][1].summarize(Producers, RedisStream, "")
	for _, state := range states {
		plain := all[state][0].summarize(Producers, RedisStream, without+", "+state)
		row := all[state][1].summarize(Producers, RedisStream, with+", "+state)
		setRatio(&row, "p50 "+without, ratioOf(row.P50, plain.P50))
		setRatio(&row, "p99 "+without, ratioOf(row.P99, plain.P99))
		if state != absent {
			setRatio(&row, "p50 with "+absent, ratioOf(row.P50, base.P50))
			setRatio(&row, "p99 with "+absent, ratioOf(row.P99, base.P99))
		}
		rows = append(rows, row, plain)
	}
	return rows, nil
}

// producersRun measures both kinds of transaction in one state of the worker.
func (b *bench) producersRun(ctx context.Context, state string) (both [2]result, err error) {
	if err := b.reset(ctx); err != nil {
		return both, err
	}
	if err := b.checkpoint(ctx); err != nil {
		return both, err
	}
	act := func() error { return nil }
	if state != absent {
		j := b.job(RedisStream)
		j.Keys = 0
		p, err := b.startProcess(ctx, &j)
		if err != nil {
			return both, err
		}
		defer func() { _ = p.kill() }()
		switch state {
		case stopped:
			act = p.suspend
		case killed:
			act = p.cmd.Process.Kill
		}
	}
	both, err = b.produce(ctx, min(transactions, b.Messages), act)
	if err != nil {
		return both, err
	}
	return both, b.checkProduced(ctx, state, both[1].messages+both[1].unmeasured)
}

// checkProduced makes sure that all messages are where they should be: of a worker that
// runs in the stream, of none in the table.
func (b *bench) checkProduced(ctx context.Context, state string, n int64) error {
	if state == running {
		deadline := time.Now().Add(patience)
		for time.Now().Before(deadline) && b.checkStream(ctx, n) != nil && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		return b.checkStream(ctx, n)
	}
	var pending int64
	if err := b.admin.QueryRow(ctx, "SELECT count(*) FROM "+schema+".message").Scan(&pending); err != nil {
		return fmt.Errorf("counting messages: %w", err)
	}
	if appended, err := b.stream.XLen(ctx, stream).Result(); err != nil || pending > n || pending+appended < n {
		return errors.Join(err, fmt.Errorf("checking messages: %d in the table and %d in the stream of %d", pending, appended, n))
	}
	return nil
}

// produce has producers make count transactions of each kind, after a tenth as many that
// are not measured; in between it calls act.
func (b *bench) produce(ctx context.Context, count int, act func() error) (both [2]result, err error) {
	warm, err := b.produceAll(ctx, max(1, count/10))
	if err == nil {
		err = act()
	}
	if err != nil {
		return both, err
	}
	both, err = b.produceAll(ctx, count)
	for kind := range both {
		both[kind].unmeasured = warm[kind].messages
	}
	return both, err
}

// produceAll has producers make count transactions of each kind.
func (b *bench) produceAll(ctx context.Context, count int) (both [2]result, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	note := func(kind int, took time.Duration, failure error) {
		mu.Lock()
		defer mu.Unlock()
		if failure != nil {
			err = errors.Join(err, failure)
			cancel()
			return
		}
		both[kind].messages++
		both[kind].times = append(both[kind].times, took)
	}
	began := time.Now()
	for i := range producerCount {
		share := (2*count + i) / producerCount // a fair part of what is to be done
		all.Go(func() {
			if failure := b.producer(ctx, i, share, note); failure != nil {
				note(0, 0, failure)
			}
		})
	}
	all.Wait()
	for kind := range both {
		both[kind].elapsed = time.Since(began)
	}
	return both, err
}

// producer makes transactions with and without a message in turns, one for each tick.
// Which kind comes first depends on its number, so that there are as many of both.
func (b *bench) producer(ctx context.Context, number, count int, note func(kind int, took time.Duration, failure error)) error {
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return fmt.Errorf("connecting a producer: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	o, err := outbox.New(schema)
	if err != nil {
		return err
	}
	p := &businessProducer{conn: conn, outbox: o, payload: text(b.Payload)}
	// the first of each kind prepare their statements
	for kind := range 2 {
		if err := p.transact(ctx, kind == 1, true); err != nil {
			return err
		}
	}
	ticker := time.NewTicker(producerCount * time.Second / producerRate)
	defer ticker.Stop()
	for i := range count {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		time.Sleep(rand.N(time.Millisecond)) // or all producers would begin at once
		began := time.Now()
		kind := (i + number) % 2
		err := p.transact(ctx, kind == 1, false)
		note(kind, time.Since(began), err)
	}
	return nil
}

// businessProducer makes business transactions.
type businessProducer struct {
	conn    *pgx.Conn
	outbox  *outbox.Outbox
	payload []byte
}

// transact changes an account, enters that in the ledger and, if message is true, tells
// about it. A try is rolled back.
func (p *businessProducer) transact(ctx context.Context, message, try bool) error {
	tx, err := p.conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	account := 1 + rand.IntN(1000)
	if _, err := tx.Exec(ctx, "UPDATE "+plain+".account SET balance = balance + 1 WHERE id = $1", account); err != nil {
		return fmt.Errorf("changing an account: %w", err)
	}
	if _, err := tx.Exec(ctx, "INSERT INTO "+plain+".ledger (account, amount) VALUES ($1, 1)", account); err != nil {
		return fmt.Errorf("entering into the ledger: %w", err)
	}
	if message {
		m := outbox.Message{Topic: "accounts", Key: fmt.Sprintf("account-%d", account), Type: "account.credited", Payload: p.payload}
		if _, err := p.outbox.Enqueue(ctx, tx, m); err != nil {
			return err
		}
	}
	if try {
		return tx.Rollback(ctx)
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}
