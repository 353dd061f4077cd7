package consumer

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// One message is one operation: of many keys, and of one.
func BenchmarkOrdered(b *testing.B) {
	for _, keys := range []int{1000, 1} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			client := connect(b, testserver.Redis(b))
			pipe := client.Pipeline()
			for i := range b.N {
				key := fmt.Sprint("k", i%keys)
				pipe.XAdd(b.Context(), &redis.XAddArgs{Stream: laneOf(key), Values: []any{
					"id", i, "topic", "orders", "key", key, "payload", fmt.Sprintf("%0256d", i),
				}})
				if pipe.Len() >= 500 || i == b.N-1 {
					if _, err := pipe.Exec(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			}
			var done atomic.Int64
			o := ordered()
			o.Batch = 500
			c, err := New(client, group, func(context.Context, *Message) error { done.Add(1); return nil }, o)
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			b.ResetTimer()
			go func() { ended <- c.Run(ctx) }()
			eventually(b, "all are done", func() bool { return done.Load() >= int64(b.N) })
			b.StopTimer()
			stop()
			if err := <-ended; err != nil {
				b.Error(err)
			}
		})
	}
}
