package consul

// view.go is what a source makes of a set of instances.

import (
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/discovery"
	"github.com/weirproxy/weir/governance/lease"
)

// slab is how many upstreams are allocated together. A request keeps the one that it was
// sent to for as long as it takes, and with it all of its slab.
const slab = 32

// view is which instances of a set are used. It does not change.
type view struct {
	set       *discovery.Set
	tls       bool
	addresses []string       // of those that are used
	places    map[string]int // of all instances in the set, by address
	reluctant bool           // those that are used ask for no requests: there is nobody else

	idle, wrongScheme int // how many are not used
}

func newView(set *discovery.Set, tls bool) *view {
	v := &view{set: set, tls: tls, places: make(map[string]int, len(set.Instances))}
	var idle []string
	for place, i := range set.Instances {
		address := i.HostPort()
		v.places[address] = place
		switch {
		case !v.fits(i):
			v.wrongScheme++
		case isIdle(i):
			idle = append(idle, address)
		default:
			v.addresses = append(v.addresses, address)
		}
	}
	if len(v.addresses) == 0 {
		v.addresses, v.reluctant = idle, true
	} else {
		v.idle = len(idle)
	}
	return v
}

// fits tells whether the proxy's transport can speak to an instance. One that speaks TLS
// to all or to none would get an error of each request to another.
func (v *view) fits(i lease.Instance) bool { return (i.Scheme == "https") == v.tls }

// isIdle tells whether an instance asks for no requests.
func isIdle(i lease.Instance) bool { return i.Draining || i.Weight == 0 }

// unused says why an instance is not used; "" if it is.
func (v *view) unused(i lease.Instance) string {
	switch {
	case !v.fits(i) && v.tls:
		return "its scheme is " + i.Scheme + ", and the proxy's transport speaks TLS"
	case !v.fits(i):
		return "its scheme is " + i.Scheme + ", and the proxy's transport does not speak TLS"
	case v.reluctant:
		return ""
	case i.Draining:
		return "it drains"
	case i.Weight == 0:
		return "its weight is 0"
	}
	return ""
}

// upstreams returns the upstreams to use. They are new each time, as the proxy writes
// into them.
func (v *view) upstreams() []*reverseproxy.Upstream {
	all := make([]*reverseproxy.Upstream, len(v.addresses))
	var free []reverseproxy.Upstream
	for i, address := range v.addresses {
		if len(free) == 0 {
			free = make([]reverseproxy.Upstream, min(slab, len(all)-i))
		}
		free[0].Dial = address
		all[i], free = &free[0], free[1:]
	}
	return all
}

// info tells about the instance at an address.
func (v *view) info(address string) (weight float64, instance string, since time.Time, ok bool) {
	place, ok := v.places[address]
	if !ok {
		return 0, "", time.Time{}, false
	}
	i := &v.set.Instances[place]
	weight = i.Weight
	if v.reluctant { // all weigh 0, which would be nobody
		weight = 1
	}
	return weight, i.ID, i.StartedAt, true
}
