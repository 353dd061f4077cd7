// Package inforce has a module wait until its configuration is the one that runs.
//
// A module is provisioned for configurations that fail to load afterwards, perhaps after
// they have served requests, and for those that are only validated. What cannot be taken
// back, such as deleting what is stored, must not happen for them.
package inforce

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2"
)

// look is how often Then looks whether the configuration runs.
const look = 50 * time.Millisecond

// Then calls f in a goroutine of its own once the configuration of ctx, a context that a
// module was provisioned with, is in force. It never does if that configuration ends
// before.
func Then(ctx caddy.Context, f func()) {
	configuration := ctx.GetMetricsRegistry() // each has one of its own
	go func() {
		tick := time.NewTicker(look)
		defer tick.Stop()
		for !runs(configuration) {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		f()
	}()
}

func runs(configuration *prometheus.Registry) bool {
	active := caddy.ActiveContext()
	return active.GetMetricsRegistry() == configuration
}
