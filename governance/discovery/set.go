package discovery

// set.go makes the set that is read out of the instances that are known.

import (
	"net/netip"
	"slices"
	"time"

	"github.com/weirproxy/weir/governance/lease"
)

// Set is the instances to use. It does not change, and must not be changed.
type Set struct {
	// Instances are sorted by ID; no two have the same address and port. Those that
	// drain have the weight 0: they are there for what they still have to finish.
	Instances []lease.Instance
	// Index is Consul's in the answer that made the set what it is; 0 if the set was read
	// from the cache file.
	Index uint64
	// At is when that answer came.
	At time.Time
}

// same reports whether the instances are.
func (s *Set) same(as *Set) bool {
	return slices.EqualFunc(s.Instances, as.Instances, func(a, b lease.Instance) bool {
		started := a.StartedAt.Equal(b.StartedAt)
		a.StartedAt, b.StartedAt = time.Time{}, time.Time{}
		return started && a == b
	})
}

// sift sorts an answer out by what the settings allow and ask for, and counts what is
// left out in the status.
func (s Settings) sift(instances []lease.Instance, status *Status) heard {
	status.Refused, status.RefusedAddress, status.Superseded = 0, "", 0
	h := heard{ids: make(map[string]bool, len(instances)), at: make(map[string]lease.Instance, len(instances))}
	for _, i := range instances {
		if h.ids[i.ID] {
			continue
		}
		h.ids[i.ID] = true
		if !s.allows(i.Address) {
			if status.Refused++; status.RefusedAddress == "" {
				status.RefusedAddress = i.Address
			}
			continue
		}
		address := i.HostPort()
		other, taken := h.at[address]
		if taken {
			status.Superseded++
		}
		if !taken || later(i, other) {
			h.at[address] = i
		}
	}
	for _, i := range h.at {
		if (s.Stage == "" || i.Stage == s.Stage) && (s.Version == "" || i.Version == s.Version) {
			h.listed = append(h.listed, i)
		}
	}
	slices.SortFunc(h.listed, byID)
	return h
}

// later decides between two instances at one address, where only one can be: the other
// crashed, and its lease has not expired yet.
func later(a, b lease.Instance) bool {
	if c := a.StartedAt.Compare(b.StartedAt); c != 0 {
		return c > 0
	}
	return a.ID > b.ID
}

func (s Settings) allows(address string) bool {
	if len(s.Allow) == 0 {
		return true
	}
	ip, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(s.Allow, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// choose returns the members to use: those of the zone while one of them takes traffic,
// else all.
func (s Settings) choose(g *guard) []lease.Instance {
	// who is held back may be gone, and so may all of a zone; while everybody is held, that
	// says nothing
	telling := len(g.held) < len(g.members)
	takes := func(i lease.Instance) bool {
		_, held := g.held[i.ID]
		return i.Zone == s.Zone && i.Weight > 0 && !i.Draining && !(held && telling)
	}
	own := s.Zone != "" && slices.ContainsFunc(g.members, takes)
	chosen := make([]lease.Instance, 0, len(g.members))
	for _, i := range g.members {
		if own && i.Zone != s.Zone {
			continue
		}
		if i.Draining {
			i.Weight = 0
		}
		chosen = append(chosen, i)
	}
	return chosen
}
