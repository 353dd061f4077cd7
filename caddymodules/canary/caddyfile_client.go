package canary

// caddyfile_client.go reads what tells clients apart: header, key and cookie.

import (
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/caddyarg"
)

func (p *parser) header() error {
	d := p.Dispenser
	c := new(Header)
	p.h.Header = c
	if d.NextArg() {
		c.Name = d.Val()
		if err := (&Header{Name: c.Name}).check(); err != nil {
			return d.WrapErr(err)
		}
		if d.NextArg() {
			return d.Errf("header takes one name, got also %q", d.Val())
		}
	}
	start := *d
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		if err := p.headerOption(c); err != nil {
			return err
		}
	}
	return wrap(&start, c.check())
}

func (p *parser) headerOption(c *Header) error {
	d := p.Dispenser
	switch d.Val() {
	case "trust":
		ranges, err := caddyarg.Some(d)
		if err != nil {
			return err
		}
		for _, r := range ranges {
			if r == "private_ranges" {
				c.Trust = append(c.Trust, caddyhttp.PrivateRangesCIDR()...)
				continue
			}
			c.Trust = append(c.Trust, r)
		}
		_, err = c.ranges()
		return wrap(d, err)
	case "strict":
		c.Strict = true
		return caddyarg.Flag(d)
	case "pin":
		c.Pin = true
		p.pin = *d
		return caddyarg.Flag(d)
	default:
		return caddyarg.Unknown(d, "trust", "strict", "pin")
	}
}

func (p *parser) key() error {
	keys, err := caddyarg.Some(p.Dispenser)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if _, err := newKey(k); err != nil {
			return p.WrapErr(err)
		}
	}
	p.h.Key = keys
	return nil
}

func (p *parser) cookie() (err error) {
	d := p.Dispenser
	c := new(Cookie)
	p.h.Cookie = c
	start := *d
	if d.NextArg() {
		c.Name = d.Val()
		if d.NextArg() {
			return d.Errf("cookie takes one name, got also %q", d.Val())
		}
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		switch d.Val() {
		case "keys":
			start = *d // what is wrong with them is wrong there
			if c.Keys, err = caddyarg.Some(d); err != nil {
				return err
			}
		case "max_age":
			if c.MaxAge, err = caddyarg.Duration(d); err != nil {
				return err
			}
		default:
			return caddyarg.Unknown(d, "keys", "max_age")
		}
	}
	checked := *c // without its defaults
	return wrap(&start, checked.check())
}
