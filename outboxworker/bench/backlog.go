package bench

// backlog.go compares a large table with a small one.

import (
	"context"
	"fmt"
)

// backlogs is scenario Backlog.
func (b *bench) backlogs(ctx context.Context) ([]Row, error) {
	var rows []Row
	for _, sink := range b.relaySinks() {
		measures := make([]measure, 2)
		for i, n := range []int{b.Large, b.Small} {
			measures[i] = measure{fmt.Sprint(n), func(ctx context.Context) (result, error) { return b.drain(ctx, sink, n, nil) }}
		}
		all, err := b.inTurns(ctx, Backlog, measures)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", sink, err)
		}
		large := all[0].summarize(Backlog, sink, "large")
		setRatio(&large, "small", all[0].ratio(all[1]))
		rows = append(rows, large, all[1].summarize(Backlog, sink, "small"))
	}
	return rows, nil
}
