package balance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/balance"
)

// While an upstream fails, weights are real numbers, and the schedule is made anew
// every 64 picks. That allocates; a pick itself does not.
func TestSelectWithAFailingUpstreamAllocatesOnceInARun(t *testing.T) {
	for _, n := range []int{3, 100, 1000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			// time stands still while picks are counted: no weight changes
			synctest.Test(t, func(t *testing.T) { selectWithAFailingUpstream(t, n) })
		})
	}
}

func selectWithAFailingUpstream(t *testing.T, n int) {
	const picks, mostInARun = 64, 5
	upstreams := make(reverseproxy.UpstreamPool, n)
	for i := range upstreams {
		upstreams[i] = &reverseproxy.Upstream{Host: new(reverseproxy.Host), Dial: fmt.Sprintf("10.0.%d.%d:80", i/256, i%256)}
	}
	p := healthy(upstreams, func(i int) float64 { return float64(1 + i%5) })
	p.bind(upstreams)
	attempt := p.balancer.Begin(p.live.Upstream(upstreams[0].String()))
	attempt.Answered(balance.FailedStatus)
	time.Sleep(time.Second) // until new weights are due
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	p.Select(upstreams, req, nil)
	allocations := testing.AllocsPerRun(100, func() {
		for range picks {
			if p.Select(upstreams, req, nil) == nil {
				t.Fatal("nobody was picked")
			}
		}
	})
	if allocations == 0 || allocations > mostInARun {
		t.Errorf("%v allocations for %d picks, want 1 to %d", allocations, picks, mostInARun)
	}
}
