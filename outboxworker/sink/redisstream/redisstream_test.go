package redisstream

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/sink"
)

func TestEntries(t *testing.T) {
	to, client := open(t, testserver.Redis(t), nil)
	id := uuid.MustParse("0198c2f0-1111-7222-8333-444455556666")
	at := time.Date(2026, 1, 2, 4, 4, 5, 678_901_234, time.FixedZone("", 3600))
	binary := string([]byte{0, 0xff, '\r', '\n'})
	messages := []sink.Message{
		{
			ID: id, Topic: "orders", Key: "42", HasKey: true, Type: "order.paid", BizID: "o-7", CreatedAt: at,
			Payload: []byte(binary), Headers: []byte(`{"a": "b"}`),
		},
		{ID: id, Topic: "orders", CreatedAt: at},
		{ID: id, Topic: "orders", CreatedAt: at, Payload: []byte("same fields as before")},
		{ID: id, Topic: "orders", HasKey: true, BizID: "1,2", CreatedAt: at, Payload: []byte("an empty key")},
		{ID: id, Topic: "orders", Type: "t", CreatedAt: at, Headers: []byte("{}")},
	}
	b := &sink.Batch{Messages: messages, Results: make([]sink.Result, len(messages))}
	to.Deliver(t.Context(), b)
	assertAll(t, b, sink.Delivered)

	shared := map[string]any{"id": id.String(), "topic": "orders", "created_at": "2026-01-02T03:04:05.678901Z"}
	want := []map[string]any{
		{"key": "42", "type": "order.paid", "payload": binary, "headers": `{"a": "b"}`, "biz_id": "o-7"},
		{"payload": ""},
		{"payload": "same fields as before"},
		{"key": "", "payload": "an empty key", "biz_id": "1,2"},
		{"type": "t", "payload": "", "headers": "{}"},
	}
	entries, err := client.XRange(t.Context(), "events:orders", "-", "+").Result()
	if err != nil || len(entries) != len(want) {
		t.Fatalf("%d entries, error %v", len(entries), err)
	}
	for i, entry := range entries {
		maps.Copy(want[i], shared)
		if !maps.Equal(entry.Values, want[i]) {
			t.Errorf("entry %d is %q, want %q", i, entry.Values, want[i])
		}
	}
}

func TestManyMessages(t *testing.T) {
	to, client := open(t, testserver.Redis(t), nil)
	calls := scriptCalls(t, client)
	b := many(2000, 100)
	to.Deliver(t.Context(), b)
	assertAll(t, b, sink.Delivered)
	var want []string
	for _, m := range b.Messages {
		want = append(want, string(m.Payload))
	}
	assertPayloads(t, client, "events:orders", want...)
	// The first call also makes the script known.
	if n := scriptCalls(t, client) - calls; n != 2000/500+1 {
		t.Errorf("%d calls, want one for 500 messages", n)
	}
}

// scriptCalls returns how often Redis was told to run a script.
func scriptCalls(t *testing.T, client *redis.Client) (calls int) {
	t.Helper()
	for line := range strings.Lines(client.Info(t.Context(), "commandstats").Val()) {
		for _, command := range []string{"eval", "evalsha"} {
			var n int
			if _, err := fmt.Sscanf(line, "cmdstat_"+command+":calls=%d,", &n); err == nil {
				calls += n
			}
		}
	}
	return calls
}

func TestTopics(t *testing.T) {
	server := testserver.Redis(t)
	to, client := open(t, server, nil)
	b := deliver(t, to, "a/1", "b/2", "a/3", "b/4", "c", "a/1", "b/1", "a/1")
	assertAll(t, b, sink.Delivered)
	assertPayloads(t, client, "events:a", "0", "2", "5", "7")
	assertPayloads(t, client, "events:b", "1", "3", "6")
	assertPayloads(t, client, "events:c", "4")

	to, client = open(t, server, func(s *Settings) { s.Stream = "all" })
	assertAll(t, deliver(t, to, "a/1", "b/1", "c"), sink.Delivered)
	assertPayloads(t, client, "all", "0", "1", "2")
}

func TestMaxLen(t *testing.T) {
	to, client := open(t, testserver.Redis(t), func(s *Settings) { s.MaxLen = 100 })
	b := many(2000, 0)
	to.Deliver(t.Context(), b)
	assertAll(t, b, sink.Delivered)
	// "About" is up to a node of the stream, 100 entries, more.
	got := payloads(t, client, "events:orders")
	if len(got) < 100 || len(got) > 300 || got[len(got)-1] != string(b.Messages[1999].Payload) {
		t.Errorf("%d entries, the last is %s", len(got), got[len(got)-1])
	}
}

func TestForgottenScript(t *testing.T) {
	to, client := open(t, testserver.Redis(t), nil)
	for range 2 {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		assertAll(t, deliver(t, to, "a/1", "b/1", "b/2", "a/2"), sink.Delivered)
	}
	assertPayloads(t, client, "events:a", "0", "3", "0", "3")
	assertPayloads(t, client, "events:b", "2", "1", "2", "1")
}

func TestStops(t *testing.T) {
	to, client := open(t, testserver.Redis(t), func(s *Settings) { s.ChunkMessages = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := batchOf("a/1", "a/2")
	to.Deliver(ctx, b)
	late := batchOf("a/1")
	late.Until = time.Now()
	to.Deliver(t.Context(), late)
	if got := outcomes(b) + outcomes(late); got != "nnn" {
		t.Errorf("outcomes %s", got)
	}
	assertPayloads(t, client, "events:a")

	// Until falls into a batch: what began is delivered, the rest is not sent.
	b = many(20_000, 10)
	b.Until = time.Now().Add(300 * time.Millisecond)
	to.Deliver(t.Context(), b)
	text := outcomes(b)
	if n := strings.Index(text, "n"); n < 1 || strings.Contains(text[n:], "d") {
		t.Errorf("%d messages were delivered before Until", n)
	}
}

func TestWorkersAtOnce(t *testing.T) {
	to, client := open(t, testserver.Redis(t), func(s *Settings) { s.DialTimeout, s.Timeout = time.Minute, time.Minute })
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 5 {
				b := many(700, 20)
				to.Deliver(t.Context(), b)
				assertAll(t, b, sink.Delivered)
			}
		})
	}
	workers.Wait()
	if n, err := client.XLen(t.Context(), "events:orders").Result(); n != 4*5*700 || err != nil {
		t.Errorf("%d entries, error %v", n, err)
	}
}

func BenchmarkRedisStream(b *testing.B) {
	server := testserver.Redis(b)
	for _, workers := range []int{1, 4} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			to, client := open(b, server, nil)
			b.ReportAllocs()
			var left atomic.Int64
			left.Store(int64(b.N))
			var all sync.WaitGroup
			batches := make([]*sink.Batch, workers)
			for i := range batches {
				batches[i] = many(2000, 500)
			}
			b.ResetTimer()
			for _, batch := range batches {
				all.Go(func() {
					for left.Add(-2000) > -2000 {
						clear(batch.Results)
						to.Deliver(b.Context(), batch)
						if r := batch.Results[1999]; r.Outcome != sink.Delivered {
							b.Error(r.Err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			b.StopTimer()
			if err := client.FlushAll(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
