package lease

// settings.go holds what can be set, the defaults, and what makes no sense.

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// What Settings are unless they say otherwise: where the keys of services are, the TTL of
// sessions, and how long an instance is marked as draining.
const (
	DefaultPrefix = "weir/services"
	DefaultTTL    = leastTTL
	DefaultDrain  = 5 * time.Second
)

const (
	leastTTL  = 10 * time.Second // Consul takes no less
	mostTTL   = 24 * time.Hour   // and no more
	mostDrain = time.Hour
)

// Settings of a lease.
type Settings struct {
	// Service is the name of the service the instance belongs to: 1 to 128 letters,
	// digits and any of ._~:@+[]- . Required.
	Service string
	// Prefix is what comes before the service in the key, its parts divided by slashes.
	// Default: weir/services.
	Prefix string
	// TTL is that of the session, 10 s to 24 h. Consul removes the key of an instance that
	// is gone between one and two TTLs after the last renewal, later if its leader changes
	// meanwhile. Default: 10 s.
	TTL time.Duration
	// Drain is how long Release leaves the instance marked as draining before the key
	// goes, at most 1 h. Default: 5 s; negative means not at all.
	Drain time.Duration
	// UpdateEvery is the least time between two writes of a changed value, at least
	// 100 ms, as every write goes through Consul's log on all servers. Default: 5 s.
	UpdateEvery time.Duration
	// NodeChecks are the ids of checks on the agent's node that end the session when they
	// fail, such as serfHealth. Default: none, so that the TTL alone decides: with an agent
	// that is not the instance's own, its failure would end the leases of healthy ones.
	NodeChecks []string
	// Logger gets a line for each change of state. Default: none.
	Logger *slog.Logger
}

// Validate says what makes no sense.
func (s Settings) Validate() error {
	d := s.withDefaults()
	if err := validName("service", d.Service); err != nil {
		return err
	}
	for part := range strings.SplitSeq(d.Prefix, "/") {
		if err := validName("prefix "+quoted(d.Prefix)+": the part", part); err != nil {
			return err
		}
	}
	switch {
	case d.TTL < leastTTL || d.TTL > mostTTL:
		return fmt.Errorf("ttl %s is not between %s and %s", d.TTL, leastTTL, mostTTL)
	case d.Drain > mostDrain:
		return fmt.Errorf("drain %s is more than %s", d.Drain, mostDrain)
	case d.UpdateEvery < 100*time.Millisecond:
		return fmt.Errorf("update interval %s is less than 100ms", d.UpdateEvery)
	}
	return nil
}

func (s Settings) withDefaults() Settings {
	if s.Prefix == "" {
		s.Prefix = DefaultPrefix
	}
	if s.TTL == 0 {
		s.TTL = DefaultTTL
	}
	if s.Drain == 0 {
		s.Drain = DefaultDrain
	}
	if s.UpdateEvery == 0 {
		s.UpdateEvery = 5 * time.Second
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	return s
}
