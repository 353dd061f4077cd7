package consumer

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency/redisclaim"
)

// BenchmarkHandle is what a message costs that a handler does nothing for: alone, with
// claims in the same Redis, and when it fails once.
func BenchmarkHandle(b *testing.B) {
	for _, kind := range []string{"done", "claimed", "failed once"} {
		b.Run(kind, func(b *testing.B) {
			client := connect(b, testserver.Redis(b))
			options := quick()
			options.Concurrency, options.Batch = 32, 256
			if kind == "claimed" {
				store, err := redisclaim.New(client, redisclaim.DefaultSettings())
				if err != nil {
					b.Fatal(err)
				}
				options.Idempotency = store
			}
			for from := 0; from < b.N; from += 1000 {
				pipe := client.Pipeline()
				for i := from; i < min(from+1000, b.N); i++ {
					pipe.XAdd(b.Context(), &redis.XAddArgs{Stream: events, Values: []any{"id", fmt.Sprint(i), "topic", "orders", "payload", "0123456789"}})
				}
				if _, err := pipe.Exec(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			var done atomic.Int64
			over := make(chan struct{})
			c, err := New(client, group, func(_ context.Context, m *Message) error {
				if kind == "failed once" && m.Attempt == 1 {
					return errRefused
				}
				if done.Add(1) == int64(b.N) {
					close(over)
				}
				return nil
			}, options)
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(b.Context())
			ended := make(chan error)
			b.ResetTimer()
			go func() { ended <- c.Run(ctx) }()
			<-over
			b.StopTimer()
			stop()
			if err := <-ended; err != nil {
				b.Error(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
