package redisclaim

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/internal/testserver"
)

// BenchmarkHandle is what a message costs that is handled once: Begin and Done.
func BenchmarkHandle(b *testing.B) {
	store := open(b, connect(b, testserver.Redis(b).URL(), nil), nil)
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			claim, _, err := store.Begin(b.Context(), "g", strconv.FormatInt(n.Add(1), 10))
			if err == nil {
				err = claim.Done(b.Context())
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}
