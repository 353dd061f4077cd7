package breakerconf

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/circuit"
)

// Changes are told in their order, and not on the caller's time.
func TestHerald(t *testing.T) {
	told := make(chan string, 10)
	wait := make(chan struct{})
	h := &Herald{
		logger: caddy.Log(),
		emit: func(event string, data map[string]any) {
			<-wait
			openFor, _ := json.Marshal(data)
			told <- event + " " + string(openFor)
		},
	}
	one := h.For(map[string]string{"breaker": "test"})
	other := h.For(map[string]string{"pool": "shop", "upstream": "a:80"})
	one(circuit.Change{To: circuit.Open, Why: "consecutive", OpenFor: 1500 * time.Millisecond})
	other(circuit.Change{To: circuit.Open, Why: "slow_ratio", OpenFor: time.Second})
	one(circuit.Change{From: circuit.Open, To: circuit.HalfOpen, Why: "open_for"})
	one(circuit.Change{From: circuit.HalfOpen, To: circuit.Closed, Why: "probes_succeeded"})
	one(circuit.Change{To: circuit.Open, Why: "failure_ratio", OpenFor: time.Second})
	close(wait)
	for _, want := range []string{
		`breaker_opened {"breaker":"test","open_for":1.5,"why":"consecutive"}`,
		`breaker_opened {"open_for":1,"pool":"shop","upstream":"a:80","why":"slow_ratio"}`,
		`breaker_closed {"breaker":"test","why":"probes_succeeded"}`,
		`breaker_opened {"breaker":"test","open_for":1,"why":"failure_ratio"}`,
	} {
		if got := <-told; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	}
}
