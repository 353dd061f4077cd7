package consul

// discovery_admin.go is the admin API's view of a source of upstreams.

import (
	"time"

	"github.com/weirproxy/weir/governance/discovery"
	"github.com/weirproxy/weir/governance/lease"
)

// discoverySnapshot is what the admin API lists of a source.
type discoverySnapshot struct {
	Name string `json:"name"`
	// Source says what is asked of Consul.
	Source string `json:"source"`
	discovery.Status
	// Used is how many instances the proxy is told of; Idle and WrongScheme are those of
	// the set that are left out.
	Used        int `json:"used"`
	Idle        int `json:"idle,omitempty"`
	WrongScheme int `json:"wrong_scheme,omitempty"`
}

// discoveryDetail is what it tells of one.
type discoveryDetail struct {
	discoverySnapshot
	// ToldAt is when Consul told the set that is in use.
	ToldAt  time.Time        `json:"told_at,omitzero"`
	Members []instanceDetail `json:"members"`
}

type instanceDetail struct {
	lease.Instance
	// Unused is why the instance is not used; it is empty if it is.
	Unused string `json:"unused,omitempty"`
}

// Snapshot implements livestate.View.
func (s *source) Snapshot() any { return s.snapshot(s.watch.set()) }

func (s *source) snapshot(set *discovery.Set) discoverySnapshot {
	shown := discoverySnapshot{Name: s.name, Source: s.asks.Name(), Status: s.watch.status()}
	if set != nil {
		v := s.view(set)
		shown.Used, shown.Idle, shown.WrongScheme = len(v.addresses), v.idle, v.wrongScheme
	}
	return shown
}

// Detail implements livestate.Detailed.
func (s *source) Detail() any {
	set := s.watch.set()
	shown := discoveryDetail{discoverySnapshot: s.snapshot(set), Members: []instanceDetail{}}
	if set == nil {
		return shown
	}
	shown.ToldAt = set.At
	v := s.view(set)
	for _, i := range set.Instances {
		shown.Members = append(shown.Members, instanceDetail{i, v.unused(i)})
	}
	return shown
}
