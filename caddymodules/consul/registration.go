package consul

// registration.go holds what can be set of a registration.

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/lease"
)

// Registration registers the process as an instance of a service.
type Registration struct {
	// Service is the name of the service: 1 to 128 letters, digits and any of ._~:@+[]- .
	// Required.
	Service string `json:"service,omitempty"`
	// Address is where others reach the process, host:port. Required.
	Address string `json:"address,omitempty"`
	// ID is the id of the instance within its service. One that stays the same over
	// restarts must wait, after a crash, for the lease of before to expire. Default: the
	// address, ~ and eight random digits.
	ID string `json:"id,omitempty"`
	// TTL is how long the lease lives without a renewal, 10s to 24h: Consul removes a
	// process that was killed after one to two of it. Default: 10s.
	TTL caddy.Duration `json:"ttl,omitempty"`
	// Weight is the weight beside other instances, above 0 and at most 1,000,000; half of
	// it is advertised while the process is overloaded. Default: 1.
	Weight float64 `json:"weight,omitempty"`
	// Drain is how long the instance is marked as draining before it is removed, at most
	// 1h; negative means not at all. Default: 5s.
	Drain caddy.Duration `json:"drain,omitempty"`
	// Scheme is how to talk to it: http, https or h2c. Default: http.
	Scheme string `json:"scheme,omitempty"`
	// Stage, Version and Zone are texts of at most 64 bytes to choose instances by.
	// Default: none.
	Stage   string `json:"stage,omitempty"`
	Version string `json:"version,omitempty"`
	Zone    string `json:"zone,omitempty"`
	// Prefix is what comes before the service in the key. Default: weir/services.
	Prefix string `json:"prefix,omitempty"`
}

// Validate says what makes no sense. Its errors begin with the option's name.
func (r *Registration) Validate() error {
	switch {
	case r.Service == "":
		return errors.New("service is missing: give its name and the address, as in register web 10.0.1.5:8080")
	case r.Address == "":
		return errors.New("address is missing: give the host:port where others reach this process")
	case r.TTL < 0:
		return fmt.Errorf("ttl %s is less than 10s", time.Duration(r.TTL))
	case r.Weight < 0:
		return fmt.Errorf("weight %v is less than 0", r.Weight)
	}
	if err := r.settings().Validate(); err != nil {
		return err
	}
	i, err := r.instance()
	if err != nil {
		return err
	}
	for _, text := range [...]struct{ name, value string }{{"stage", i.Stage}, {"version", i.Version}, {"zone", i.Zone}} {
		if strings.ContainsAny(text.value, "{}") {
			return fmt.Errorf("%s %q: no placeholders are replaced here; {$NAME} takes a value from the environment", text.name, text.value)
		}
	}
	if i.ID != "" {
		return i.Validate()
	}
	i.ID = "any"
	if err := i.Validate(); err != nil {
		return err
	}
	if i.ID = newID(i); i.Validate() != nil {
		return fmt.Errorf("address %q is too long to make an id of it: set id", r.Address)
	}
	return nil
}

func (r *Registration) settings() lease.Settings {
	return lease.Settings{Service: r.Service, Prefix: r.Prefix, TTL: time.Duration(r.TTL), Drain: time.Duration(r.Drain)}
}

// instance returns what is advertised while all is well, without an id unless one is set.
func (r *Registration) instance() (lease.Instance, error) {
	host, port, err := net.SplitHostPort(r.Address)
	if err != nil {
		return lease.Instance{}, fmt.Errorf("address %q is not of the form host:port", r.Address)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return lease.Instance{}, fmt.Errorf("address %q: the port is no number", r.Address)
	}
	i := lease.Instance{
		ID: r.ID, Address: host, Port: n, Scheme: r.Scheme, Weight: r.Weight,
		Stage: r.Stage, Version: r.Version, Zone: r.Zone,
	}
	if i.Weight == 0 {
		i.Weight = 1
	}
	return i, nil
}

// clash says why two registrations cannot be in one configuration.
func (r *Registration) clash(with Registration) error {
	switch {
	case r.name() == with.name():
		return errors.New("it is given twice")
	case r.ID != "" && r.ID == with.ID && r.Service == with.Service && r.terms("").prefix == with.terms("").prefix:
		return fmt.Errorf("id %s is also that of %s: only one of them could be registered", r.ID, with.Address)
	}
	return nil
}

// name is that of the registration in metrics and in the admin API.
func (r *Registration) name() string { return r.Service + "@" + r.Address }

// terms are the settings of a lease that cannot change while it lasts.
type terms struct {
	id         string // empty: a random one
	prefix     string
	ttl, drain time.Duration
	consul     string // the identity of the client
}

func (r *Registration) terms(identity string) terms {
	t := terms{id: r.ID, prefix: r.Prefix, ttl: time.Duration(r.TTL), drain: time.Duration(r.Drain), consul: identity}
	// a default that is spelled out is no difference
	t.prefix = cmp.Or(t.prefix, lease.DefaultPrefix)
	t.ttl = cmp.Or(t.ttl, lease.DefaultTTL)
	t.drain = max(0, cmp.Or(t.drain, lease.DefaultDrain))
	return t
}

// newID makes an id that no other instance has, nor the same one after a restart, which
// would have to wait for the lease of before.
func newID(i lease.Instance) string { return fmt.Sprintf("%s~%08x", i.HostPort(), rand.Uint32()) }
