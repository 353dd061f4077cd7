package balance

// binding.go ties the upstreams that reverse_proxy offers for a request to the
// members of the balancer.

import (
	"math"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/balance"
)

// refreshEvery is how often a source of dynamic upstreams is asked what it knows of
// them, and told members are noted as being there.
const refreshEvery = time.Second

// memberSource is what a source of dynamic upstreams can implement, without
// importing anything of weir, to tell more about an upstream than its address.
type memberSource interface {
	// UpstreamInfo returns the weight of the upstream at address (the Dial of what
	// GetUpstreams returned), an id of the process behind it, and when that
	// started; "" and the zero time if unknown. It must not block.
	UpstreamInfo(address string) (weight float64, instance string, since time.Time, ok bool)
}

// binding maps the members of a table to places in a slice of upstreams.
type binding struct {
	table *balance.Table
	// first keeps the slice's memory from being used for another slice, so equal
	// pointers mean equal slices.
	first     **reverseproxy.Upstream
	addresses []string
	// places has, for each member, its place in the slice or -1; nil if the
	// places are the members' own.
	places []int
	// partial tells that there are members without a place.
	partial bool
	made    time.Time
}

// pick returns the upstream for the next attempt of a request, or nil.
func (b *binding) pick(pool reverseproxy.UpstreamPool, tried func(int) bool) *reverseproxy.Upstream {
	if tried == nil && !b.partial {
		if u := b.upstream(pool, b.table.Next()); u != nil && u.Available() {
			return u
		}
	}
	return b.pickSlowly(pool, tried)
}

func (b *binding) pickSlowly(pool reverseproxy.UpstreamPool, tried func(int) bool) *reverseproxy.Upstream {
	available := func(member int) bool {
		u := b.upstream(pool, member)
		return u != nil && u.Available()
	}
	if b.partial {
		return b.upstream(pool, b.table.Draw(available, tried))
	}
	return b.upstream(pool, b.table.Pick(available, tried))
}

// upstream returns the upstream for a member, or nil.
func (b *binding) upstream(pool reverseproxy.UpstreamPool, member int) *reverseproxy.Upstream {
	if member >= 0 && b.places != nil {
		member = b.places[member]
	}
	if member < 0 {
		return nil
	}
	return pool[member]
}

// of reports whether the binding is that of pool. A static pool is the same slice
// for ever; a dynamic one is new each time and compared by its addresses.
func (b *binding) of(pool reverseproxy.UpstreamPool, dynamic bool) bool {
	if len(pool) != len(b.addresses) {
		return false
	}
	if !dynamic {
		return b.first == &pool[0]
	}
	for i, u := range pool {
		if u.String() != b.addresses[i] {
			return false
		}
	}
	return time.Since(b.made) < refreshEvery
}

// bind returns the binding of pool.
func (p *Policy) bind(pool reverseproxy.UpstreamPool) *binding {
	if b := p.current.Load(); b != nil && b.of(pool, p.dynamic) {
		return b
	}
	b := p.newBinding(pool)
	p.current.Store(b)
	return b
}

func (p *Policy) newBinding(pool reverseproxy.UpstreamPool) *binding {
	b := &binding{first: &pool[0], addresses: make([]string, len(pool)), made: time.Now()}
	last := p.current.Load()
	table := p.balancer.Table()
	known := table != nil && last != nil && b.made.Sub(last.made) < refreshEvery
	for i, u := range pool {
		b.addresses[i] = u.String()
		known = known && table.Index(b.addresses[i]) >= 0
	}
	if known {
		b.made = last.made // members are told anew once a second, not at each change
	} else if p.dynamic {
		table = p.balancer.Learn(p.members(pool))
	} else {
		table = p.balancer.Sync(p.members(pool))
	}
	b.table = table
	b.places = places(table, b.addresses)
	b.partial = slices.Contains(b.places, -1)
	return b
}

// places maps members to their places among addresses; nil means that they are the
// same.
func places(table *balance.Table, addresses []string) []int {
	places := make([]int, table.Len())
	for member := range places {
		places[member] = -1
	}
	same := len(places) == len(addresses)
	for i, address := range addresses {
		member := table.Index(address)
		same = same && member == i
		if member >= 0 && places[member] < 0 {
			places[member] = i
		}
	}
	if same {
		return nil
	}
	return places
}

// members describes the upstreams of pool, each address once.
func (p *Policy) members(pool reverseproxy.UpstreamPool) []balance.Member {
	source := p.source()
	members := make([]balance.Member, 0, len(pool))
	seen := make(map[string]bool, len(pool))
	for _, u := range pool {
		address := u.String()
		if seen[address] {
			continue
		}
		seen[address] = true
		members = append(members, p.member(address, source))
	}
	return members
}

func (p *Policy) member(address string, source memberSource) balance.Member {
	m := balance.Member{Address: address, Weight: 1, Advertised: p.dynamic}
	if weight, configured := p.weights[address]; configured {
		m.Weight, m.Advertised = weight, false
	}
	if source == nil {
		return m
	}
	if weight, instance, since, ok := source.UpstreamInfo(address); ok {
		m.Instance, m.Since = instance, since
		if weight >= 0 && !math.IsInf(weight, 1) {
			m.Weight, m.Advertised = weight, true
		}
	}
	return m
}
