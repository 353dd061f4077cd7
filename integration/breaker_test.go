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

	"github.com/weirproxy/weir/governance/circuit"
)

const (
	breakerSlowCall    = time.Second
	breakerRecoverOver = time.Second
	breakerRate        = 30.0 // requests a second, of each of several at once
	breakerClients     = 512  // connections, so that a stall does not stall the load
	// breakerMostFailed is what clients may see fail: five in a row open it, some are under way
	// just then, and there are two probes at a time.
	breakerMostFailed = 20
	// breakerMostStalled is what comes in until a stall is noticed.
	breakerMostStalled = int(2*breakerRate) + breakerMostFailed
	// busyMachine is by what a machine that does other things too may be late.
	busyMachine = 3 * time.Second
)

const breakerLines = `breaker checkout {
		window 2s
		min_calls 10
		consecutive 5
		slow_call 1s 80%
		open_for 500ms 2s
		probes 2
		probe_timeout 1s
		recover_over 1s
	}`

// trouble is what a back end can be in.
type trouble int32

const (
	none trouble = iota
	fails
	resets
	stalls
)

// troubled answers as it is told.
func troubled(now *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch trouble(now.Load()) {
		case fails:
			w.WriteHeader(http.StatusInternalServerError)
		case resets:
			panic(http.ErrAbortHandler)
		case stalls:
			select {
			case <-time.After(30 * time.Second):
			case <-r.Context().Done():
			}
		}
	}
}

// breakerState is a breaker as the admin API shows it.
func breakerState(t *testing.T, g *Gateway) circuit.Snapshot {
	t.Helper()
	a := g.Get("/governance/breakers/checkout")
	var s circuit.Snapshot
	if err := json.Unmarshal([]byte(a.Body), &s); err != nil || a.Status != http.StatusOK {
		t.Fatalf("GET /governance/breakers/checkout: %d %s", a.Status, a.Body)
	}
	return s
}

// The back end gets into trouble while it is under load, and out of it again. Clients see
// few failures, and traffic is back soon.
func TestABreakerOpensAndTrafficComesBack(t *testing.T) {
	for name, c := range map[string]struct {
		begin, end func(now *atomic.Int32, b *Backend)
		mostFailed int
	}{
		"turns to 500s": {
			func(now *atomic.Int32, _ *Backend) { now.Store(int32(fails)) },
			func(now *atomic.Int32, _ *Backend) { now.Store(int32(none)) },
			breakerMostFailed,
		},
		"resets connections": {
			func(now *atomic.Int32, _ *Backend) { now.Store(int32(resets)) },
			func(now *atomic.Int32, _ *Backend) { now.Store(int32(none)) },
			breakerMostFailed,
		},
		"stalls": {
			func(now *atomic.Int32, _ *Backend) { now.Store(int32(stalls)) },
			func(now *atomic.Int32, _ *Backend) { now.Store(int32(none)) },
			breakerMostStalled,
		},
		"refuses connections": {
			func(_ *atomic.Int32, b *Backend) { b.Die() },
			func(_ *atomic.Int32, b *Backend) { b.Revive() },
			breakerMostFailed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var now atomic.Int32
			b := NewBackend(t, "one")
			b.Handle("/shop", troubled(&now))
			s := newSite(t, b)
			s.Plain, s.NoRetries, s.Lines = true, true, strings.Split(breakerLines, "\n")
			s.Transport = []string{"response_header_timeout 4s"} // well after the breaker has opened
			g := startWeir(t, s)

			ctx, stop := context.WithCancel(t.Context())
			var load sync.WaitGroup
			var seen *Result
			load.Go(func() { seen = Open(ctx, s.URL()+"shop", breakerClients, breakerRate, 60*int(breakerRate)) })
			defer load.Wait()
			defer stop()
			isOpen := func() bool { return breakerState(t, g).State == "open" }
			if Eventually(500*time.Millisecond, isOpen) {
				t.Fatal("the breaker opens while all is well")
			}

			began := time.Now()
			c.begin(&now, b)
			if !Eventually(10*time.Second, isOpen) {
				t.Fatalf("the breaker does not open: %+v", breakerState(t, g))
			}
			opened := time.Since(began)
			if opened > 2*breakerSlowCall+busyMachine {
				t.Errorf("the breaker opens after %v, want at most %v", opened, 2*breakerSlowCall+busyMachine)
			}

			// the trouble lasts until probes have failed, and it is open anew
			var again circuit.Snapshot
			if !Eventually(10*time.Second, func() bool {
				again = breakerState(t, g)
				return again.State == "open" && again.OpenedInARow > 1
			}) {
				t.Fatalf("failed probes do not open it again: %+v", again)
			}
			ended := time.Now()
			c.end(&now, b)
			within := time.Duration(again.OpenFor*float64(time.Second)) + time.Second + breakerRecoverOver + busyMachine
			if !Eventually(within+5*time.Second, func() bool {
				s := breakerState(t, g)
				return s.State == "closed" && s.Share == 1
			}) {
				t.Fatalf("traffic does not come back: %+v", breakerState(t, g))
			}
			back := time.Since(ended)
			if back > within {
				t.Errorf("traffic is back after %v, want at most %v", back, within)
			}
			time.Sleep(200 * time.Millisecond) // of load that is to succeed
			stop()
			load.Wait()
			checkBreakerLoad(t, seen, c.mostFailed)
			t.Logf("opened after %v, back after %v (allowed %v)",
				opened.Round(time.Millisecond), back.Round(time.Millisecond), within.Round(time.Millisecond))
		})
	}
}

// checkBreakerLoad tells what clients saw. A 503 is a refusal; these do not count as failed, as
// nobody waits for them and a fallback would answer in their place.
func checkBreakerLoad(t *testing.T, seen *Result, mostFailed int) {
	t.Helper()
	failures := seen.Failures()
	failed := seen.Failed() - failures["503"]
	t.Logf("of %d requests %d failed and %d were refused: %v", seen.Requests(), failed, failures["503"], failures)
	if failures["503"] == 0 {
		t.Error("nothing was refused")
	}
	if last := seen.Samples[len(seen.Samples)-1]; last.Failure != "" {
		t.Errorf("the last request, with traffic back, failed: %s", last.Failure)
	}
	// what is under way when it opens may fail, too
	if mostFailed += seen.UnderWay; failed > mostFailed {
		t.Errorf("clients saw %d failures, want at most %d", failed, mostFailed)
	}
}
