package main

// table.go writes what was measured.

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// write writes a row for each variant: medians of the rounds, and the median of the rounds'
// ratios to the best yardstick of the same round.
func write(out io.Writer, variants []variant, rounds [][]result, pairs int) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "%d timers, medians of %d runs\tscheduled/s\tclaimed/s\tpairs/s\tlowest to highest\tto asynq's best\n", pairs, len(rounds))
	for i, v := range variants {
		var schedule, claim, rates, ratios []float64
		for _, round := range rounds {
			r := round[i]
			schedule = append(schedule, float64(pairs)/r.schedule.Seconds())
			claim = append(claim, float64(pairs)/r.claim.Seconds())
			rates = append(rates, r.rate(pairs))
			ratios = append(ratios, r.rate(pairs)/best(variants, round, pairs))
		}
		_, _ = fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%.0f\t%.0f to %.0f\t%.2f x\n", v.name,
			median(schedule), median(claim), median(rates), slices.Min(rates), slices.Max(rates), median(ratios))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the figures: %w", err)
	}
	return nil
}

// best is the rate of the fastest yardstick of a round.
func best(variants []variant, round []result, pairs int) float64 {
	most := 0.0
	for i, v := range variants {
		if v.yardstick {
			most = max(most, round[i].rate(pairs))
		}
	}
	return most
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
