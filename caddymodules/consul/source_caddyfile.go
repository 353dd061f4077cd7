package consul

// source_caddyfile.go reads the sources of upstreams from the Caddyfile.

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/weirproxy/weir/internal/caddyarg"
)

// discoveryOptions are those that both sources have.
var discoveryOptions = []string{"stage", "version", "zone", "allow", "empty_after", "max_removal", "cache_file", "cache_max_age"}

// UnmarshalCaddyfile sets the source up from Caddyfile tokens. Syntax:
//
//	dynamic consul_kv <service> {
//		prefix        <key>
//		stage         <text>
//		version       <text>
//		zone          <text>
//		allow         <ranges...>
//		empty_after   <duration>
//		max_removal   <share> [<duration>]
//		cache_file    <path>
//		cache_max_age <duration>
//	}
func (u *KVUpstreams) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return unmarshalSource(d, u, &u.Service, []string{"prefix"}, func() (err error) {
		u.Prefix, err = caddyarg.One(d)
		return err
	})
}

// UnmarshalCaddyfile sets the source up from Caddyfile tokens. Syntax:
//
//	dynamic consul_service <service> {
//		tag     <tag>
//		passing
//		...     # all others of consul_kv but prefix
//	}
func (u *ServiceUpstreams) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return unmarshalSource(d, u, &u.Service, []string{"tag", "passing"}, func() (err error) {
		if d.Val() == "tag" {
			u.Tag, err = caddyarg.One(d)
			return err
		}
		u.Passing = true
		if d.NextArg() {
			return d.Errf("passing takes no value, got %q", d.Val())
		}
		return nil
	})
}

// unmarshalSource reads a source. It has options of its own, which unmarshal reads.
func unmarshalSource(d *caddyfile.Dispenser, q query, service *string, own []string, unmarshal func() error) (err error) {
	d.Next() // the module's name
	if *service, err = caddyarg.One(d); err != nil {
		return err
	}
	if err := check(q); err != nil {
		return d.WrapErr(err)
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		switch {
		case slices.Contains(own, option):
			err = unmarshal()
		case slices.Contains(discoveryOptions, option):
			err = q.options().unmarshalOption(d)
		default:
			err = caddyarg.Unknown(d, slices.Concat(own, discoveryOptions)...)
		}
		if err == nil {
			if invalid := check(q); invalid != nil {
				err = d.WrapErr(invalid)
			}
		}
		if err == nil && d.NextBlock(1) {
			err = d.Errf("%s takes no block, got %q", option, d.Val())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unmarshalOption reads one of discoveryOptions.
func (o *Discovery) unmarshalOption(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "stage":
		o.Stage, err = caddyarg.One(d)
	case "version":
		o.Version, err = caddyarg.One(d)
	case "zone":
		o.Zone, err = caddyarg.One(d)
	case "allow":
		o.Allow, err = caddyarg.Some(d)
	case "empty_after":
		o.EmptyAfter, err = caddyarg.Duration(d)
	case "max_removal":
		err = o.unmarshalRemoval(d)
	case "cache_file":
		o.CacheFile, err = caddyarg.One(d)
	case "cache_max_age":
		o.CacheMaxAge, err = caddyarg.Duration(d)
	}
	return err
}

func (o *Discovery) unmarshalRemoval(d *caddyfile.Dispenser) error {
	values, err := caddyarg.UpTo(d, 2)
	if err != nil {
		return err
	}
	if o.MaxRemoval, err = caddyarg.ParseShare(d, "max_removal", values[0]); err != nil {
		return err
	}
	if o.MaxRemoval == 0 {
		return d.Err("max_removal: 0% would keep who is gone for ever; it must be above")
	}
	if len(values) == 2 {
		o.RemovalInterval, err = caddyarg.ParseDuration(d, "max_removal", values[1])
	}
	return err
}
