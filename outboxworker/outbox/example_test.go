package outbox_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/outbox"
)

func payWithPgx(ctx context.Context, pool *pgxpool.Pool, order int) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// The update locks the order's row, so that its messages have an order, too.
		if _, err := tx.Exec(ctx, "UPDATE orders SET status = 'paid' WHERE id = $1", order); err != nil {
			return err
		}
		_, err := outbox.Enqueue(ctx, tx, outbox.Message{
			Topic:   "orders",
			Key:     fmt.Sprint(order),
			Type:    "order.paid",
			Payload: fmt.Appendf(nil, `{"order": %d}`, order),
		})
		return err
	})
}

func payWithSQL(ctx context.Context, db *sql.DB, order int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "UPDATE orders SET status = 'paid' WHERE id = $1", order); err != nil {
		return err
	}
	_, err = outbox.Enqueue(ctx, tx, outbox.Message{
		Topic:   "orders",
		Key:     fmt.Sprint(order),
		Type:    "order.paid",
		Payload: fmt.Appendf(nil, `{"order": %d}`, order),
	})
	if err != nil {
		return err
	}
	return tx.Commit()
}

func shipAll(ctx context.Context, tx pgx.Tx, orders []int) error {
	// Whoever locks several rows locks them in one order, or two of them may deadlock.
	_, err := tx.Exec(ctx, `WITH locked AS (SELECT id FROM orders WHERE id = ANY ($1) ORDER BY id FOR UPDATE)
		UPDATE orders SET status = 'shipped' FROM locked WHERE orders.id = locked.id`, orders)
	if err != nil {
		return err
	}
	messages := make([]outbox.Message, len(orders))
	for i, order := range orders {
		payload, err := json.Marshal(map[string]int{"order": order})
		if err != nil {
			return err
		}
		messages[i] = outbox.Message{Topic: "orders", Key: fmt.Sprint(order), Type: "order.shipped", Payload: payload}
	}
	_, err = outbox.EnqueueBatch(ctx, tx, messages)
	return err
}

func tenantAndTrace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := outbox.ContextWithTraceparent(r.Context(), r.Header.Get("traceparent"))
		ctx = outbox.ContextWithHeader(ctx, "X-Tenant-Id", r.Header.Get("X-Tenant-Id"))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func ExampleEnqueue() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://orders_service@localhost/orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE orders SET status = 'paid' WHERE id = 42"); err != nil {
			return err
		}
		_, err := outbox.Enqueue(ctx, tx, outbox.Message{
			Topic: "orders", Key: "42", Type: "order.paid", Payload: []byte(`{"order": 42}`),
		})
		return err
	})
	if err != nil {
		fmt.Println("neither is the order paid nor will anybody hear so:", err)
	}
}

// TestSnippets runs the functions of this file, which docs/outbox-producers.md shows.
func TestSnippets(t *testing.T) {
	ctx := t.Context()
	url := testserver.Database(t)
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		_, err := outbox.Migrate(ctx, conn.Conn(), outbox.DefaultSchema)
		_, made := conn.Exec(ctx, "CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL); "+
			"INSERT INTO orders SELECT i, 'new' FROM generate_series(1, 9) AS i")
		return errors.Join(err, made)
	})
	if err != nil {
		t.Fatal(err)
	}

	var paid error
	handler := tenantAndTrace(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paid = payWithPgx(r.Context(), pool, 1) }))
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	request.Header = http.Header{"Traceparent": {traceparent}, "X-Tenant-Id": {"7"}}
	handler.ServeHTTP(httptest.NewRecorder(), request)
	paidToo := payWithSQL(ctx, db, 2)
	shipped := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return shipAll(ctx, tx, []int{1, 2}) })
	if err := errors.Join(paid, paidToo, shipped); err != nil {
		t.Fatal(err)
	}
	checkSnippets(t, pool, traceparent)
}

func checkSnippets(t *testing.T, pool *pgxpool.Pool, traceparent string) {
	t.Helper()
	ctx := t.Context()
	rows, err := pool.Query(ctx, "SELECT concat_ws(' ', topic, key, type, convert_from(payload, 'UTF8')) FROM outbox.message ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`orders 1 order.paid {"order": 1}`, `orders 2 order.paid {"order": 2}`,
		`orders 1 order.shipped {"order":1}`, `orders 2 order.shipped {"order":2}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("messages %q, want %q", got, want)
	}
	var headers map[string]string
	if err := pool.QueryRow(ctx, "SELECT headers FROM outbox.message ORDER BY id LIMIT 1").Scan(&headers); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(headers, map[string]string{"traceparent": traceparent, "X-Tenant-Id": "7"}) {
		t.Errorf("headers %v", headers)
	}
	var status string
	if err := pool.QueryRow(ctx, "SELECT string_agg(status, ' ' ORDER BY id) FROM orders WHERE id < 4").Scan(&status); err != nil || status != "shipped shipped new" {
		t.Errorf("orders are %q, %v", status, err)
	}
}
