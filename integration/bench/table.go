package main

// table.go turns measurements into the table that is printed.

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"
)

// result is one measurement.
type result struct {
	perSecond float64       // requests
	cpu       time.Duration // of the proxy, per request
	p50, p99  time.Duration
	failed    int
	// allocations and bytes are those of the proxy, per request.
	allocations, bytes float64
	resident           float64
}

// rounds are the measurements of each variant, in the order of the rounds.
type rounds map[string][]result

func newResult(latencies []time.Duration, failed int, took time.Duration, before, after usage) result {
	slices.Sort(latencies)
	n := float64(len(latencies))
	return result{
		perSecond:   n / took.Seconds(),
		cpu:         (after.cpu - before.cpu) / time.Duration(len(latencies)),
		p50:         percentile(latencies, 50),
		p99:         percentile(latencies, 99),
		failed:      failed,
		allocations: (after.allocations - before.allocations) / n,
		bytes:       (after.bytes - before.bytes) / n,
		resident:    after.resident,
	}
}

// percentile is the least of sorted that p percent of all do not exceed.
func percentile(sorted []time.Duration, p float64) time.Duration {
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median is the middle of values, or between the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// median is the median of one figure of all measurements of a variant.
func (all rounds) median(name string, figure func(result) float64) float64 {
	var values []float64
	for _, r := range all[name] {
		values = append(values, figure(r))
	}
	return median(values)
}

// ratios compares the CPU time per request with the yardstick's of the same round.
func (all rounds) ratios(v variant) []float64 {
	var ratios []float64
	for round, r := range all[v.name] {
		ratios = append(ratios, float64(r.cpu)/float64(all[v.yardstick()][round].cpu))
	}
	return ratios
}

// printTable prints the medians over all rounds, and how the CPU time per request
// compares with the yardstick's.
func printTable(to io.Writer, chosen []variant, all rounds) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer w.Flush()
	fmt.Fprint(w, "\tCPU us/req\tratio\tmin-max\tallocs/req\tB/req\treq/s\tp50 ms\tp99 ms\terrors\tRSS MB\t\n")
	for _, v := range chosen {
		ratios := all.ratios(v)
		failures := 0.0
		for _, r := range all[v.name] {
			failures += float64(r.failed)
		}
		fmt.Fprintf(w, "%s\t%.1f\t%.3f\t%.3f-%.3f\t%.1f\t%.0f\t%.0f\t%.2f\t%.2f\t%.0f\t%.0f\t\n", v.name,
			all.median(v.name, func(r result) float64 { return float64(r.cpu) / 1e3 }),
			median(ratios), slices.Min(ratios), slices.Max(ratios),
			all.median(v.name, func(r result) float64 { return r.allocations }),
			all.median(v.name, func(r result) float64 { return r.bytes }),
			all.median(v.name, func(r result) float64 { return r.perSecond }),
			all.median(v.name, func(r result) float64 { return float64(r.p50) / 1e6 }),
			all.median(v.name, func(r result) float64 { return float64(r.p99) / 1e6 }),
			failures,
			all.median(v.name, func(r result) float64 { return r.resident / 1e6 }))
	}
}
