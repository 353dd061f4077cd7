package outbox

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Producers do not wait for a worker, whether it runs, is stopped or is dead.
func TestProducersDoNotWaitForWorkers(t *testing.T) { // not parallel: it measures
	producersDoNotWait(t, 4, 40)
}

func TestSoakProducersDoNotWaitForWorkers(t *testing.T) {
	soak(t)
	producersDoNotWait(t, 20, 300)
}

// durations are those of transactions, by what the worker did and whether there was an
// outbox row.
type durations map[string][]time.Duration

func (d durations) quantile(name string, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(d[name]))
	return sorted[int(q*float64(len(sorted)-1))]
}

const without = ", without a row"

// producersDoNotWait measures in turn, so that what else the machine does is a burden
// on all. The bench has the figures; here only what is far off fails.
func producersDoNotWait(t *testing.T, rounds, each int) {
	y := newSystem(t, newStreams(t, 1), settings{})
	took := make(durations)
	y.start("")
	seq := 0
	for range rounds {
		y.measure(took, "running", each, &seq)
		y.workers[0].freeze()
		y.fault(y.settings.lanes)
		y.measure(took, "stopped", each, &seq)
		y.workers[0].kill()
		y.measure(took, "killed", each, &seq)
		y.workers = nil
		y.start("")
	}
	y.settle(time.Minute)
	table := "| worker | p50 with a row | without | p99 with a row | without |\n|---|---:|---:|---:|---:|\n"
	for _, name := range []string{"running", "stopped", "killed"} {
		table += fmt.Sprintf("| %s | %s | %s | %s | %s |\n", name, took.quantile(name, 0.5), took.quantile(name+without, 0.5),
			took.quantile(name, 0.99), took.quantile(name+without, 0.99))
		if with, alone := took.quantile(name, 0.5), took.quantile(name+without, 0.5); with > 3*alone+5*time.Millisecond {
			t.Errorf("while the worker is %s, a transaction takes %s with an outbox row and %s without", name, with, alone)
		}
		if now, killed := took.quantile(name, 0.5), took.quantile("killed", 0.5); now > 3*killed+5*time.Millisecond {
			t.Errorf("while the worker is %s, a transaction takes %s, and %s while there is none", name, now, killed)
		}
	}
	t.Logf("%d transactions each:\n%s", rounds*each, table)
}

// measure runs business transactions, every other one with an outbox row.
func (y *system) measure(took durations, name string, each int, seq *int) {
	y.t.Helper()
	err := y.database.try(func(ctx context.Context, conn *pgx.Conn) error {
		for range each {
			*seq++
			m := message{numbered("a", *seq%100), *seq/100 + 1}
			for _, row := range []bool{false, true} {
				began := time.Now()
				err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "INSERT INTO account AS a (key, seq) VALUES ($1, 1) ON CONFLICT (key) DO UPDATE SET seq = a.seq + 1", m.key)
					if err == nil && row {
						err = y.producers.enqueue(ctx, tx, m)
					}
					return err
				})
				if err != nil {
					return err
				}
				if row {
					took[name] = append(took[name], time.Since(began))
					y.committed.committed([]message{m})
				} else {
					took[name+without] = append(took[name+without], time.Since(began))
				}
			}
		}
		return nil
	})
	if err != nil {
		y.t.Fatal(err)
	}
}
