package consul

// caddyfile.go reads the options consul and register of the global option governance.

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/weirproxy/weir/internal/caddyarg"
)

// UnmarshalCaddyfile reads one of the two options, on whose name the dispenser stands;
// it is called once for each. Syntax:
//
//	consul [<address>] {
//		token            <token>
//		token_file       <path>
//		datacenter       <name>
//		namespace        <name>
//		partition        <name>
//		tls_ca           <file>
//		tls_cert         <file>
//		tls_key          <file>
//		tls_server_name  <name>
//	}
//	register <service> <host:port> {
//		id       <id>
//		ttl      <duration>
//		weight   <number>
//		drain    <duration>
//		scheme   http|https|h2c
//		stage    <text>
//		version  <text>
//		zone     <text>
//		prefix   <path>
//	}
func (c *Consul) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "consul":
		return c.Settings.unmarshal(d)
	case "register":
		var r Registration
		if err := r.unmarshal(d); err != nil {
			return err
		}
		for _, other := range c.Registrations {
			if err := r.clash(other); err != nil {
				return d.Errf("register %s %s: %w", r.Service, r.Address, err)
			}
		}
		c.Registrations = append(c.Registrations, r)
		return nil
	default:
		return caddyarg.Unknown(d, "consul", "register")
	}
}

func (s *Settings) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		s.Address = d.Val()
		if d.NextArg() {
			// without the value, which may be a token
			return d.Err("consul takes one address; other settings go into a block")
		}
	}
	if err := s.Validate(); err != nil {
		return d.WrapErr(err)
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		if err := s.unmarshalOption(d); err != nil {
			return err
		}
		// a certificate and its key come one after the other
		if err := s.Validate(); err != nil && (s.TLS == nil || (s.TLS.Cert == "") == (s.TLS.Key == "")) {
			return d.WrapErr(err)
		}
	}
	if err := s.Validate(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (s *Settings) unmarshalOption(d *caddyfile.Dispenser) (err error) {
	tls := s.tls()
	switch option := d.Val(); option {
	case "token":
		args := d.RemainingArgs()
		if len(args) != 1 || args[0] == "" {
			return d.Errf("token takes one value, got %d; leave the option out for a Consul without tokens", len(args))
		}
		s.Token = args[0]
		return nil
	case "token_file":
		s.TokenFile, err = caddyarg.One(d)
		return err
	case "datacenter":
		s.Datacenter, err = caddyarg.One(d)
		return err
	case "namespace":
		s.Namespace, err = caddyarg.One(d)
		return err
	case "partition":
		s.Partition, err = caddyarg.One(d)
		return err
	case "tls_ca":
		tls.CA, err = caddyarg.One(d)
	case "tls_cert":
		tls.Cert, err = caddyarg.One(d)
	case "tls_key":
		tls.Key, err = caddyarg.One(d)
	case "tls_server_name":
		tls.ServerName, err = caddyarg.One(d)
	default:
		return caddyarg.Unknown(d, "token", "token_file", "datacenter", "namespace", "partition", "tls_ca", "tls_cert", "tls_key", "tls_server_name")
	}
	s.TLS = &tls
	return err
}

func (r *Registration) unmarshal(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 2 {
		return d.Errf("register takes a service and an address, as in register web 10.0.1.5:8080; got %d values", len(args))
	}
	r.Service, r.Address = args[0], args[1]
	if err := r.Validate(); err != nil {
		return d.WrapErr(err)
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		if err := r.unmarshalOption(d); err != nil {
			return err
		}
		// here, and not only when it is provisioned, the line is known
		if err := r.Validate(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

func (r *Registration) unmarshalOption(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "id":
		r.ID, err = caddyarg.One(d)
	case "ttl":
		r.TTL, err = caddyarg.Duration(d)
	case "weight":
		if r.Weight, err = caddyarg.Number(d); err == nil && r.Weight == 0 {
			err = d.Err("weight: 0 would register what is never used: leave the registration out")
		}
	case "drain":
		r.Drain, err = drain(d)
	case "scheme":
		r.Scheme, err = caddyarg.One(d)
	case "stage":
		r.Stage, err = caddyarg.One(d)
	case "version":
		r.Version, err = caddyarg.One(d)
	case "zone":
		r.Zone, err = caddyarg.One(d)
	case "prefix":
		r.Prefix, err = caddyarg.One(d)
	default:
		err = caddyarg.Unknown(d, "id", "ttl", "weight", "drain", "scheme", "stage", "version", "zone", "prefix")
	}
	return err
}

// drain reads a duration of which 0 means not at all, which is -1 in JSON.
func drain(d *caddyfile.Dispenser) (caddy.Duration, error) {
	value, err := caddyarg.One(d)
	if err != nil {
		return 0, err
	}
	if duration, err := time.ParseDuration(value); err == nil && duration == 0 {
		return -1, nil
	}
	return caddyarg.ParseDuration(d, "drain", value)
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Consul)(nil)
