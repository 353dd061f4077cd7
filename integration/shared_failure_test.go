package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/freeport"
)

const (
	sharedRate    = 60.0 // requests a second
	sharedFailing = 6 * time.Second
	sharedOpenFor = 2 * time.Second // at most, in the configuration below
	sharedRecover = 2 * time.Second
)

// sharedSite is a site without retries whose upstreams have breakers, and which
// has one itself if routeBreaker is true.
func sharedSite(url, admin string, routeBreaker bool, backends []*Backend) string {
	options := `
		window 2s
		min_calls 10
		consecutive 5
		open_for 500ms 2s
		probes 2
		probe_timeout 1s
		recover_over 2s
`
	route := ""
	if routeBreaker {
		route = "breaker shop {" + options + "}"
	}
	return fmt.Sprintf(`{
	admin %s
	auto_https off
	persist_config off
}
%s {
	%s
	reverse_proxy %s {
		lb_policy success_weighted {
			name shop
			breaker {%s}
		}
	}
}
`, admin, url, route, strings.Join(Addresses(backends), " "), options)
}

// What all back ends depend on fails, so all of them do: none is taken for good
// because it is the last one left, and all come back by themselves.
func TestAllBackEndsFailTogether(t *testing.T) {
	for _, pool := range []int{2, 3} {
		for _, routeBreaker := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d back ends, route breaker %v", pool, routeBreaker), func(t *testing.T) {
				t.Parallel()
				failTogether(t, pool, routeBreaker)
			})
		}
	}
}

func failTogether(t *testing.T, pool int, routeBreaker bool) {
	var backends []*Backend
	for i := range pool {
		backends = append(backends, NewBackend(t, fmt.Sprint("b", i)))
	}
	url := "http://" + freeport.Address(t)
	admin := freeport.Address(t)
	Start(t, Weir(t), admin, sharedSite(url, admin, routeBreaker, backends))
	if warm := Closed(t.Context(), url, 4, 60); warm.Failed() > 0 {
		t.Fatalf("before: %v", warm)
	}

	before := make([]int64, pool)
	for i, b := range backends {
		before[i] = b.Requests()
		b.Fail()
	}
	failing := Open(t.Context(), url, 64, sharedRate, int(sharedRate*sharedFailing.Seconds()))
	counts, all := make([]int64, pool), int64(0)
	for i, b := range backends {
		counts[i] = b.Requests() - before[i]
		all += counts[i]
	}
	t.Logf("all fail: %v; the back ends got %v of them", failing, counts)
	if failing.Failed() != failing.Requests() {
		t.Errorf("%d requests succeeded while everything failed", failing.Requests()-failing.Failed())
	}
	for i, n := range counts {
		if share := float64(n) / float64(all); share > 1.5/float64(pool) {
			t.Errorf("back end %d got %.0f %% of what was sent to %d: a herd", i, 100*share, pool)
		}
	}
	if routeBreaker && all > int64(failing.Requests())/2 {
		t.Errorf("%d of %d requests reached back ends that all fail, want the breaker to keep most away", all, failing.Requests())
	}
	if !routeBreaker && failing.Failures()["503"] != failing.Requests() {
		t.Errorf("failures were %v, want only the back ends' own 503", failing.Failures())
	}
	if !routeBreaker && all != int64(failing.Requests()) {
		t.Errorf("%d of %d requests reached a back end: the pool was empty for the others", all, failing.Requests())
	}
	sharedHeals(t, url, backends)
}

// sharedHeals has all back ends answer again, and traffic come back.
func sharedHeals(t *testing.T, url string, backends []*Backend) {
	t.Helper()
	for _, b := range backends {
		b.Answer()
	}
	within := sharedOpenFor + time.Second + sharedRecover + busyMachine
	ctx, stop := context.WithTimeout(t.Context(), within+3*time.Second)
	defer stop()
	var load sync.WaitGroup
	var healed *Result
	load.Go(func() { healed = Open(ctx, url, 64, sharedRate, 100_000) })
	load.Wait()
	last := time.Duration(0)
	for _, sample := range healed.Samples {
		if sample.Failure != "" {
			last = sample.At
		}
	}
	t.Logf("all answer again: %v, the last failure after %v", healed, last.Round(time.Millisecond))
	if last > within {
		t.Errorf("clients saw a failure %v after all answer again, want none after %v: %v", last, within, healed.Failures())
	}
}
