package consul

// registration_view.go is a configuration's hold on a registration, and how the
// registration is shown.

import (
	"log/slog"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/processhealth"
)

// registrationKind is the registry's name for registrations.
const registrationKind = "registrations"

// registrar holds a registration for one configuration.
type registrar struct {
	Registration
	terms    terms
	instance lease.Instance // what is advertised while all is well
	client   *api.Client
	slog     *slog.Logger
	monitor  *processhealth.Monitor // nil: nobody knows the health
	// inForce calls a function once the configuration is the one that runs. Before that
	// its servers may not listen yet, or never do.
	inForce func(func())

	live   *liveRegistration
	handle *livestate.Handle
	left   bool // guarded by live.mu
}

// hold takes part in the registration for a configuration.
func (r *registrar) hold(configuration any) error {
	live, handle, err := livestate.Acquire(livestate.Default, livestate.Claim{
		Key:           livestate.Key{Kind: registrationKind, Name: r.name()},
		Configuration: configuration, // which has each of them once, so that settings cannot differ
		Place:         "the global option governance",
	}, func() (*liveRegistration, error) {
		return &liveRegistration{since: time.Now(), wake: make(chan struct{}, 1)}, nil
	})
	if err != nil {
		return err
	}
	r.live, r.handle = live, handle
	live.mu.Lock()
	defer live.mu.Unlock()
	live.holders++
	return nil
}

// Lead implements livestate.Leader.
func (r *registrar) Lead() { r.inForce(func() { r.live.follow(r) }) }

// release takes hold back.
func (r *registrar) release() {
	r.live.leave(r)
	r.handle.Release()
}

// wanted returns what is to be advertised now, and why that is not what is configured.
func (r *registrar) wanted() (lease.Instance, string) {
	i := r.instance
	if r.monitor == nil {
		return i, ""
	}
	var why []string
	verdict := r.monitor.Verdict()
	i.Load = verdict.Pressure
	if verdict.Level == processhealth.Danger {
		i.Weight /= 2
		why = append(why, "overloaded")
	}
	if kind := r.monitor.Decision().Kind; kind != "" {
		i.Draining = true
		why = append(why, "operator: "+kind)
	}
	return i, strings.Join(why, ", ")
}

// registrationSnapshot is a registration as the admin API shows it.
type registrationSnapshot struct {
	Name    string `json:"name"`
	Service string `json:"service"`
	Address string `json:"address"`
	// ConfiguredWeight is what is advertised while all is well.
	ConfiguredWeight float64 `json:"configured_weight"`
	// Health is why the instance has another weight, or drains.
	Health string `json:"health,omitempty"`
	// Registered is whether the process is registered, also while another lease takes over.
	Registered bool `json:"registered"`
	// State is that of the lease; its counts are those of all leases so far.
	lease.State
}

// Snapshot implements livestate.View.
func (r *registrar) Snapshot() any { return r.snapshot() }

func (r *registrar) snapshot() registrationSnapshot {
	l := r.live
	l.mu.Lock()
	defer l.mu.Unlock()
	s := registrationSnapshot{
		Name: r.name(), Service: r.Service, Address: r.Address, ConfiguredWeight: r.instance.Weight, Health: l.health,
		Registered: l.registered(),
		State:      lease.State{Since: l.since, Instance: r.instance}, // of what is yet to begin
	}
	if l.current != nil {
		s.State = l.current.State()
	}
	l.total().apply(&s.State)
	return s
}

// counts are those of several leases together.
type counts struct {
	registrations, renewals, updates, failures uint64
	losses                                     map[string]uint64
}

func (c *counts) add(s lease.State) {
	c.registrations += s.Registrations
	c.renewals += s.Renewals
	c.updates += s.Updates
	c.failures += s.Failures
	if c.losses == nil {
		c.losses = make(map[string]uint64)
	}
	for reason, n := range s.Losses {
		c.losses[reason] += n
	}
}

func (c *counts) apply(s *lease.State) {
	s.Registrations, s.Renewals, s.Updates, s.Failures, s.Losses = c.registrations, c.renewals, c.updates, c.failures, c.losses
}

// total returns the counts of all leases so far. It is called with the lock held.
func (l *liveRegistration) total() *counts {
	c := counts{losses: make(map[string]uint64)}
	before := lease.State{}
	l.earlier.apply(&before)
	c.add(before)
	for _, h := range l.leases {
		c.add(h.State())
	}
	return &c
}

// registered reports whether any of the leases is. It is called with the lock held.
func (l *liveRegistration) registered() bool {
	for _, h := range l.leases {
		if h.State().Phase == lease.Registered {
			return true
		}
	}
	return false
}

// Interface guards
var (
	_ livestate.Leader = (*registrar)(nil)
)
