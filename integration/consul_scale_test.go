package integration

// consul_scale_test.go has a gateway follow many instances that change all the time.

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/internal/consulserver"
)

const (
	crowdSize    = 500
	crowdRequest = 50.0 // requests a second
	crowdChange  = 50.0 // changes a second
	// crowdQuiet is for how many requests nothing changes first, to know what those cost.
	crowdQuiet = 5 * crowdRequest
)

// crowd is many instances and the gateway that follows them.
type crowd struct {
	*roster
	*follower
	tap     *tap
	members []lease.Instance // as they were written last
	served  atomic.Int64
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	consul := consulserver.Start(t)
	c := &crowd{roster: newRoster(t, consul.Client()), tap: newTap(t, "127.0.0.1:0", consul.Address())}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c.served.Add(1)
		_, _ = io.WriteString(w, "hello\n")
	})}
	t.Cleanup(func() { _ = server.Close() })
	for n := range crowdSize {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = server.Serve(listener) }()
		i := instanceAt(fmt.Sprintf("instance-%03d", n), listener.Addr().String())
		i.StartedAt = time.Now().UTC()
		c.members = append(c.members, i)
	}
	c.put(c.members...)

	s := newSite(t)
	s.Global = []string{globalGovernance(consulOption(c.tap.Address, consul.Token))}
	s.Dynamic = sourceBlock("consul_kv web")
	// connections to 500 back ends would be most of what the gateway holds
	s.Transport = []string{"keepalive " + keepalive.String()}
	c.follower = follow(t, s)
	return c
}

// change gives one instance after the other another weight for so long, and returns how many
// it were.
func (c *crowd) change(lasts time.Duration) int {
	const atOnce = 16
	changes := int(lasts.Seconds() * crowdChange)
	began := time.Now()
	under := make(chan struct{}, atOnce)
	var writes sync.WaitGroup
	for n := range changes {
		due := began.Add(time.Duration(float64(n) / crowdChange * float64(time.Second)))
		time.Sleep(time.Until(due)) // the rate is what is asked for
		i := &c.members[n%crowdSize]
		i.Weight = 0.5 + float64(n%97)/97
		under <- struct{}{}
		writes.Go(func() {
			c.put(*i)
			<-under
		})
	}
	writes.Wait()
	if took := time.Since(began); took > lasts+5*time.Second {
		c.t.Errorf("%d changes took %v: Consul does not keep up, and this is no longer what it is about", changes, took)
	}
	return changes
}

// agree reports whether the gateway's set and its pool have the weights that were written
// last.
func (c *crowd) agree() bool {
	set, err := c.followed()
	if err != nil || len(set.Members) != crowdSize {
		return false
	}
	pool, err := c.LookUpPool("shop")
	if err != nil {
		return false
	}
	told, used := make(map[string]float64), make(map[string]float64)
	for _, m := range set.Members {
		told[m.HostPort()] = m.Weight
	}
	for _, u := range pool.Upstreams {
		used[u.Address] = u.Weight
	}
	for _, m := range c.members {
		if told[m.HostPort()] != m.Weight || used[m.HostPort()] != m.Weight {
			return false
		}
	}
	return true
}

// spent is what a gateway has used up so far.
type spent struct {
	at               time.Time
	cpu, answers     float64 // seconds, and of how many answers from Consul
	resident, errors float64 // bytes, and questions that failed
}

func (c *crowd) spent() spent {
	m := c.Metrics()
	return spent{
		at:       time.Now(),
		cpu:      m.Sum("process_cpu_seconds_total"),
		resident: m.Sum("process_resident_memory_bytes"),
		answers:  m.Sum("gateway_discovery_answers_total", "source", c.source),
		errors:   m.Sum("gateway_discovery_errors_total", "source", c.source),
	}
}

// cores is how much of a core was in use between two times.
func (s spent) cores(until spent) float64 { return (until.cpu - s.cpu) / until.at.Sub(s.at).Seconds() }

// followMany changes instances for so long. What it asserts of CPU and memory is several
// times what it measures, for machines that do other things too.
func followMany(t *testing.T, lasts time.Duration) {
	c := newCrowd(t)
	warm := sustain(t, c.site.URL(), crowdRequest)
	if !Eventually(consulPatience, c.agree) {
		t.Fatal("the gateway does not find the instances")
	}
	warm()
	before := memoryAtRest(c.Gateway)
	stop := sustain(t, c.site.URL(), crowdRequest)
	quiet := c.spent()
	served := c.served.Load()
	if !Eventually(consulPatience, func() bool { return c.served.Load() >= served+crowdQuiet }) {
		t.Error("there are too few requests")
	}
	begin := c.spent()
	changes := c.change(lasts)
	end := c.spent()
	last := time.Now()
	if !Eventually(consulSoon, c.agree) {
		t.Errorf("%v after the last change the gateway does not have it", consulSoon)
	}
	converged := time.Since(last)
	wantNoFailure(t, "requests to 500 instances", stop())
	after := memoryAtRest(c.Gateway)

	const mib = 1 << 20
	took := end.at.Sub(begin.at).Seconds()
	idle, busy := quiet.cores(begin), begin.cores(end)
	t.Logf("%d instances, %.0f requests/s: CPU %.2f %% of a core without changes; with %.1f changes/s for %.0f s %.2f %%, %.0f answers (%.2f/s); "+
		"resident %.1f MiB before, %.1f after; live heap %.2f MiB before, %.2f after; goroutines %.0f before, %.0f after; "+
		"the last change is in use after %v; %d connections to Consul",
		crowdSize, crowdRequest, 100*idle, float64(changes)/took, took, 100*busy, end.answers-begin.answers, (end.answers-begin.answers)/took,
		begin.resident/mib, end.resident/mib, before.Heap/mib, after.Heap/mib, before.Goroutines, after.Goroutines,
		converged.Round(time.Millisecond), c.tap.accepted.Load())

	if n := c.tap.accepted.Load(); n != 1 {
		t.Errorf("the gateway made %d connections to Consul, want one", n)
	}
	// two may be asked in a row, and then one a second
	if n := end.answers - begin.answers; n > took+2 || n < took/3 || end.errors != 0 {
		t.Errorf("in %.1f s there were %.0f answers, and %.0f questions failed; about one answer a second is expected", took, n, end.errors)
	}
	if busy-idle > 0.25 {
		t.Errorf("to follow the changes takes %.2f of a core", busy-idle)
	}
	if grown := end.resident - begin.resident; grown > 64*mib {
		t.Errorf("the process has grown by %.1f MiB", grown/mib)
	}
	if grown := after.Heap - before.Heap; grown > 8*mib {
		t.Errorf("the live heap has grown by %.1f MiB", grown/mib)
	}
	if grown := after.Goroutines - before.Goroutines; grown > 10 {
		t.Errorf("there are %.0f goroutines more than before", grown)
	}
}

func TestConsulFollowsManyInstancesOverOneConnection(t *testing.T) { followMany(t, 10*time.Second) }

func TestSoakConsulFollowsManyInstancesOverOneConnection(t *testing.T) {
	Soak(t)
	followMany(t, 2*time.Minute)
}
