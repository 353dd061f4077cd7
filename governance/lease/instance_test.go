package lease

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDecode(t *testing.T) {
	started := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	least := Instance{ID: "a", Address: "10.0.0.1", Port: 80, Scheme: "http", Weight: 1}
	with := func(change func(*Instance)) Instance { i := least; change(&i); return i }
	for value, want := range map[string]Instance{
		`{"id":"a","address":"10.0.0.1","port":80}`: least,
		`{"id":"a","address":"10.0.0.1","port":80,"weight":2.5,"scheme":"h2c","stage":"stable","version":"1.2+é","zone":"b",
			"started_at":"2025-01-02T05:04:05+02:00","draining":true,"load":0.25,"meta":{"more":[1]}}`: {
			ID: "a", Address: "10.0.0.1", Port: 80, Scheme: "h2c", Weight: 2.5, Stage: "stable", Version: "1.2+é", Zone: "b",
			StartedAt: started, Draining: true, Load: 0.25,
		},
		`{"id":"a","address":"10.0.0.1","port":80,"weight":0}`:                      with(func(i *Instance) { i.Weight = 0 }),
		`{"id":"a","address":"::ffff:10.0.0.1","port":80}`:                          least,
		`{"id":"a","address":"2001:DB8::0:1","port":80}`:                            with(func(i *Instance) { i.Address = "2001:db8::1" }),
		`{"id":"a","address":"Web-1.Example.com","port":80}`:                        with(func(i *Instance) { i.Address = "web-1.example.com" }),
		`{"id":"[::1]:8080","address":"localhost","port":65535,"scheme":"https"}`:   {ID: "[::1]:8080", Address: "localhost", Port: 65535, Scheme: "https", Weight: 1},
		`{"id":"a","address":"10.0.0.1","port":80,"started_at":null,"zone":null}  `: least,
	} {
		if got, err := Decode([]byte(value)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v: %v", value, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const good = `{"id":"a","address":"10.0.0.1","port":80}`
	if _, err := Decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	with := func(field, value string) string {
		return strings.TrimSuffix(good, "}") + `,"` + field + `":` + value + "}"
	}
	long := func(n int) string { return `"` + strings.Repeat("a", n) + `"` }
	for value, fault := range map[string]string{
		"":                     "no JSON",
		"null":                 "id",
		"[]":                   "no JSON",
		"{}":                   "id",
		good + good:            "no JSON",
		good[:20]:              "no JSON",
		"{\"id\":\"\xff\"}":    "UTF-8",
		with("x", long(20000)): "bytes",
		with("id", `""`):       "id", with("id", `"a/b"`): "id", with("id", `".."`): "id", with("id", `"a b"`): "id",
		with("id", `"a\u0000"`): "id", with("id", `"é"`): "id", with("id", long(129)): "id", with("id", "1"): "no JSON", with("id", `"a?b"`): "id",
		with("address", `""`): "address", with("address", `"10.0.0.1:80"`): "address", with("address", `"a b"`): "address",
		with("address", `"http://a"`): "address", with("address", `"a..b"`): "address", with("address", `"-a"`): "address",
		with("address", `"127.1"`): "address", with("address", `"2130706433"`): "address", with("address", `"0x7f000001"`): "address",
		with("address", `"256.0.0.1"`): "address", with("address", `"0.0.0.0"`): "one machine", with("address", `"::"`): "one machine",
		with("address", `"224.0.0.1"`): "one machine", with("address", `"255.255.255.255"`): "one machine", with("address", `"::ffff:0.0.0.0"`): "one machine",
		with("address", `"fe80::1%eth0"`): "zone", with("address", long(254)): "address", with("address", `"a/../b"`): "address",
		with("address", `"user@host"`): "address", with("address", `"a."`): "address", with("address", "null,\"address\":\"\""): "address",
		with("port", "0"): "port", with("port", "65536"): "port", with("port", "-1"): "port", with("port", "1.5"): "no JSON", with("port", `"80"`): "no JSON",
		with("scheme", `"ftp"`): "scheme", with("scheme", `"HTTP"`): "scheme",
		with("weight", "-0.1"): "weight", with("weight", "1e7"): "weight", with("weight", "1e999"): "no JSON", with("weight", `"NaN"`): "no JSON",
		with("load", "-1"): "load", with("load", "1e7"): "load",
		with("stage", long(65)): "stage", with("version", `"a\nb"`): "version", with("zone", `"\u202e"`): "zone",
		with("started_at", `"yesterday"`): "no JSON", with("started_at", `"1500-01-01T00:00:00Z"`): "started_at",
		with("draining", "1"): "no JSON",
	} {
		got, err := Decode([]byte(value))
		if err == nil || !strings.Contains(err.Error(), fault) || got != (Instance{}) {
			t.Errorf("%.80q is %+v: %v; its %s is wrong", value, got, err, fault)
		}
		if err != nil && (len(err.Error()) > 300 || strings.ContainsFunc(err.Error(), isUnprintable)) {
			t.Errorf("%.80q makes the error %q", value, err)
		}
	}
}

func TestValidateRefusesWhatIsNoNumber(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1} {
		if err := (Instance{ID: "a", Address: "a", Port: 1, Weight: v}).Validate(); err == nil {
			t.Errorf("weight %v is taken", v)
		}
		if err := (Instance{ID: "a", Address: "a", Port: 1, Load: v}).Validate(); err == nil {
			t.Errorf("load %v is taken", v)
		}
	}
}

func TestHostPort(t *testing.T) {
	for want, i := range map[string]Instance{
		"10.0.0.1:80": {Address: "10.0.0.1", Port: 80}, "[::1]:8080": {Address: "::1", Port: 8080}, "web:1": {Address: "web", Port: 1},
	} {
		if got := i.HostPort(); got != want {
			t.Errorf("%+v is at %s", i, got)
		}
	}
}

// What is decoded is valid, small, in one spelling, and survives being written again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":"a","address":"10.0.0.1","port":80,"weight":2,"started_at":"2025-01-02T03:04:05+02:00"}`))
	f.Add([]byte(`{"ID":"a","id":"b","address":"::FFFF:1.2.3.4","port":80,"load":1e-300,"version":"<é>"}`))
	f.Add([]byte(`{"id":"..","address":"fe80::1%25","port":1e2}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		i, err := Decode(value)
		if err != nil {
			if i != (Instance{}) {
				t.Errorf("%q fails and gives %+v", value, i)
			}
			return
		}
		if err := i.Validate(); err != nil {
			t.Fatalf("%q gives what makes no sense: %v", value, err)
		}
		written, err := json.Marshal(i)
		if err != nil || len(written) > mostValue/4 {
			t.Fatalf("%+v is written in %d bytes: %v", i, len(written), err)
		}
		again, err := Decode(written)
		if err != nil || differs(i, again) || i.Load != again.Load || i.Weight != again.Weight {
			t.Fatalf("%+v comes back as %+v: %v", i, again, err)
		}
	})
}

func TestDiffers(t *testing.T) {
	base := Instance{ID: "a", Address: "a", Port: 1, Weight: 10, Load: 0.5, StartedAt: time.Unix(1e9, 0)}
	for name, test := range map[string]struct {
		change func(*Instance)
		want   bool
	}{
		"nothing":                      {func(*Instance) {}, false},
		"the zone of the time":         {func(i *Instance) { i.StartedAt = i.StartedAt.UTC() }, false},
		"a tenth more weight":          {func(i *Instance) { i.Weight = 11 }, false},
		"more than that":               {func(i *Instance) { i.Weight = 11.1 }, true},
		"less weight":                  {func(i *Instance) { i.Weight = 8.9 }, true},
		"no weight":                    {func(i *Instance) { i.Weight = 0 }, true},
		"a little load":                {func(i *Instance) { i.Load = 0.54 }, false},
		"load":                         {func(i *Instance) { i.Load = 0.56 }, true},
		"no load":                      {func(i *Instance) { i.Load = 0 }, true},
		"stage":                        {func(i *Instance) { i.Stage = "x" }, true},
		"version":                      {func(i *Instance) { i.Version = "x" }, true},
		"zone":                         {func(i *Instance) { i.Zone = "x" }, true},
		"draining":                     {func(i *Instance) { i.Draining = true }, true},
		"start":                        {func(i *Instance) { i.StartedAt = i.StartedAt.Add(1) }, true},
		"stage and a little more load": {func(i *Instance) { i.Stage, i.Load = "x", 0.51 }, true},
	} {
		changed := base
		test.change(&changed)
		if got := differs(base, changed); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, test := range []struct {
		old, new float64
		want     bool
	}{{0, 0.005, false}, {0, 0.02, true}, {0.02, 0, true}, {0.005, 0, false}, {0.02, 0.025, false}} {
		if got := differs(Instance{Load: test.old}, Instance{Load: test.new}); got != test.want {
			t.Errorf("load %v to %v: %v", test.old, test.new, got)
		}
	}
	for _, weight := range []float64{1e-9, 1} {
		if !differs(Instance{}, Instance{Weight: weight}) || !differs(Instance{Weight: weight}, Instance{}) {
			t.Errorf("weight 0 and %v are the same", weight)
		}
	}
}
