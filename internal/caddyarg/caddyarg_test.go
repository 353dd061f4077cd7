package caddyarg

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// option returns a dispenser that stands on the option of "block { <line> }".
func option(line string) *caddyfile.Dispenser {
	d := caddyfile.NewTestDispenser("block {\n" + line + "\n}")
	d.Next()
	d.NextBlock(0)
	return d
}

func TestValues(t *testing.T) {
	if v, err := One(option("name shop")); v != "shop" || err != nil {
		t.Errorf("One: %q, %v", v, err)
	}
	if v, err := Some(option("names a b")); len(v) != 2 || err != nil {
		t.Errorf("Some: %q, %v", v, err)
	}
	if v, err := UpTo(option("names a b"), 2); len(v) != 2 || err != nil {
		t.Errorf("UpTo: %q, %v", v, err)
	}
	if v, err := Duration(option("for 1d")); time.Duration(v) != 24*time.Hour || err != nil {
		t.Errorf("Duration: %v, %v", v, err)
	}
	if v, err := Number(option("alpha 0.5")); v != 0.5 || err != nil {
		t.Errorf("Number: %v, %v", v, err)
	}
	for _, text := range []string{"5%", "0.05"} {
		if v, err := Share(option("floor " + text)); v != 0.05 || err != nil {
			t.Errorf("Share of %s: %v, %v", text, v, err)
		}
	}
}

// Every error names the option, the fault and the line.
func TestErrors(t *testing.T) {
	one := func(d *caddyfile.Dispenser) error { _, err := One(d); return err }
	some := func(d *caddyfile.Dispenser) error { _, err := Some(d); return err }
	upTo := func(d *caddyfile.Dispenser) error { _, err := UpTo(d, 2); return err }
	duration := func(d *caddyfile.Dispenser) error { _, err := Duration(d); return err }
	number := func(d *caddyfile.Dispenser) error { _, err := Number(d); return err }
	share := func(d *caddyfile.Dispenser) error { _, err := Share(d); return err }
	once := func(d *caddyfile.Dispenser) error { return Once(d, map[string]bool{"x": true}) }
	unknown := func(d *caddyfile.Dispenser) error { return Unknown(d, "a", "b") }
	for _, tc := range []struct {
		read func(*caddyfile.Dispenser) error
		line string
		want string
	}{
		{one, "x", "x needs a value"},
		{one, "x a b", `x takes one value, got also "b"`},
		{some, "x", "x needs at least one value"},
		{upTo, "x", "x needs at least one value"},
		{upTo, "x a b c", "x takes at most 2 values, got 3"},
		{duration, "x", "x needs a value"},
		{duration, "x soon", `x: "soon" is not a duration`},
		{duration, "x 0s", "x: 0s is not a positive duration"},
		{duration, "x -1s", "x: -1s is not a positive duration"},
		{number, "x", "x needs a value"},
		{number, "x many", `x: "many" is not a number`},
		{number, "x NaN", `x: "NaN" is not a number`},
		{number, "x Inf", `x: "Inf" is not a number`},
		{number, "x 1e300", `x: "1e300" is not a number`},
		{share, "x", "x needs a value"},
		{share, "x 101%", `x: "101%" is not a share`},
		{share, "x -1%", `x: "-1%" is not a share`},
		{share, "x nan", `x: "nan" is not a share`},
		{share, "x half", `x: "half" is not a share`},
		{once, "x", "x is given twice"},
		{unknown, "x", `unrecognized option "x"; known are a, b`},
	} {
		err := tc.read(option(tc.line))
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "Testfile:2") {
			t.Errorf("%q: error is %v, want %q with the line", tc.line, err, tc.want)
		}
	}
}

func TestCountsSizesAndFlags(t *testing.T) {
	if n, err := Count(option("depth 3")); n != 3 || err != nil {
		t.Errorf("Count: %d, %v", n, err)
	}
	for _, value := range []string{"0", "-1", "1.5", "many", "99999999999999999999"} {
		if n, err := Count(option("depth " + value)); err == nil || !strings.Contains(err.Error(), "depth: ") {
			t.Errorf("Count of %s: %d, %v", value, n, err)
		}
	}
	if n, err := Size(option("max_body 64KiB")); n != 64<<10 || err != nil {
		t.Errorf("Size: %d, %v", n, err)
	}
	for _, value := range []string{"0", "-1", "much", "99999999999TB"} {
		if n, err := Size(option("max_body " + value)); err == nil || !strings.Contains(err.Error(), "max_body: ") {
			t.Errorf("Size of %s: %d, %v", value, n, err)
		}
	}
	if err := Flag(option("strict")); err != nil {
		t.Errorf("Flag: %v", err)
	}
	if err := Flag(option("strict yes")); err == nil {
		t.Error("Flag with a value is taken")
	}
}
