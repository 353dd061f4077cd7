package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirproxy/weir/integration"
	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/idempotency/inbox"
	enqueue "github.com/weirproxy/weir/outboxworker/outbox"
)

// edge is a gateway in front of the shop. The client chooses no trace.
const edge = `{
	admin %s
	auto_https off
	persist_config off
}
http://%s {
	trace_context {
		trust none
		response_header X-Trace-Id
	}
	reverse_proxy %s
}
`

// flowOrders is how many orders the test sends.
const flowOrders = 20

// From a request to its effect elsewhere: gateway, service, transaction, relay, stream,
// consumer. Each order has one effect, and the consumer's log has the trace id that the
// client was told.
func TestFromARequestToItsEffect(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, testserver.DatabaseOn(t, sharedPostgres(t)))
	messages, err := inbox.New("inbox")
	if err != nil {
		t.Fatal(err)
	}
	d.exec("CREATE TABLE orders (id text PRIMARY KEY); CREATE TABLE shipment (order_id text NOT NULL, trace_id text NOT NULL)")
	d.exec(messages.Schema())
	pool := connectPool(t, d.url)
	server := testserver.Redis(t)

	shop := httptest.NewServer(shop{pool})
	t.Cleanup(shop.Close)
	admin, address := freeport.Address(t), freeport.Address(t)
	integration.Start(t, integration.Weir(t), admin, fmt.Sprintf(edge, admin, address, strings.TrimPrefix(shop.URL, "http://")))
	config := filepath.Join(t.TempDir(), "worker.yaml")
	content := fmt.Sprintf("database: {url: %q}\nhttp: {address: \"\"}\noutboxes: [{sink: {redis_stream: {url: %q}}}]\n", d.url, server.URL())
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	relays := startWorker(t, config)

	store, err := messages.Store(pool, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	options := consumer.DefaultOptions()
	options.Streams, options.Idempotency, options.Logger = []string{"events:orders"}, store, zap.New(core)
	options.Backoff = quickly{}
	c, err := consumer.New(connectRedis(t, server.URL()), "shipping", ship(), options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the consumer ended with %v", err)
		}
	}()

	traces := make(map[string]string) // of orders
	for n := range flowOrders {
		order := fmt.Sprintf("order-%d", n)
		traces[order] = placeOrder(t, "http://"+address+"/orders/"+order)
	}
	within(t, "each order's effect", func() (bool, string) {
		shipped := shipments(t, pool)
		return fmt.Sprint(shipped) == fmt.Sprint(traces), fmt.Sprintf("%d orders, shipped: %v\n%s", len(traces), shipped, relays.tail())
	})
	within(t, "the trace of each order in the consumer's log", func() (bool, string) {
		logged := make(map[string]bool)
		for _, entry := range logs.All() {
			if trace, ok := entry.ContextMap()["trace_id"].(string); ok {
				logged[trace] = true
			}
		}
		for _, trace := range traces {
			if !logged[trace] {
				return false, fmt.Sprintf("trace %s is not in %d lines", trace, logs.Len())
			}
		}
		return true, ""
	})
	failures := logs.FilterField(zap.String("error", errFirst.Error())).All()
	if len(failures) != flowOrders/10 {
		t.Errorf("%d failures were logged, want %d", len(failures), flowOrders/10)
	}
	relays.terminate()
}

// quickly has no time to lose.
type quickly struct{}

func (quickly) Wait(int) time.Duration { return 10 * time.Millisecond }

// shop takes orders: POST /orders/<id>.
type shop struct{ pool *pgxpool.Pool }

func (s shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/orders/")
	ctx := enqueue.ContextWithTraceparent(r.Context(), r.Header.Get("traceparent"))
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO orders VALUES ($1)", id); err != nil {
			return err
		}
		payload, err := json.Marshal(map[string]string{"order": id})
		if err != nil {
			return err
		}
		_, err = enqueue.Enqueue(ctx, tx, enqueue.Message{Topic: "orders", Key: id, Type: "order.placed", Payload: payload})
		return err
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// errFirst is what the first attempt of every tenth order fails with.
var errFirst = errors.New("the printer of labels is out of paper")

// ship has an order's effect, in the transaction of the inbox.
func ship() consumer.Handler {
	var mu sync.Mutex
	tried := make(map[string]bool)
	return func(ctx context.Context, m *consumer.Message) error {
		var body struct{ Order string }
		if err := json.Unmarshal(m.Payload, &body); err != nil {
			return consumer.Fatal(err)
		}
		trace := strings.Split(m.Headers["traceparent"], "-")
		if len(trace) != 4 {
			return consumer.Fatal(errors.New("the message belongs to no trace"))
		}
		if _, err := inbox.Tx(ctx).Exec(ctx, "INSERT INTO shipment VALUES ($1, $2)", body.Order, trace[1]); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(body.Order, "7") && !tried[m.ID] {
			tried[m.ID] = true
			return errFirst // and the shipment is rolled back
		}
		return nil
	}
}

// placeOrder orders, and returns the trace id that the gateway answers.
func placeOrder(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Post(url, "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(answer.Body)
	trace := answer.Header.Get("X-Trace-Id")
	if answer.StatusCode != http.StatusAccepted || len(trace) != 32 {
		t.Fatalf("ordering: %s, trace %q: %s", answer.Status, trace, body)
	}
	return trace
}

// shipments are the effects: the trace id of each order.
func shipments(t *testing.T, pool *pgxpool.Pool) map[string]string {
	t.Helper()
	rows, err := pool.Query(t.Context(), "SELECT order_id, trace_id FROM shipment")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	var order, trace string
	_, err = pgx.ForEachRow(rows, []any{&order, &trace}, func() error {
		if _, twice := all[order]; twice {
			t.Errorf("%s was shipped twice", order)
		}
		all[order] = trace
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func connectPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
