// Package caddyarg reads the arguments of Caddyfile options, so that every option
// of every weir module is equally strict and its errors name the option, the
// value, the file and the line.
package caddyarg

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// One returns the only argument of the option the dispenser stands on.
func One(d *caddyfile.Dispenser) (string, error) {
	option := d.Val()
	if !d.NextArg() {
		return "", d.Errf("%s needs a value", option)
	}
	value := d.Val()
	if d.NextArg() {
		return "", d.Errf("%s takes one value, got also %q", option, d.Val())
	}
	return value, nil
}

// Some returns all arguments of the option, at least one.
func Some(d *caddyfile.Dispenser) ([]string, error) {
	option := d.Val()
	values := d.RemainingArgs()
	if len(values) == 0 {
		return nil, d.Errf("%s needs at least one value", option)
	}
	return values, nil
}

// UpTo returns all arguments of the option, at least one and at most this many.
func UpTo(d *caddyfile.Dispenser, most int) ([]string, error) {
	option := d.Val()
	values, err := Some(d)
	if err == nil && len(values) > most {
		err = d.Errf("%s takes at most %d values, got %d", option, most, len(values))
	}
	return values, err
}

// Duration reads one positive duration; "d" for days is accepted, as everywhere
// in Caddy.
func Duration(d *caddyfile.Dispenser) (caddy.Duration, error) {
	option := d.Val()
	value, err := One(d)
	if err != nil {
		return 0, err
	}
	return ParseDuration(d, option, value)
}

// ParseDuration reads value as the positive duration of option.
func ParseDuration(d *caddyfile.Dispenser, option, value string) (caddy.Duration, error) {
	duration, err := caddy.ParseDuration(value)
	if err != nil {
		return 0, d.Errf("%s: %q is not a duration such as 30s", option, value)
	}
	if duration <= 0 {
		return 0, d.Errf("%s: %s is not a positive duration", option, value)
	}
	return caddy.Duration(duration), nil
}

// Number reads one number.
func Number(d *caddyfile.Dispenser) (float64, error) {
	option := d.Val()
	value, err := One(d)
	if err != nil {
		return 0, err
	}
	return ParseNumber(d, option, value)
}

// ParseNumber reads value as the number of option.
func ParseNumber(d *caddyfile.Dispenser, option, value string) (float64, error) {
	number, err := strconv.ParseFloat(value, 64)
	if err != nil || number != number || number > 1e15 || number < -1e15 {
		return 0, d.Errf("%s: %q is not a number", option, value)
	}
	return number, nil
}

// Count reads one whole number of at least 1.
func Count(d *caddyfile.Dispenser) (int, error) {
	option := d.Val()
	value, err := One(d)
	if err != nil {
		return 0, err
	}
	return ParseCount(d, option, value)
}

// ParseCount reads value as the whole number, of at least 1, of option.
func ParseCount(d *caddyfile.Dispenser, option, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if errors.Is(err, strconv.ErrRange) {
		return 0, d.Errf("%s: %s is beyond what can be counted", option, value)
	}
	if err != nil || n < 1 {
		return 0, d.Errf("%s: %q is not a whole number of at least 1", option, value)
	}
	return n, nil
}

// Size reads one size of at least a byte, such as 64KiB, in bytes.
func Size(d *caddyfile.Dispenser) (int64, error) {
	option := d.Val()
	value, err := One(d)
	if err != nil {
		return 0, err
	}
	return ParseSize(d, option, value)
}

// ParseSize reads value as the size, of at least a byte, of option.
func ParseSize(d *caddyfile.Dispenser, option, value string) (int64, error) {
	n, err := humanize.ParseBytes(value)
	if err != nil || n == 0 || n > math.MaxInt64 {
		return 0, d.Errf("%s: %q is not a size such as 64KiB", option, value)
	}
	return int64(n), nil
}

// Flag refuses a value of an option that has none.
func Flag(d *caddyfile.Dispenser) error {
	option := d.Val()
	if d.NextArg() {
		return d.Errf("%s takes no value, got %q", option, d.Val())
	}
	return nil
}

// Share reads one share, written as a percentage (5%) or a fraction (0.05),
// between 0 and 1 inclusive.
func Share(d *caddyfile.Dispenser) (float64, error) {
	option := d.Val()
	value, err := One(d)
	if err != nil {
		return 0, err
	}
	return ParseShare(d, option, value)
}

// ParseShare reads value as the share of option.
func ParseShare(d *caddyfile.Dispenser, option, value string) (float64, error) {
	digits, percent := strings.CutSuffix(value, "%")
	share, err := strconv.ParseFloat(digits, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, d.Errf("%s: %q is not a share between 0%% and 100%%", option, value)
	}
	return share, nil
}

// Once reports a repeated option as an error; seen is the parser's own memory.
func Once(d *caddyfile.Dispenser, seen map[string]bool) error {
	option := d.Val()
	if seen[option] {
		return d.Errf("%s is given twice", option)
	}
	seen[option] = true
	return nil
}

// Unknown is the error for an option that does not exist; it lists those that do.
func Unknown(d *caddyfile.Dispenser, known ...string) error {
	return d.Errf("unrecognized option %q; known are %s", d.Val(), strings.Join(known, ", "))
}
