package onepass_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/contract/onepass"
)

// BenchmarkExamples compares the engines on each valid example of a document, and on values made by its schemas: how many
// times faster the program is in the median and at the worst, and where there are choices.
func BenchmarkExamples(b *testing.B) {
	for name := range documents {
		b.Run(name, func(b *testing.B) {
			var all, choices []float64
			for _, bodies := range operations(b, shared(b, name)) {
				for _, body := range bodies {
					for _, example := range body.examples {
						text, err := json.Marshal(example)
						if err != nil {
							b.Fatal(err)
						}
						if body.program.Judge(text) != onepass.Valid {
							continue
						}
						times := speedUp(body.pair, text)
						all = append(all, times)
						if body.program.Choices() > 0 {
							choices = append(choices, times)
						}
					}
				}
			}
			for b.Loop() { // what is measured is above
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(len(all)), "examples")
			report := func(times []float64, unit string) {
				if slices.Sort(times); len(times) > 0 {
					b.ReportMetric(times[len(times)/2], unit+"-median-x")
					b.ReportMetric(times[0], unit+"-worst-x")
				}
			}
			report(all, "all")
			report(choices, "choices")
		})
	}
}

// speedUp is how many times faster the program is. The quickest of short slices in turn is what both take undisturbed.
func speedUp(p pair, text []byte) float64 {
	quickest := [2]time.Duration{time.Hour, time.Hour}
	for range 60 {
		for i, judge := range [2]func([]byte) onepass.Verdict{p.program.Judge, p.engine} {
			start := time.Now()
			for range 5 {
				judge(text)
			}
			quickest[i] = min(quickest[i], time.Since(start))
		}
	}
	return float64(quickest[1]) / float64(quickest[0])
}
