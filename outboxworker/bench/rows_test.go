package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestSummary(t *testing.T) {
	t.Parallel()
	rs := results{
		{messages: 100, elapsed: time.Second, cpu: 100 * time.Microsecond, peak: 3, times: []time.Duration{time.Millisecond}},
		{messages: 100, elapsed: 2 * time.Second, cpu: 300 * time.Microsecond, peak: 5, times: []time.Duration{3 * time.Millisecond}},
		{messages: 100, elapsed: 4 * time.Second, cpu: 200 * time.Microsecond, peak: 4, times: []time.Duration{2 * time.Millisecond}},
	}
	row := rs.summarize(Drain, Null, "")
	if row.Rate != 50 || row.Seconds != 2 || row.CPUMicros != 2 || row.PeakRSS != 5 || row.P50 != 2 || row.P99 != 3 {
		t.Errorf("the summary is %+v", row)
	}
	// each run against its own neighbour: 1, 1 and 0.25, not 50 / 100
	others := results{{messages: 100, elapsed: time.Second}, {messages: 100, elapsed: 2 * time.Second}, {messages: 100, elapsed: time.Second}}
	if got := rs.ratio(others); got != 1 {
		t.Errorf("the ratio is %v, want 1", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("the median of an even number is %v, want 2.5", got)
	}
	if median(nil) != 0 || percentile(nil, 0.5) != 0 {
		t.Error("nothing has a median")
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	rows := []Row{
		{Scenario: Null, Sink: Null, Rate: 150000.4, Rates: []float64{140000, 150000.4, 160000}, Messages: 500000, Ratios: map[string]float64{River: 4.1, Bare: 1.6},
			Payload: 256, Keys: 10000, Workers: 4, Batch: 2000, Environment: Environment{CPUs: 2, PostgreSQL: "15.18", Private: true, Fsync: "on"}},
		{Scenario: Memory, Sink: RedisStream, Rate: 1, Rates: []float64{1}, PeakRSS: 42_000_000},
	}
	var table, encoded bytes.Buffer
	if err := WriteTable(&table, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 CPUs", "PostgreSQL 15.18 (private), fsync on", "150000", "140000-160000", "1.60 x bare, 4.10 x river", "42.00"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, table.String())
		}
	}
	if err := WriteJSON(&encoded, rows); err != nil {
		t.Fatal(err)
	}
	var decoded []map[string]any
	if err := json.Unmarshal(encoded.Bytes(), &decoded); err != nil {
		t.Fatal(err)
	}
	if len(decoded) != 2 || decoded[0]["scenario"] != "null" || decoded[0]["rate"] != 150000.4 || decoded[0]["payload"] != 256.0 ||
		decoded[0]["environment"].(map[string]any)["postgresql"] != "15.18" || decoded[1]["peak_rss_bytes"] != 42e6 {
		t.Errorf("the JSON is %s", encoded.String())
	}
	encoded.Reset()
	if err := WriteJSON(&encoded, nil); err != nil || strings.TrimSpace(encoded.String()) != "[]" {
		t.Errorf("no rows are %q, %v", encoded.String(), err)
	}
}
