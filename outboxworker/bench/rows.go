package bench

// rows.go holds what measurements come to.

import (
	"runtime"
	"slices"
	"time"
)

// Row is one thing that was measured. A row of scenario Drain has the sink's name as its
// scenario.
type Row struct {
	Scenario string `json:"scenario"`
	// Sink is what messages went to, or bare or river.
	Sink string `json:"sink"`
	// Variant tells rows of a scenario apart.
	Variant string `json:"variant,omitempty"`
	// Rate is messages a second, or transactions a second where those were measured:
	// the median of Rates.
	Rate  float64   `json:"rate"`
	Rates []float64 `json:"rates"`
	// Messages is how many there were in a run, Seconds the median of how long they
	// took.
	Messages int64   `json:"messages"`
	Seconds  float64 `json:"seconds"`
	Payload  int     `json:"payload"`
	Keys     int     `json:"keys"`
	Workers  int     `json:"workers"`
	Batch    int     `json:"batch"`
	// CPUMicros is the microseconds of CPU time that this process, and not the
	// servers, took for a message; 0 where that is not known.
	CPUMicros float64 `json:"cpu_us_per_message,omitempty"`
	// Ratios are to other rows of the same scenario, by their names: the median of
	// the runs' ratios, of rates, or of times where those were measured.
	Ratios map[string]float64 `json:"ratios,omitempty"`
	// P50 and P99 are times in milliseconds.
	P50 float64 `json:"p50_ms,omitempty"`
	P99 float64 `json:"p99_ms,omitempty"`
	// PeakRSS is the most memory that the worker's process had, in bytes.
	PeakRSS int64 `json:"peak_rss_bytes,omitempty"`

	Environment Environment `json:"environment"`
}

// Environment is what figures depend on.
type Environment struct {
	CPUs   int    `json:"cpus"`
	System string `json:"system"`
	Go     string `json:"go"`
	// Private tells that PostgreSQL ran for this measurement alone.
	Private       bool   `json:"private"`
	PostgreSQL    string `json:"postgresql"`
	Fsync         string `json:"fsync"`
	SharedBuffers string `json:"shared_buffers"`
	MaxWALSize    string `json:"max_wal_size"`
	Redis         string `json:"redis"`
	AppendFsync   string `json:"appendfsync"`
	// ProducersSynchronousCommit is the server's synchronous_commit, which all but the
	// relay use, RelaySynchronousCommit the relay's.
	ProducersSynchronousCommit string `json:"producers_synchronous_commit"`
	RelaySynchronousCommit     string `json:"relay_synchronous_commit"`
}

func machine() Environment {
	return Environment{CPUs: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
}

// result is one run of one thing.
type result struct {
	messages int64
	elapsed  time.Duration
	cpu      time.Duration
	peak     int64
	times    []time.Duration // of each transaction, where those were measured
	// unmeasured is how many messages there were besides.
	unmeasured int64
}

func (r *result) rate() float64 {
	if r.elapsed <= 0 {
		return 0
	}
	return float64(r.messages) / r.elapsed.Seconds()
}

// results are the runs of one thing, in their order.
type results []result

// summarize makes a row of the runs of one thing.
func (rs results) summarize(scenario, sink, variant string) Row {
	row := Row{Scenario: scenario, Sink: sink, Variant: variant, Messages: rs[0].messages}
	var seconds, cpus []float64
	var times []time.Duration
	for i := range rs {
		r := &rs[i]
		row.Rates = append(row.Rates, r.rate())
		seconds = append(seconds, r.elapsed.Seconds())
		cpus = append(cpus, float64(r.cpu.Microseconds())/float64(r.messages))
		row.PeakRSS = max(row.PeakRSS, r.peak)
		times = append(times, r.times...)
	}
	row.Rate, row.Seconds, row.CPUMicros = median(row.Rates), median(seconds), median(cpus)
	row.P50, row.P99 = millis(percentile(times, 0.50)), millis(percentile(times, 0.99))
	return row
}

// ratios are the medians of the runs' ratios to those of others.
func (rs results) ratio(to results) float64 {
	var all []float64
	for i := range min(len(rs), len(to)) {
		if other := to[i].rate(); other > 0 {
			all = append(all, rs[i].rate()/other)
		}
	}
	return median(all)
}

// median is 0 of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// percentile is the nearest-rank percentile, 0 of nothing.
func percentile(times []time.Duration, p float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
