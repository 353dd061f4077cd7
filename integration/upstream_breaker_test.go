package integration

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/balance"
)

// upstreamBreakerLines give each upstream a breaker, without the ejections that are
// quicker where connections are refused: it is breakers that are looked at.
const upstreamBreakerLines = `eject_after off
	breaker {
		window 2s
		min_calls 10
		consecutive 5
		slow_call 1s 80%
		open_for 500ms 2s
		probes 2
		probe_timeout 1s
		recover_over 1s
	}`

// sickened is a back end of two that gets into trouble under load, and out of it again.
type sickened struct {
	begin, end func(now *atomic.Int32, b *Backend)
	retries    bool
	// mostFailed is what clients may see fail.
	mostFailed int
}

// One back end of two gets into trouble: its breaker opens, probes fail, and when it is well
// again traffic grows back. The other one carries the load meanwhile, and nobody is refused.
func TestAnUpstreamsBreakerOpensAndTrafficComesBack(t *testing.T) {
	turns := func(to trouble) func(*atomic.Int32, *Backend) {
		return func(now *atomic.Int32, _ *Backend) { now.Store(int32(to)) }
	}
	// half of what comes in until a stall is noticed
	const mostStalled = int(breakerRate*breakerSlowCall/time.Second) + breakerMostFailed
	for name, c := range map[string]*sickened{
		"stalls":               {turns(stalls), turns(none), false, mostStalled},
		"stalls, with retries": {turns(stalls), turns(none), true, 0},
		"turns to 500s":        {turns(fails), turns(none), false, breakerMostFailed},
		"resets connections":   {turns(resets), turns(none), false, breakerMostFailed},
		"refuses connections": {
			func(_ *atomic.Int32, b *Backend) { b.Die() },
			func(_ *atomic.Int32, b *Backend) { b.Revive() }, false, breakerMostFailed,
		},
	} {
		t.Run(name, c.run)
	}
}

func (c *sickened) run(t *testing.T) {
	t.Parallel()
	var now atomic.Int32
	sick, well := NewBackend(t, "sick"), NewBackend(t, "well")
	sick.Handle("/shop", troubled(&now))
	s := newSite(t, sick, well)
	s.NoRetries, s.Policy = !c.retries, strings.Split(upstreamBreakerLines, "\n")
	s.Transport = []string{"response_header_timeout 4s"} // well after the breaker has opened
	g := startWeir(t, s)
	upstream := func() *balance.UpstreamSnapshot { return guardedUpstream(t, g, sick.Address) }

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var seen *Result
	load.Go(func() { seen = Open(ctx, s.URL()+"shop", breakerClients, breakerRate, 60*int(breakerRate)) })
	defer load.Wait()
	defer stop()
	isOpen := func() bool { return upstream().State == "open" }
	if Eventually(500*time.Millisecond, isOpen) {
		t.Fatal("the breaker opens while all is well")
	}

	began := time.Now()
	c.begin(&now, sick)
	if !Eventually(10*time.Second, isOpen) {
		t.Fatalf("the breaker does not open: %+v", upstream())
	}
	opened := time.Since(began)
	if opened > 2*breakerSlowCall+busyMachine {
		t.Errorf("the breaker opens after %v, want at most %v", opened, 2*breakerSlowCall+busyMachine)
	}

	// the trouble lasts until probes have failed, and it is open anew
	var again *balance.UpstreamSnapshot
	if !Eventually(10*time.Second, func() bool {
		again = upstream()
		return again.State == "open" && again.Breaker.OpenedInARow > 1
	}) {
		t.Fatalf("failed probes do not open it again: %+v", again)
	}
	ended := time.Now()
	c.end(&now, sick)
	within := time.Duration(again.Breaker.OpenFor*float64(time.Second)) + time.Second + breakerRecoverOver + busyMachine
	isBack := func() bool { u := upstream(); return u.State == "in" && u.Share > 0.49 }
	if !Eventually(within+5*time.Second, isBack) {
		t.Fatalf("traffic does not come back: %+v", upstream())
	}
	back := time.Since(ended)
	if back > within {
		t.Errorf("traffic is back after %v, want at most %v", back, within)
	}
	time.Sleep(200 * time.Millisecond) // of load that is to succeed
	stop()
	load.Wait()
	c.check(t, seen)
	t.Logf("opened after %v, back after %v (allowed %v)",
		opened.Round(time.Millisecond), back.Round(time.Millisecond), within.Round(time.Millisecond))
}

// guardedUpstream is an upstream as the admin API shows it, with its breaker.
func guardedUpstream(t *testing.T, g *Gateway, address string) *balance.UpstreamSnapshot {
	t.Helper()
	a := g.Get("/governance/pools/shop")
	var pool balance.Snapshot
	if err := json.Unmarshal([]byte(a.Body), &pool); err != nil || a.Status != http.StatusOK {
		t.Fatalf("GET /governance/pools/shop: %d %s", a.Status, a.Body)
	}
	for i := range pool.Upstreams {
		if u := &pool.Upstreams[i]; u.Address == address && u.Breaker != nil {
			return u
		}
	}
	t.Fatalf("the pool has no upstream %s with a breaker: %s", address, a.Body)
	return nil
}

// check tells what clients saw.
func (c *sickened) check(t *testing.T, seen *Result) {
	t.Helper()
	t.Logf("of %d requests %d failed, %v; median %v, longest %v", seen.Requests(), seen.Failed(), seen.Failures(),
		seen.Latency(0.5).Round(time.Microsecond), seen.Latency(1).Round(time.Millisecond))
	if n := seen.Failures()["503"]; n > 0 {
		t.Errorf("%d requests were refused though one back end was well", n)
	}
	if last := seen.Samples[len(seen.Samples)-1]; last.Failure != "" {
		t.Errorf("the last request, with traffic back, failed: %s", last.Failure)
	}
	if most := c.mostFailed + seen.UnderWay; seen.Failed() > most {
		t.Errorf("clients saw %d failures, want at most %d", seen.Failed(), most)
	}
	if !c.retries && seen.Failed() == 0 {
		t.Error("nothing failed, so no back end was in trouble and this shows nothing")
	}
}
