package dev

// producer.go is the service whose orders change: what a service of one's own does.

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/outbox"
)

const (
	topic = "orders"
	// customers is the number of orders at once: when one is delivered it is placed
	// anew, so that keys have a long history.
	customers = 100
)

// states are those of an order, in turn.
var states = []string{"placed", "paid", "packed", "shipped", "delivered"}

// producer changes orders. It is not for concurrent use, but for produced.
type producer struct {
	conn     *pgx.Conn
	every    time.Duration
	produced atomic.Int64
}

// prepare makes the orders, unless they are there.
func (p *producer) prepare(ctx context.Context) error {
	_, err := p.conn.Exec(ctx, fmt.Sprintf(`
		SET client_min_messages = warning;
		CREATE SCHEMA IF NOT EXISTS shop;
		CREATE TABLE IF NOT EXISTS shop.orders (
			id text PRIMARY KEY, state text NOT NULL, total numeric(10, 2) NOT NULL, changed_at timestamptz NOT NULL);
		INSERT INTO shop.orders SELECT 'order-' || g, '%s', 5 + g, now() FROM generate_series(1, %d) AS g ON CONFLICT DO NOTHING`,
		states[len(states)-1], customers))
	if err != nil {
		return fmt.Errorf("making the orders: %w", err)
	}
	return nil
}

// run makes a transaction with each tick until ctx is done.
func (p *producer) run(ctx context.Context) error {
	ticker := time.NewTicker(p.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		// A transaction that has begun ends: nobody could say whether it was
		// committed, otherwise.
		if err := p.change(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		p.produced.Add(1)
	}
}

// event is the payload of a message.
type event struct {
	Order     string    `json:"order"`
	State     string    `json:"state"`
	Total     float64   `json:"total"`
	ChangedAt time.Time `json:"changed_at"`
}

// change moves an order on and enqueues the event in the same transaction. The update
// comes first, since it takes the lock that puts changes of an order in a row, and so
// their messages.
func (p *producer) change(ctx context.Context) error {
	e := event{Order: fmt.Sprintf("order-%d", 1+rand.IntN(customers))}
	err := pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `UPDATE shop.orders SET state = ($2::text[])[array_position($2, state) % $3 + 1], changed_at = clock_timestamp()
			WHERE id = $1 RETURNING state, total, changed_at`, e.Order, states, len(states)).Scan(&e.State, &e.Total, &e.ChangedAt)
		if err != nil {
			return err
		}
		payload, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = outbox.Enqueue(ctx, tx, outbox.Message{Topic: topic, Key: e.Order, Type: "order." + e.State, BizID: e.Order, Payload: payload})
		return err
	})
	if err != nil {
		return fmt.Errorf("changing an order: %w", err)
	}
	return nil
}
