package integration

// consul_reload_test.go reloads a gateway that is registered with Consul and follows a
// service there.

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/internal/consulserver"
)

const (
	joinedConnections = 4
	joinedRate        = 20.0 // requests a second
	// joinedDrain is how long the gateway drains, which whoever reads all that changes must
	// not miss.
	joinedDrain = 3 * time.Second
	// joinedUpdate is how soon another weight is written: at most every 5 s, once a second
	// is looked, on a busy machine later.
	joinedUpdate = 15 * time.Second
)

// joined is a gateway that is registered and follows two back ends.
type joined struct {
	*follower
	backends []*Backend
	consul   *consulserver.Server
	tap      *tap // which the gateway goes through
	keys     *chronicle
}

// newJoined starts one, and returns when it is registered.
func newJoined(t *testing.T) *joined {
	t.Helper()
	consul := consulserver.Start(t)
	j := &joined{consul: consul, tap: newTap(t, "127.0.0.1:0", consul.Address())}
	j.backends = []*Backend{NewBackend(t, "one"), NewBackend(t, "two")}
	newRoster(t, consul.Client()).putBackends(j.backends...)
	j.keys = chronicleOf(t, consul.Client(), "gateway")
	s := newSite(t)
	s.Dynamic = "consul_kv web"
	s.Transport = []string{"keepalive " + keepalive.String()}
	j.follower = &follower{site: s, source: "consul_kv:web"}
	j.Gateway = Start(t, Weir(t), s.Admin, j.config("first", j.register()))
	j.awaitUse(t, consulPatience, Addresses(j.backends)...)
	j.keys.await(t, consulPatience, "the registration", func(all []lease.Instance) bool { return len(all) == 1 })
	return j
}

// register is the option that registers the gateway, with more lines in its block.
func (j *joined) register(lines ...string) string {
	lines = append(lines, "drain "+joinedDrain.String())
	return fmt.Sprintf("register gateway %s {\n\t\t\t%s\n\t\t}", j.site.Address, strings.Join(lines, "\n\t\t\t"))
}

// config is the gateway's configuration with a header that tells it from others, and with
// what it registers.
func (j *joined) config(header string, register ...string) string {
	s := *j.site
	s.Global = []string{globalGovernance(append([]string{consulOption(j.tap.Address, j.consul.Token)}, register...)...)}
	s.Lines = []string{"header X-Config " + header}
	return s.Caddyfile()
}

// registration is the gateway's own.
func (j *joined) registration(t testing.TB) (r registration) {
	t.Helper()
	if err := j.look("/governance/registrations/gateway@"+j.site.Address, &r); err != nil {
		t.Error(err)
	}
	return r
}

// awaitRenewal waits until the lease is renewed once more.
func (j *joined) awaitRenewal(t testing.TB) {
	t.Helper()
	before := j.registration(t).Renewals
	if !Eventually(consulPatience, func() bool { return j.registration(t).Renewals > before }) {
		t.Errorf("the lease is not renewed: %+v", j.registration(t))
	}
}

// served is how many requests the back ends got.
func (j *joined) served() int64 { return j.backends[0].Requests() + j.backends[1].Requests() }

// reload reloads under load with configurations that differ in nothing but a header. It
// returns how the requests fared.
func (j *joined) reload(t testing.TB, times int) *Result {
	t.Helper()
	const between = 2 // requests
	stop := j.load()
	for n := range times {
		served := j.served()
		j.MustLoad(j.config([]string{"even", "odd"}[n%2], j.register()))
		if !Eventually(consulPatience, func() bool { return j.served() >= served+between }) {
			t.Fatalf("no requests come after reload %d", n)
		}
	}
	return stop()
}

// load sends requests, over connections that are kept, until it is stopped.
func (j *joined) load() (stop func() *Result) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan *Result, 1)
	go func() { done <- Steady(ctx, j.site.URL(), joinedConnections, joinedRate) }()
	return func() *Result {
		cancel()
		return <-done
	}
}

// asked is how many questions of the watch were answered, and were not.
func (j *joined) asked() (answers, errors float64) {
	m := j.Metrics()
	return m.Sum("gateway_discovery_answers_total"), m.Sum("gateway_discovery_errors_total")
}

func reloadJoined(t *testing.T, early, count int) {
	t.Parallel()
	j := newJoined(t)
	j.awaitRenewal(t) // by now it has all connections that it needs
	key, told := j.keys.only(t)
	page, connections, began := j.keys.at(), j.tap.accepted.Load(), time.Now()
	answers, _ := j.asked()

	results := []*Result{j.reload(t, early)}
	before := memoryAtRest(j.Gateway)
	results = append(results, j.reload(t, count-early))
	after := memoryAtRest(j.Gateway)
	took := time.Since(began)
	j.awaitRenewal(t)
	later, failed := j.asked()
	r := j.registration(t)
	all := Join(results...)
	t.Logf("%d reloads in %v: %v; %d registration, %d renewals, %d updates; %.0f answers to the watch; %d connections to Consul before, %d after; "+
		"goroutines %.0f after %d, %.0f in the end; live heap %.2f MiB after %d, %.2f in the end", count, took.Round(time.Second), all,
		r.Registrations, r.Renewals, r.Updates, later-answers, connections, j.tap.accepted.Load(),
		before.Goroutines, early, after.Goroutines, before.Heap/(1<<20), early, after.Heap/(1<<20))

	// nor are there more connections that a reload resets than there are reloads: see Result.Unanswered
	if all.FailedAnswers() > 0 || all.Unanswered() > count {
		t.Errorf("%d requests failed, %d were left without an answer", all.FailedAnswers(), all.Unanswered())
	}
	if r.Registrations != 1 || r.Failures != 0 || r.Session != key.Session || r.Instance.ID != told.ID {
		t.Errorf("there was not one registration all the time: %+v", r)
	}
	// the load of the process may have been written meanwhile, and nothing else
	pages := j.keys.since(page)
	for _, pairs := range pages {
		if len(pairs) != 1 || pairs[0].Key != key.Key || pairs[0].Session != key.Session || pairs[0].CreateIndex != key.CreateIndex ||
			pairs[0].LockIndex != key.LockIndex {
			t.Errorf("what is registered was\n%s\nand then\n%s", written(pages[0]), written(pairs))
		}
	}
	if changes := uint64(len(pages) - 1); changes > r.Updates {
		t.Errorf("the key was changed %d times, the lease did so %d times", changes, r.Updates)
	}
	// while nothing changes there is one answer a minute
	if most := took.Minutes() + 2; later-answers > most || failed != 0 {
		t.Errorf("the watch had %.0f answers, at most %.0f are expected, and %.0f questions failed", later-answers, most, failed)
	}
	// an update that meets a renewal takes a connection of its own
	if n := j.tap.accepted.Load() - connections; n > int64(r.Updates) {
		t.Errorf("the gateway made %d more connections to Consul", n)
	}
	if after.Goroutines > before.Goroutines+5 {
		t.Errorf("there are %.0f goroutines after %d reloads, %.0f after all", before.Goroutines, early, after.Goroutines)
	}
	if grown := after.Heap - before.Heap; grown > 1<<20+before.Heap/4 {
		t.Errorf("the live heap has grown by %.2f MiB", grown/(1<<20))
	}
	j.awaitUse(t, consulSoon, Addresses(j.backends)...)
}

func TestConsulReloadsKeepOneRegistrationAndOneWatch(t *testing.T) { reloadJoined(t, 20, 100) }

func TestSoakConsulReloadsKeepOneRegistrationAndOneWatch(t *testing.T) {
	Soak(t)
	reloadJoined(t, 100, 1000)
}
