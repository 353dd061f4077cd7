package openapi

// caddyfile_values.go reads the block of limits, and the kinds of values that options have.

import (
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/weirproxy/weir/internal/caddyarg"
)

func (h *Handler) unmarshalLimits(d *caddyfile.Dispenser) error {
	h.Limits = new(Limits)
	if d.NextArg() {
		return d.Errf("limits takes no value, got %q; limits go into a block", d.Val())
	}
	l, seen := h.Limits, make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		var err error
		switch option := d.Val(); option {
		case "depth":
			l.Depth, err = caddyarg.Count(d)
		case "nodes":
			l.Nodes, err = caddyarg.Count(d)
		case "properties":
			l.Properties, err = caddyarg.Count(d)
		case "array_index":
			l.ArrayIndex, err = caddyarg.Count(d)
		case "digits":
			l.Digits, err = caddyarg.Count(d)
		case "violations":
			l.Violations, err = caddyarg.Count(d)
		case "document":
			var value string
			if value, err = caddyarg.One(d); err == nil {
				l.Document, err = caddyarg.ParseSize(d, option, value)
			}
		default:
			err = caddyarg.Unknown(d, "depth", "nodes", "properties", "array_index", "digits", "violations", "document")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// oneOf reads one of two words.
func oneOf(d *caddyfile.Dispenser, one, other string) (string, error) {
	option := d.Val()
	value, err := caddyarg.One(d)
	if err == nil && value != one && value != other {
		err = d.Errf("%s: %q is neither %s nor %s", option, value, one, other)
	}
	return value, err
}

// passOr reads pass, which is 0, or the one status that there is.
func passOr(d *caddyfile.Dispenser, status int) (int, error) {
	value, err := oneOf(d, "pass", strconv.Itoa(status))
	if err != nil || value == "pass" {
		return 0, err
	}
	return status, nil
}

func refresh(d *caddyfile.Dispenser) (*caddy.Duration, error) {
	option := d.Val()
	value, err := caddyarg.One(d)
	if err != nil || value == "off" {
		return new(caddy.Duration), err
	}
	every, err := caddyarg.ParseDuration(d, option, value)
	return &every, err
}

// status reads a status, of which configure knows what it may be.
func status(d *caddyfile.Dispenser) (int, error) {
	option := d.Val()
	value, err := caddyarg.One(d)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(value)
	if err != nil || !isClientError(n) {
		return 0, d.Errf("%s: %q is not a status from 400 to 499", option, value)
	}
	return n, nil
}
