package discovery

// fuzz_test.go gives sources what anybody who may write to Consul can put there.

import (
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

// fuzzed makes a set of one answer, and checks what must hold for every set.
func fuzzed(t *testing.T, source func(*api.Client) (Source, error), instead func(*http.Request) (*http.Response, error)) *Set {
	t.Helper()
	c := newConsul()
	c.instead = instead
	from, err := source(c.client(t))
	if err != nil {
		t.Fatal(err)
	}
	allowed := netip.MustParsePrefix("10.0.0.0/8")
	settings := Settings{Allow: []netip.Prefix{allowed}}.WithDefaults()
	w := &Watcher{source: from, settings: settings, log: settings.Logger, ready: make(chan struct{}), guard: guard{settings: settings}}
	answer, err := w.ask(t.Context(), 0)
	if err != nil {
		w.fail(err, time.Now())
		if s := w.Status(); s.Error == "" || len(s.Error) > 2000 {
			t.Errorf("the error is %q", s.Error)
		}
		return nil
	}
	w.heard = answer
	w.succeed(answer.Index, true, time.Now())
	if s := w.Status(); (s.Malformed > 0) != (s.MalformedWhy != "") || len(s.MalformedWhy) > 2000 {
		t.Errorf("%d are malformed, of which one is %q", s.Malformed, s.MalformedWhy)
	}
	set := w.Snapshot()
	if !slices.IsSortedFunc(set.Instances, byID) {
		t.Errorf("the set is not sorted: %+v", set.Instances)
	}
	for n, i := range set.Instances {
		if err := i.Validate(); err != nil {
			t.Errorf("in the set is %+v: %v", i, err)
		}
		at, err := netip.ParseAddrPort(i.HostPort())
		if err != nil || !allowed.Contains(at.Addr()) {
			t.Errorf("in the set is %s, which is not in %s", i.HostPort(), allowed)
		}
		if n > 0 && set.Instances[n-1].ID == i.ID {
			t.Errorf("%s is in the set twice", i.ID)
		}
	}
	return set
}

func FuzzValue(f *testing.F) {
	f.Add([]byte(jsonOf(instance(1))))
	f.Add([]byte(`{"id":"web-0001","address":"::ffff:10.0.0.1","port":80,"weight":1e308}`))
	f.Add([]byte(`{"id":"web-0001","address":"0x0a000001","port":80}`))
	f.Add([]byte(`{"id":"web-0001","address":"10.0.0.1","port":8e1,"weight":null,"ID":"x"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, value []byte) {
		index := uint64(7)
		pairs := jsonOf(api.KVPairs{{Key: web + "web-0001", Session: "s", Value: value}, {Key: web + "web-0002", Session: "s", Value: []byte(jsonOf(instance(2)))}})
		set := fuzzed(t, func(c *api.Client) (Source, error) { return KV(c, "", "web") },
			func(*http.Request) (*http.Response, error) { return reply(200, &index, pairs), nil })
		// whatever the one is, somebody is at the other's address
		there := func(i lease.Instance) bool { return i.HostPort() == instance(2).HostPort() }
		if set == nil || !slices.ContainsFunc(set.Instances, there) {
			t.Errorf("the set is %+v, want web-0002 in it", set)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(false, jsonOf(api.KVPairs{{Key: web + "web-0001", Session: "s", Value: []byte(jsonOf(instance(1)))}}), "7", 200)
	f.Add(false, `[null,{}]`, "", 404)
	f.Add(true, jsonOf([]*api.ServiceEntry{entry("a", "10.0.0.1", 80, api.HealthPassing)}), "18446744073709551616", 200)
	f.Add(true, `[null,{"Service":{}},{"Node":{}},{"Node":{},"Service":{"Ports":[{}]},"Checks":[null]}]`, "0", 200)
	f.Fuzz(func(t *testing.T, health bool, body, index string, status int) {
		if status < 200 || status > 599 || status >= 300 && status < 400 {
			return // no answer that a transport lets through, or a redirect
		}
		fuzzed(t, func(c *api.Client) (Source, error) {
			if health {
				return Catalogue(c, "web", "", false)
			}
			return KV(c, "", "web")
		}, func(*http.Request) (*http.Response, error) {
			response := reply(status, nil, body)
			response.Header.Set("X-Consul-Index", index)
			return response, nil
		})
	})
}
