package consul

// source_modules.go holds the two modules and what can be set.

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/consul/api"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/discovery"
	"github.com/weirproxy/weir/governance/lease"
)

func init() {
	caddy.RegisterModule(new(KVUpstreams))
	caddy.RegisterModule(new(ServiceUpstreams))
}

// KVUpstreams provides upstreams from the leases of a service in Consul's key/value
// store, as package lease, the global option register and caddy service-lease hold them.
//
// One watch in the background follows them for all that name the same service. What it
// heard last stays in use while Consul does not answer, and over reloads.
type KVUpstreams struct {
	// Service is the name of the service. Required.
	Service string `json:"service,omitempty"`
	// Prefix is below which key the services are. Default: weir/services.
	Prefix string `json:"prefix,omitempty"`
	Discovery
	source
}

// ServiceUpstreams provides upstreams from Consul's catalogue: the healthy instances of a
// service that is registered with Consul's agents. Those whose checks are critical, or that
// are in maintenance, count as gone.
//
// One watch in the background follows them for all that name the same service. What it
// heard last stays in use while Consul does not answer, and over reloads.
type ServiceUpstreams struct {
	// Service is the name of the service. Required.
	Service string `json:"service,omitempty"`
	// Tag is one that instances must have. Default: any or none.
	Tag string `json:"tag,omitempty"`
	// Passing leaves out also those of which a check has a warning. Default: they are
	// used, with the weight that they have for this.
	Passing bool `json:"passing,omitempty"`
	Discovery
	source
}

// Discovery is what both sources of upstreams can be told.
type Discovery struct {
	// Stage is the one that instances must have. Default: any.
	Stage string `json:"stage,omitempty"`
	// Version is the one that instances must have. Default: any.
	Version string `json:"version,omitempty"`
	// Zone is preferred: instances of other zones are used only while none of this one
	// takes requests. Default: all zones alike.
	Zone string `json:"zone,omitempty"`
	// Allow are the addresses, as CIDR ranges or single ones, at which instances may be.
	// All others, and names, are never used. Default: anywhere.
	Allow []string `json:"allow,omitempty"`
	// EmptyAfter is how long Consul must say without a break that there are no instances
	// until that is believed; at most 24h. Default: 30s.
	EmptyAfter caddy.Duration `json:"empty_after,omitempty"`
	// MaxRemoval is the largest part of the instances, above 0 and at most 1, that is
	// removed in removal_interval; one always may, and with 1 all may at any time. Those
	// that drain are not counted. Default: 0.5.
	MaxRemoval float64 `json:"max_removal,omitempty"`
	// RemovalInterval is 1s to 1h. Default: 10s.
	RemovalInterval caddy.Duration `json:"removal_interval,omitempty"`
	// CacheFile is where the instances are kept for a start while Consul does not answer.
	// Its directory must exist; each source needs a file of its own. Default: none.
	CacheFile string `json:"cache_file,omitempty"`
	// CacheMaxAge is how old what Consul said may be for it to be used at a start; at
	// least 1m. Default: 24h.
	CacheMaxAge caddy.Duration `json:"cache_max_age,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*KVUpstreams) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.upstreams.consul_kv",
		New: func() caddy.Module { return new(KVUpstreams) },
	}
}

// CaddyModule returns the Caddy module information.
func (*ServiceUpstreams) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.upstreams.consul_service",
		New: func() caddy.Module { return new(ServiceUpstreams) },
	}
}

// Provision checks the settings and takes up the watch of the service.
func (u *KVUpstreams) Provision(ctx caddy.Context) error { return u.source.provision(ctx, u) }

// Provision checks the settings and takes up the watch of the service.
func (u *ServiceUpstreams) Provision(ctx caddy.Context) error { return u.source.provision(ctx, u) }

func (u *KVUpstreams) of(client *api.Client) (discovery.Source, error) {
	return discovery.KV(client, u.Prefix, u.Service)
}

func (u *ServiceUpstreams) of(client *api.Client) (discovery.Source, error) {
	if err := fixed("tag", u.Tag); err != nil {
		return nil, err
	}
	return discovery.Catalogue(client, u.Service, u.Tag, u.Passing)
}

func (u *KVUpstreams) label() string {
	label := "consul_kv:" + u.Service
	if u.Prefix != "" && u.Prefix != lease.DefaultPrefix {
		label += ",prefix=" + u.Prefix
	}
	return label + u.Discovery.label()
}

func (u *ServiceUpstreams) label() string {
	label := "consul_service:" + u.Service
	if u.Tag != "" {
		label += ",tag=" + u.Tag
	}
	if u.Passing {
		label += ",passing"
	}
	return label + u.Discovery.label()
}

// label is the part of a name that says which instances are chosen.
func (d *Discovery) label() (label string) {
	for _, by := range []struct{ name, value string }{{"stage", d.Stage}, {"version", d.Version}, {"zone", d.Zone}} {
		if by.value != "" {
			label += "," + by.name + "=" + by.value
		}
	}
	return label
}

func (d *Discovery) options() *Discovery { return d }

// settings returns what the options come to, or which makes no sense.
func (d *Discovery) settings() (discovery.Settings, error) {
	s := discovery.Settings{
		Stage: d.Stage, Version: d.Version, Zone: d.Zone,
		EmptyAfter: time.Duration(d.EmptyAfter),
		MaxRemoval: d.MaxRemoval, RemovalInterval: time.Duration(d.RemovalInterval),
		CacheFile: d.CacheFile, CacheMaxAge: time.Duration(d.CacheMaxAge),
	}
	for _, text := range []struct{ name, value string }{
		{"stage", d.Stage}, {"version", d.Version}, {"zone", d.Zone}, {"cache_file", d.CacheFile},
	} {
		if err := fixed(text.name, text.value); err != nil {
			return s, err
		}
	}
	// no instance can have what would not be accepted of one
	some := lease.Instance{ID: "some", Address: "127.0.0.1", Port: 1, Stage: d.Stage, Version: d.Version, Zone: d.Zone}
	if err := some.Validate(); err != nil {
		return s, err
	}
	for _, text := range d.Allow {
		prefix, err := parsePrefix(text)
		if err != nil {
			return s, err
		}
		s.Allow = append(s.Allow, prefix)
	}
	if err := s.Validate(); err != nil {
		return s, err
	}
	return s.WithDefaults(), nil
}

// fixed refuses what is no text as it stands.
func fixed(name, value string) error {
	switch {
	case !utf8.ValidString(value):
		return fmt.Errorf("%s %q is not valid UTF-8", name, value)
	case strings.ContainsAny(value, "{}"):
		return fmt.Errorf("%s %q contains a placeholder: it must be a fixed text", name, value)
	}
	return nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		var single netip.Addr
		single, err = netip.ParseAddr(text)
		prefix = netip.PrefixFrom(single, single.BitLen())
	}
	switch {
	case err != nil || prefix.Addr().Zone() != "":
		return netip.Prefix{}, fmt.Errorf("allow: %q is neither a range of addresses such as 10.0.0.0/8 nor an address", text)
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("allow: %q would match nothing: write it as IPv4", text)
	}
	return prefix.Masked(), nil
}

// fingerprint is a text that is the same if and only if two watches with such settings
// and clients do the same.
func fingerprint(s discovery.Settings, client string) (string, error) {
	text, err := json.Marshal(s)
	return client + string(text), err
}

// check finds all that can be found without a configuration.
func check(q query) error {
	if _, err := q.of(new(api.Client)); err != nil {
		return err
	}
	_, err := q.options().settings()
	return err
}

// place says where the module stands and what was configured.
func place(q query) (string, error) {
	configured, err := json.Marshal(q)
	return fmt.Sprintf("the dynamic %s with %s", q.CaddyModule().ID.Name(), configured), err
}

// Interface guards
var (
	_ caddy.Provisioner           = (*KVUpstreams)(nil)
	_ caddy.CleanerUpper          = (*KVUpstreams)(nil)
	_ caddyfile.Unmarshaler       = (*KVUpstreams)(nil)
	_ reverseproxy.UpstreamSource = (*KVUpstreams)(nil)
	_ query                       = (*KVUpstreams)(nil)

	_ caddy.Provisioner           = (*ServiceUpstreams)(nil)
	_ caddy.CleanerUpper          = (*ServiceUpstreams)(nil)
	_ caddyfile.Unmarshaler       = (*ServiceUpstreams)(nil)
	_ reverseproxy.UpstreamSource = (*ServiceUpstreams)(nil)
	_ query                       = (*ServiceUpstreams)(nil)
)
