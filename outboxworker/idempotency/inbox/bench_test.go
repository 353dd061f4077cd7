package inbox

import (
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
)

// BenchmarkOnce is what the inbox adds to a transaction, in which 100 messages are
// handled here: the row, and not the commit.
func BenchmarkOnce(b *testing.B) {
	messages, url := installed(b)
	conn := connect(b, url)
	n := 0
	for b.Loop() {
		tx := begin(b, conn, pgx.ReadCommitted)
		for range 100 {
			n++
			if fresh, err := messages.Once(b.Context(), tx, "g", strconv.Itoa(n)); err != nil || !fresh {
				b.Fatal(fresh, err)
			}
		}
		if err := tx.Commit(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/message")
}
