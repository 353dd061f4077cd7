package retryqueue

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkScheduleAndClaim is what a retry costs: a timer is set, claimed and done with.
// One iteration is one timer; size is that of the calls, and 4 clients make them.
func BenchmarkScheduleAndClaim(b *testing.B) {
	for _, bench := range []struct {
		name string
		size int
	}{{"size=1", 1}, {"size=10", 10}, {"size=100", 100}, {"size=500", 500}} {
		b.Run(bench.name, func(b *testing.B) {
			q, _, _ := open(b)
			var next, done atomic.Int64
			goal := int64(b.N+bench.size-1) / int64(bench.size) * int64(bench.size)
			b.ResetTimer()
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					timers := make([]Timer, bench.size)
					for done.Load() < goal {
						if first := next.Add(int64(bench.size)) - int64(bench.size); first < goal {
							for i := range timers {
								timers[i] = Timer{first + int64(i) + 1, -time.Millisecond}
							}
							if err := q.Schedule(b.Context(), timers...); err != nil {
								b.Error(err)
								return
							}
						}
						claimed, err := q.Claim(b.Context(), bench.size, time.Minute)
						if err != nil {
							b.Error(err)
							return
						}
						if _, err := q.Done(b.Context(), claimed.Claims...); err != nil {
							b.Error(err)
							return
						}
						done.Add(int64(len(claimed.Claims)))
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(done.Load())/b.Elapsed().Seconds(), "pairs/s")
		})
	}
}
