package metricset

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Values survive the change of the registry, and every registry has them.
func TestRegister(t *testing.T) {
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "test_total", Help: "For a test."})
	Add(counter)
	for n := range 3 {
		registry := prometheus.NewPedanticRegistry()
		for range 2 { // two modules of one configuration
			if err := Register(registry); err != nil {
				t.Fatal(err)
			}
		}
		counter.Inc()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		if len(families) != 1 || families[0].GetMetric()[0].GetCounter().GetValue() != float64(n+1) {
			t.Errorf("registry %d shows %v", n, families)
		}
	}
	Add(broken{})
	if err := Register(prometheus.NewPedanticRegistry()); err == nil {
		t.Error("a collector that cannot be registered is not reported")
	}
}

// broken is a collector that does not describe itself.
type broken struct{}

func (broken) Describe(ch chan<- *prometheus.Desc) {
	ch <- prometheus.NewInvalidDesc(errors.New("broken"))
}

func (broken) Collect(chan<- prometheus.Metric) {}
