package integration

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"
)

// death is one row of the table: what clients see when one back end of a pool
// starts to refuse connections.
type death struct {
	rate    float64
	pool    int
	retries bool

	url    string
	dying  *Backend
	result *Result
	// first is when the first request failed; all that failed within a moment of
	// it were under way together.
	first time.Duration
	after int // failures after that moment
}

// moment is how long after the first failure other failures are part of the same
// event: it covers requests that were sent before the ejection.
const moment = 500 * time.Millisecond

// floorShare is the part of requests that one back end at the floor gets.
func (d *death) floorShare() float64 { return floor / (floor + float64(d.pool-1)) }

// prepare starts a gateway and its back ends and opens connections to all of them.
func (d *death) prepare(t *testing.T) {
	t.Helper()
	var backends []*Backend
	for i := range d.pool {
		backends = append(backends, NewBackend(t, fmt.Sprint("b", i)))
	}
	s := newSite(t, backends...)
	s.NoRetries = !d.retries
	startWeir(t, s)
	if warm := Closed(t.Context(), s.URL(), 4, 40); warm.Failed() > 0 {
		t.Errorf("before any back end died: %v", warm)
	}
	d.url, d.dying = s.URL(), backends[0]
}

func (d *death) run(ctx context.Context, lasts time.Duration) {
	d.dying.Die()
	d.result = Open(ctx, d.url, 64, d.rate, int(math.Round(d.rate*lasts.Seconds())))
	d.first = -1
	for _, sample := range d.result.Samples {
		if sample.Failure == "" {
			continue
		}
		if d.first < 0 {
			d.first = sample.At
		}
		if sample.At > d.first+moment {
			d.after++
		}
	}
}

// check asserts what holds at every rate.
func (d *death) check(t *testing.T) {
	t.Helper()
	if d.retries {
		if d.result.Failed() > 0 {
			t.Errorf("%v: clients saw failures with retries on: %v", d, d.result)
		}
		return
	}
	if d.result.Failed() == 0 {
		t.Errorf("%v: no request failed, so no back end died and this shows nothing", d)
	}
	// Few requests cannot show a small share: two more may fail.
	allowed := d.floorShare()*float64(d.result.Requests()) + 2
	if float64(d.after) > allowed {
		t.Errorf("%v: %d of %d requests failed after the first ejection, want at most %.1f, the floor's share and 2",
			d, d.after, d.result.Requests(), allowed)
	}
}

func (d *death) String() string {
	retries := "off"
	if d.retries {
		retries = "on"
	}
	return fmt.Sprintf("%v requests/s, pool of %d, retries %s", d.rate, d.pool, retries)
}

// row is the death as a line of a markdown table.
func (d *death) row() string {
	early, late := 0, 0
	for _, sample := range d.result.Samples {
		switch {
		case sample.Failure == "":
		case sample.At < 10*time.Second:
			early++
		default:
			late++
		}
	}
	minutes := (d.result.Took - 10*time.Second).Minutes()
	perMinute := "-"
	if minutes > 0.1 {
		perMinute = fmt.Sprintf("%.2f", float64(late)/minutes)
	}
	retries := "off"
	if d.retries {
		retries = "on"
	}
	return fmt.Sprintf("| %v | %d | %s | %d | %d | %.2f %% | %d | %s |", d.rate, d.pool, retries, d.result.Requests(),
		d.result.Failed(), 100*float64(d.result.Failed())/float64(max(1, d.result.Requests())), early, perMinute)
}

// deaths runs all combinations at once.
func deaths(t *testing.T, rates []float64, lasts time.Duration) {
	t.Helper()
	var all []*death
	for _, rate := range rates {
		for _, pool := range []int{2, 3} {
			for _, retries := range []bool{true, false} {
				all = append(all, &death{rate: rate, pool: pool, retries: retries})
			}
		}
	}
	for _, d := range all {
		d.prepare(t)
	}
	var running sync.WaitGroup
	for _, d := range all {
		running.Go(func() { d.run(t.Context(), lasts) })
	}
	running.Wait()
	table := []string{
		"| requests/s | pool | retries | requests | failures | failures | in the first 10 s | per minute afterwards |",
		"|---:|---:|---|---:|---:|---:|---:|---:|",
	}
	for _, d := range all {
		d.check(t)
		table = append(table, d.row())
	}
	t.Logf("one back end refuses connections for %v:\n%s", lasts, strings.Join(table, "\n"))
}

func TestClientsSeeFewFailuresWhenABackEndDies(t *testing.T) {
	deaths(t, []float64{10, 100}, 6*time.Second)
}

func TestSoakClientsSeeFewFailuresWhenABackEndDies(t *testing.T) {
	Soak(t)
	deaths(t, []float64{0.1, 1, 10, 100}, 300*time.Second)
}

func TestABackEndComesBackAtTheSameAddress(t *testing.T) {
	t.Parallel()
	backends := []*Backend{NewBackend(t, "one"), NewBackend(t, "two")}
	s := newSite(t, backends...)
	g := startWeir(t, s)
	client := NewClient(4)
	backends[1].Die()
	if !Eventually(20*time.Second, func() bool {
		if a := ask(t, client, s.URL(), nil); a.Status != 200 {
			t.Errorf("with one of two dead: %d %s", a.Status, a.Body)
		}
		return g.Upstream("shop", backends[1].Address).State == "ejected"
	}) {
		t.Fatal("the dead back end is not ejected")
	}
	if refused := g.Upstream("shop", backends[1].Address).Attempts["refused"]; refused == 0 {
		t.Error("no refused connection is counted")
	}
	backends[1].Revive()
	before := backends[1].Requests()
	if !Eventually(20*time.Second, func() bool {
		ask(t, client, s.URL(), nil)
		return backends[1].Requests() > before+20 && g.Upstream("shop", backends[1].Address).State == "in"
	}) {
		t.Fatal("the revived back end does not come back")
	}
}

func TestAStalledBackEndCostsTimeButNoRequest(t *testing.T) {
	t.Parallel()
	backends := threeBackends(t)
	s := newSite(t, backends...)
	s.Transport = []string{"response_header_timeout 500ms"}
	g := startWeir(t, s)
	stalled := backends[2]
	stalled.Stall()
	if result := Closed(t.Context(), s.URL(), 8, 400); result.Failed() > 0 {
		t.Errorf("with one of three stalled: %v", result)
	}
	u := g.Upstream("shop", stalled.Address)
	if u.Attempts["timed_out"] == 0 || u.Attempts["success"] > 0 || u.State == "in" && u.SuccessRate > 0.95 {
		t.Errorf("the stalled back end is %s with the success rate %v after the attempts %v", u.State, u.SuccessRate, u.Attempts)
	}
	stalled.Answer()
	client := NewClient(1)
	if !Eventually(healWithin, func() bool {
		ask(t, client, s.URL(), nil)
		return g.Upstream("shop", stalled.Address).State == "in" && stalled.Requests() > 40
	}) {
		t.Errorf("the back end is not back %v after it answers again", healWithin)
	}
}
