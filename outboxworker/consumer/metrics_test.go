package consumer

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// A counter is there at 0 before it rises, or its first rise would not be seen.
func TestCountersBeginAtZero(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStream("orders", "billing", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	m.begin(s)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := make(map[string]int)
	for _, family := range families {
		series[family.GetName()] = len(family.Metric)
	}
	for name, want := range map[string]int{
		"outbox_consumer_vanished_total": 1, "outbox_consumer_died_total": 1, "outbox_consumer_foreign_total": 1,
		"outbox_consumer_messages_total": 7,
	} {
		if series[name] != want {
			t.Errorf("%s has %d series, want %d", name, series[name], want)
		}
	}
}
