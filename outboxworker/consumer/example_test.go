package consumer_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/idempotency/inbox"
)

func consumeOrders(ctx context.Context, client redis.UniversalClient, logger *zap.Logger) error {
	options := consumer.DefaultOptions()
	options.Streams = []string{"events:orders"}
	options.Logger = logger
	c, err := consumer.New(client, "shipping", shipOrder, options)
	if err != nil {
		return err
	}
	return c.Run(ctx) // until ctx is done
}

func shipOrder(ctx context.Context, m *consumer.Message) error {
	var order struct{ Item string }
	if err := json.Unmarshal(m.Payload, &order); err != nil {
		return consumer.Fatal(err) // will never be right: dead at once
	}
	err := carrier.Ship(ctx, m.ID, order.Item)
	switch {
	case errors.Is(err, errStrike):
		return consumer.Unavailable(err, time.Minute) // not the message's fault: nothing is counted
	case errors.Is(err, errLoading):
		return consumer.Busy(time.Second) // somebody else has it: not done, not counted
	}
	return err // nil: done; else a counted failure, tried again
}

func consumeOnce(ctx context.Context, client redis.UniversalClient, pool *pgxpool.Pool) error {
	messages, err := inbox.New("inbox") // messages.Schema() is the SQL that makes its table
	if err != nil {
		return err
	}
	options := consumer.DefaultOptions()
	options.Streams = []string{"events:orders"}
	if options.Idempotency, err = messages.Store(pool, time.Second); err != nil {
		return err
	}
	c, err := consumer.New(client, "stock", takeFromStock, options)
	if err != nil {
		return err
	}
	return c.Run(ctx)
}

func takeFromStock(ctx context.Context, m *consumer.Message) error {
	// The transaction of the inbox: it is committed after the handler, once for each message.
	_, err := inbox.Tx(ctx).Exec(ctx, "UPDATE stock SET pieces = pieces - 1 WHERE item = $1", m.Key)
	return err
}

var (
	errStrike  = errors.New("the carrier is on strike")
	errLoading = errors.New("the order is being loaded")
	carrier    = &van{loading: map[string]bool{"desk": true}}
)

// van ships what it is given, but not twice, and a desk only when asked again.
type van struct {
	mu      sync.Mutex
	loading map[string]bool
	shipped []string
}

func (v *van) Ship(_ context.Context, _, item string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.loading[item] {
		delete(v.loading, item)
		return errLoading
	}
	v.shipped = append(v.shipped, item)
	return nil
}

func (v *van) has() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strings.Join(v.shipped, " ")
}

// add appends an order to the stream, as the relay does.
func add(t *testing.T, client *redis.Client, id, item, payload string) {
	t.Helper()
	err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "events:orders", Values: []string{
		"id", id, "topic", "orders", "key", item, "type", "order.placed", "payload", payload, "created_at", "2026-01-02T03:04:05.678901Z",
	}}).Err()
	if err != nil {
		t.Fatal(err)
	}
}

// until runs a consumer until something holds.
func until(t *testing.T, what string, run func(context.Context) error, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	for end := time.Now().Add(90 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("not within 90s: %s", what)
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the consumer ended with %v", err)
	}
}

func connected(t *testing.T) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(testserver.Redis(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestExampleOfAHandler(t *testing.T) {
	t.Parallel()
	client := connected(t)
	add(t, client, uuid.NewString(), "desk", `{"item": "desk"}`)
	add(t, client, uuid.NewString(), "", "no JSON")
	letters, err := consumer.NewDeadLetters(client, "events:orders", "shipping")
	if err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context) error { return consumeOrders(ctx, client, zap.NewNop()) }
	until(t, "the desk is shipped, and the other message dead", run, func() bool {
		dead, _, err := letters.List(t.Context(), consumer.Filter{Class: "fatal"}, "", 10, false)
		if err != nil {
			t.Fatal(err)
		}
		return carrier.has() == "desk" && len(dead) == 1
	})
}

func TestExampleOfAnInbox(t *testing.T) {
	t.Parallel()
	client := connected(t)
	pool, err := pgxpool.New(t.Context(), testserver.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	messages, err := inbox.New("inbox")
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{messages.Schema(), "CREATE TABLE stock (item text, pieces int)", "INSERT INTO stock VALUES ('lamp', 10), ('rug', 10)"} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	lamp := uuid.NewString()
	for range 3 { // as after faults
		add(t, client, lamp, "lamp", "{}")
	}
	add(t, client, uuid.NewString(), "rug", "{}")
	run := func(ctx context.Context) error { return consumeOnce(ctx, client, pool) }
	until(t, "all four entries are done", run, func() bool {
		groups, err := client.XInfoGroups(t.Context(), "events:orders").Result()
		return err == nil && len(groups) == 1 && groups[0].EntriesRead == 4 && groups[0].Pending == 0
	})
	var lamps, rugs int
	err = pool.QueryRow(t.Context(), "SELECT min(pieces) FILTER (WHERE item = 'lamp'), min(pieces) FILTER (WHERE item = 'rug') FROM stock").Scan(&lamps, &rugs)
	if err != nil || lamps != 9 || rugs != 9 {
		t.Errorf("%d lamps and %d rugs are left of 10 each, %v", lamps, rugs, err)
	}
}

// The Go of the page is in this file, as it is.
func TestGoOfThePage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "outbox-consumers.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i, part := range strings.Split(string(page), "```") {
		if fence, code, _ := strings.Cut(part, "\n"); i%2 == 1 && fence == "go" {
			found++
			if !strings.Contains(string(examples), code) {
				t.Errorf("no example has this, as it is:\n%s", code)
			}
		}
	}
	if found < 3 {
		t.Errorf("the page has %d blocks of Go", found)
	}
}
