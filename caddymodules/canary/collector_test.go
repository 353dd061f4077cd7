package canary

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestCollector(t *testing.T) {
	g := newProcess(t)
	g.load(strings.Replace(checkout("10%", quickGuard), "stage stable {", "stage preview 1% {\n respond 200\n}\nstage stable {", 1))
	h := g.view()
	order(t, h, `{"share":{"preview":2}}`)
	order(t, h, `{"rollback":true}`)
	order(t, h, `{"kill":true}`)
	h.live.mu.Lock()
	h.live.rollbacks["latency"] = 2
	h.live.mu.Unlock()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector{})
	const want = `
# HELP gateway_canary_killed 1 while an operator sends everybody to stable.
# TYPE gateway_canary_killed gauge
gateway_canary_killed{canary="checkout"} 1
# HELP gateway_canary_phase 1 for the phase that the rollout is in.
# TYPE gateway_canary_phase gauge
gateway_canary_phase{canary="checkout",phase="done"} 0
gateway_canary_phase{canary="checkout",phase="paused"} 0
gateway_canary_phase{canary="checkout",phase="rolled_back"} 1
gateway_canary_phase{canary="checkout",phase="running"} 0
# HELP gateway_canary_rollbacks_total How often the stage was rolled back, by reason: errors, latency, operator.
# TYPE gateway_canary_rollbacks_total counter
gateway_canary_rollbacks_total{canary="checkout",reason="errors"} 0
gateway_canary_rollbacks_total{canary="checkout",reason="latency"} 2
gateway_canary_rollbacks_total{canary="checkout",reason="operator"} 1
# HELP gateway_canary_share Share of the cohorts that get the stage, between 0 and 1.
# TYPE gateway_canary_share gauge
gateway_canary_share{canary="checkout",stage="canary"} 0
gateway_canary_share{canary="checkout",stage="preview"} 0.02
gateway_canary_share{canary="checkout",stage="stable"} 0.98
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
