package consul

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/discovery"
	"github.com/weirproxy/weir/governance/lease"
)

// member is instance number n of a service, changed by change.
func member(n int, change func(*lease.Instance)) lease.Instance {
	i := lease.Instance{
		ID: fmt.Sprintf("web-%d", n), Address: "10.0.0." + fmt.Sprint(n), Port: 8080, Scheme: "http", Weight: 1,
		StartedAt: time.Date(2024, 5, 6, 7, 8, n, 0, time.UTC),
	}
	if change != nil {
		change(&i)
	}
	return i
}

func dials(v *view) (all []string) {
	for _, u := range v.upstreams() {
		all = append(all, u.Dial)
	}
	return all
}

func drains(i *lease.Instance)     { i.Draining, i.Weight = true, 0 }
func weightless(i *lease.Instance) { i.Weight = 0 }
func secure(i *lease.Instance)     { i.Scheme = "https" }
func h2c(i *lease.Instance)        { i.Scheme = "h2c" }

func TestView(t *testing.T) {
	const a, b, c = "10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"
	secureAndDraining := func(i *lease.Instance) { secure(i); drains(i) }
	for name, test := range map[string]struct {
		changes           []func(*lease.Instance) // one for each instance
		tls               bool
		want              []string
		idle, wrongScheme int
		unused            []string
	}{
		"nobody":            {},
		"all":               {[]func(*lease.Instance){nil, nil, h2c}, false, []string{a, b, c}, 0, 0, []string{"", "", ""}},
		"one drains":        {[]func(*lease.Instance){nil, drains, nil}, false, []string{a, c}, 1, 0, []string{"", "it drains", ""}},
		"two have weight 0": {[]func(*lease.Instance){weightless, nil, weightless}, false, []string{b}, 2, 0, []string{"its weight is 0", "", "its weight is 0"}},
		"all leave":         {[]func(*lease.Instance){weightless, drains, drains}, false, []string{a, b, c}, 0, 0, []string{"", "", ""}},
		"TLS": {[]func(*lease.Instance){nil, secure, h2c}, true, []string{b}, 0, 2, []string{
			"its scheme is http, and the proxy's transport speaks TLS", "", "its scheme is h2c, and the proxy's transport speaks TLS",
		}},
		// whom the transport cannot speak to is not used even if nobody else is there
		"no TLS": {[]func(*lease.Instance){secure, secure, drains}, false, []string{c}, 0, 2, []string{
			"its scheme is https, and the proxy's transport does not speak TLS",
			"its scheme is https, and the proxy's transport does not speak TLS", "",
		}},
		"none fits": {[]func(*lease.Instance){secureAndDraining}, false, nil, 0, 1, []string{"its scheme is https, and the proxy's transport does not speak TLS"}},
	} {
		t.Run(name, func(t *testing.T) {
			set := new(discovery.Set)
			for n, change := range test.changes {
				set.Instances = append(set.Instances, member(n+1, change))
			}
			v := newView(set, test.tls)
			if got := dials(v); !slices.Equal(got, test.want) {
				t.Errorf("the upstreams are %v, want %v", got, test.want)
			}
			if v.idle != test.idle || v.wrongScheme != test.wrongScheme {
				t.Errorf("%d are idle and %d have the wrong scheme, want %d and %d", v.idle, v.wrongScheme, test.idle, test.wrongScheme)
			}
			for n, i := range set.Instances {
				if got := v.unused(i); got != test.unused[n] {
					t.Errorf("instance %d is unused because %q, want %q", n+1, got, test.unused[n])
				}
			}
		})
	}
}

func TestInfo(t *testing.T) {
	heavy := func(i *lease.Instance) { i.Weight = 2.5 }
	v := newView(&discovery.Set{Instances: []lease.Instance{member(1, heavy), member(2, drains), member(3, nil)}}, false)
	check := func(address string, weight float64, id string) {
		t.Helper()
		got, instance, since, ok := v.info(address)
		if !ok || got != weight || instance != id || since.Year() != 2024 {
			t.Errorf("%s has the weight %v, the id %q and the start %s, %v; want %v and %q", address, got, instance, since, ok, weight, id)
		}
	}
	check("10.0.0.1:8080", 2.5, "web-1")
	check("10.0.0.2:8080", 0, "web-2") // may still be in the pool of a request under way
	check("10.0.0.3:8080", 1, "web-3")
	if _, _, _, ok := v.info("10.0.0.4:8080"); ok {
		t.Error("there is something to tell of an address where nobody is")
	}
	v = newView(&discovery.Set{Instances: []lease.Instance{member(1, drains), member(2, weightless)}}, false)
	check("10.0.0.1:8080", 1, "web-1")
	check("10.0.0.2:8080", 1, "web-2")
}

// The proxy writes into the upstreams that it gets.
func TestUpstreamsAreNewEachTime(t *testing.T) {
	set := new(discovery.Set)
	for n := range 3*slab + 1 {
		set.Instances = append(set.Instances, member(n, nil))
	}
	v := newView(set, false)
	seen := make(map[any]bool)
	for range 2 {
		all := v.upstreams()
		for n, u := range all {
			if u.Dial != set.Instances[n].HostPort() {
				t.Fatalf("upstream %d is %s", n, u.Dial)
			}
			if seen[u] {
				t.Fatalf("%s is given out twice", u.Dial)
			}
			seen[u] = true
			u.MaxRequests = n + 1
		}
	}
	if len(seen) != 2*len(set.Instances) {
		t.Errorf("%d upstreams, want two of each instance", len(seen))
	}
}
