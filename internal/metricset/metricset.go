// Package metricset keeps weir's metric collectors registered with whichever
// Prometheus registry Caddy serves.
//
// Caddy makes a new, pedantic registry for every configuration. Collectors that
// were created with it would start from zero at each reload; collectors that were
// registered once would vanish. So every collector is created once per process,
// announced with Add, and registered into each registry that a weir module meets.
// After a failed reload Caddy serves the registry of the configuration that
// failed, which is why the admin module, provisioned before all others, registers
// the whole set too.
package metricset

import (
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	mu         sync.Mutex
	collectors []prometheus.Collector
)

// Add announces a collector. It is meant for package initialisation.
func Add(c prometheus.Collector) {
	mu.Lock()
	defer mu.Unlock()
	collectors = append(collectors, c)
}

// Register puts the whole set into registry; what is there already stays.
func Register(registry *prometheus.Registry) error {
	mu.Lock()
	defer mu.Unlock()
	for _, c := range collectors {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(c); err != nil && !errors.As(err, &already) {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}
