package redisstream

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
	"github.com/weirproxy/weir/outboxworker/sink"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// open returns a sink for the server, and a client to look at what arrives.
func open(t testing.TB, server *localserver.Redis, change func(*Settings)) (*Sink, *redis.Client) {
	t.Helper()
	settings := DefaultSettings()
	settings.URL = server.URL()
	if change != nil {
		change(&settings)
	}
	to, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries = 10 // across a restart
	client := redis.NewClient(options)
	t.Cleanup(func() {
		if err := to.Close(); err != nil {
			t.Error(err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return to, client
}

// deliver delivers messages of these words, as messagesOf has them.
func deliver(t *testing.T, to *Sink, words ...string) *sink.Batch {
	t.Helper()
	b := batchOf(words...)
	to.Deliver(t.Context(), b)
	return b
}

// payloads returns the payloads of a stream, in order.
func payloads(t *testing.T, client *redis.Client, stream string) []string {
	t.Helper()
	entries, err := client.XRange(t.Context(), stream, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, entry := range entries {
		found = append(found, entry.Values["payload"].(string))
	}
	return found
}

// many returns count messages of about 256 bytes over keys.
func many(count, keys int) *sink.Batch {
	b := &sink.Batch{Results: make([]sink.Result, count)}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range count {
		m := sink.Message{
			Position: int64(i), ID: uuid.New(), Topic: "orders", Type: "order.paid", BizID: "order-" + strconv.Itoa(i),
			Payload: fmt.Appendf(nil, `{"number":%d,"text":"%0230d"}`, i, 0), CreatedAt: at,
			Headers: []byte(`{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}`),
		}
		if keys > 0 {
			m.Key, m.HasKey = "key-"+strconv.Itoa(i%keys), true
		}
		b.Messages = append(b.Messages, m)
	}
	return b
}

func assertAll(t *testing.T, b *sink.Batch, want sink.Outcome) {
	t.Helper()
	for i, r := range b.Results {
		if r.Outcome != want {
			t.Fatalf("message %d is %s, want %s: %v", i, r.Outcome, want, r.Err)
		}
	}
}

func assertPayloads(t *testing.T, client *redis.Client, stream string, want ...string) {
	t.Helper()
	if got := payloads(t, client, stream); !slices.Equal(got, want) {
		t.Errorf("stream %s has %q, want %q", stream, got, want)
	}
}
