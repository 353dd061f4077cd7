package discovery

// source_test.go is about what of Consul's answers becomes an instance.

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

func TestWhatIsNoLeaseIsSkippedAndCounted(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		bad := map[string]string{
			"nothing":          "",
			"text":             "hello",
			"null":             "null",
			"cut":              `{"id":"cut","address":"10.0.0.9","po`,
			"no-address":       `{"id":"no-address","port":80}`,
			"no-port":          `{"id":"no-port","address":"10.0.0.9"}`,
			"port":             `{"id":"port","address":"10.0.0.9","port":65536}`,
			"url":              `{"id":"url","address":"http://10.0.0.9/","port":80}`,
			"negative":         `{"id":"negative","address":"10.0.0.9","port":80,"weight":-1}`,
			"infinite":         `{"id":"infinite","address":"10.0.0.9","port":80,"weight":1e999}`,
			"another":          `{"id":"web-0001","address":"10.0.0.9","port":80}`,
			"deep/er":          `{"id":"er","address":"10.0.0.9","port":80}`,
			"in-another-type":  `["10.0.0.9", 80]`,
			"line-in-the-zone": `{"id":"line-in-the-zone","address":"10.0.0.9","port":80,"zone":"a\nb"}`,
		}
		for id, value := range bad {
			c.putRaw(web+id, value, "s")
		}
		c.putRaw(web+"free", jsonOf(lease.Instance{ID: "free", Address: "10.0.0.9", Port: 80, Weight: 1}), "")
		c.putRaw(web, "", "") // the folder is nothing bad
		time.Sleep(3 * time.Second)
		w.expect(instances(1, 3)...)
		if s := w.Status(); s.Malformed != len(bad)+1 || s.MalformedWhy == "" || len(s.MalformedWhy) > 500 || !s.Up {
			t.Errorf("the status is %+v, want %d malformed", s, len(bad)+1)
		}
		c.change(func() {
			for id := range bad {
				delete(c.pairs, web+id)
			}
		})
		time.Sleep(3 * time.Second)
		if s := w.Status(); s.Malformed != 1 || !strings.Contains(s.MalformedWhy, `"weir/services/web/free": no session`) {
			t.Errorf("the status is %+v, want one that has no session", s)
		}
		c.remove("free")
		time.Sleep(3 * time.Second)
		if s := w.Status(); s.Malformed != 0 || s.MalformedWhy != "" {
			t.Errorf("the status is %+v, want none malformed", s)
		}
		if len(w.log.all()) != 2 {
			t.Errorf("lines %q, want one when it began and one when it ended", w.log.all())
		}
	})
}

// An instance whose value is spoilt is not told any more, and so guarded.
func TestASpoiltValueLeavesTheInstanceAsItWasForAWhile(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		for n := range 3 {
			c.putRaw(web+instance(n+1).ID, "{}", "s")
		}
		time.Sleep(3 * time.Second)
		if s := w.Status(); s.Held != len(w.Snapshot().Instances) || s.Held == 0 || s.Malformed != 3 {
			t.Errorf("the status is %+v, want instances held", s)
		}
	})
}

func TestEntriesThatAreNull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		index := uint64(5)
		c.instead = func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("index") != "" {
				return nil, nil
			}
			value := []byte(jsonOf(instance(1)))
			one := jsonOf(api.KVPair{Key: web + "web-0001", Session: "s", Value: value})
			return reply(200, &index, `[null, {"Key":"weir/services/web/x","Session":"s","Value":null}, `+one+`]`), nil
		}
		w := watch(t, c, nil)
		defer w.stop()
		<-w.Ready()
		synctest.Wait()
		w.expect(instance(1))
	})
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

func TestAllow(t *testing.T) {
	run(t, func(s *Settings) { s.Allow = prefixes("10.0.0.0/24", "fd00::/8") }, func(t *testing.T, c *consul, w *watched) {
		add := func(id, address string) lease.Instance {
			i := instance(1)
			i.ID, i.Address = id, address
			c.put(i)
			time.Sleep(2 * time.Second)
			return i
		}
		for n, address := range []string{
			"10.0.1.1", "127.0.0.1", "169.254.169.254", "fe80::1", "::1", "localhost", "10.0.0.1.example.com", "web", "::ffff:10.0.1.1",
		} {
			add(fmt.Sprint("out-", n), address)
			w.expect(instances(1, 3)...)
			if s := w.Status(); s.Refused != n+1 || s.RefusedAddress == "" {
				t.Errorf("with %s, the status is %+v, want %d refused", address, s, n+1)
			}
		}
		six, mapped := add("a6", "fd00::5"), add("b4", "::ffff:10.0.0.77")
		w.expect(six, mapped, instance(1), instance(2), instance(3))

		// who goes outside is not held back inside
		moved := instance(3)
		moved.Address = "10.9.9.9"
		c.put(moved)
		time.Sleep(2 * time.Second)
		w.expect(six, mapped, instance(1), instance(2))
		if w.log.count("refused") != 1 || len(w.log.all()) != 1 {
			t.Errorf("lines %q, want one", w.log.all())
		}
	})
}

func TestStageAndVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		all := instances(1, 4)
		all[1].Stage = "canary"
		all[2].Version = "2"
		all[3].Stage = ""
		c.put(all...)
		for _, test := range []struct {
			stage, version string
			want           []lease.Instance
		}{
			{"", "", all},
			{"stable", "", []lease.Instance{all[0], all[2]}},
			{"stable", "2", []lease.Instance{all[2]}},
			{"canary", "2", nil},
			{"Stable", "", nil},
		} {
			w := watch(t, c, func(s *Settings) { s.Stage, s.Version = test.stage, test.version })
			<-w.Ready()
			synctest.Wait()
			w.expect(test.want...)
			w.stop()
		}
	})
}

func TestTheOwnZoneIsPreferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		all := instances(1, 4)
		for i := range all {
			all[i].Zone = map[bool]string{true: "a", false: "b"}[i < 2]
		}
		c.put(all...)
		w := watch(t, c, func(s *Settings) { s.Zone = "a" })
		defer w.stop()
		<-w.Ready()
		synctest.Wait()
		w.expect(all[0], all[1])

		leaving := all[0]
		leaving.Draining = true
		c.put(leaving)
		time.Sleep(2 * time.Second)
		w.expect(all[0], all[1])

		idle := all[1]
		idle.Weight = 0
		c.put(idle)
		time.Sleep(2 * time.Second)
		w.expect(all...) // none of the zone takes traffic

		c.put(all...)
		time.Sleep(2 * time.Second)
		w.expect(all[0], all[1])

		// a zone that fails as a whole is left, though half of it is held back
		four := instances(5, 4)
		for i := range four {
			four[i].Zone = "a"
		}
		c.put(four...)
		time.Sleep(2 * time.Second)
		w.expect(append(all[:2:2], four...)...)
		c.remove(ids(append(all[:2:2], four...))...)
		time.Sleep(2 * time.Second)
		if s := w.Status(); s.Held != 2 || s.Instances != 4 {
			t.Errorf("the status is %+v, want two held beside those of the other zone", s)
		}

		// while nobody is told of, it is as it was
		c.put(all...)
		time.Sleep(12 * time.Second)
		w.expect(all[0], all[1])
		c.wipe()
		c.behave(refuse)
		time.Sleep(time.Second)
		c.behave(nil)
		time.Sleep(5 * time.Second)
		if w.Status().EmptySince.IsZero() {
			t.Fatal("there is no doubt")
		}
		w.expect(all[0], all[1])
	})
}

func TestSourcesRefuseWhatMakesNoSense(t *testing.T) {
	client := newConsul().client(t)
	for _, name := range []string{"", "a/b", "..", "a b", "a?b", "a%2fb", "a\n", strings.Repeat("a", 600)} {
		if _, err := KV(client, "", name); err == nil {
			t.Errorf("KV takes the service %.20q", name)
		}
		if _, err := Catalogue(client, name, "", false); err == nil {
			t.Errorf("Catalogue takes the service %.20q", name)
		}
	}
	for _, prefix := range []string{"/", "a//b", "/a", "a/", "a b"} {
		if _, err := KV(client, prefix, "web"); err == nil {
			t.Errorf("KV takes the prefix %q", prefix)
		}
	}
	if _, err := KV(nil, "", "web"); err == nil {
		t.Error("KV takes no client")
	}
	if _, err := Catalogue(nil, "web", "", false); err == nil {
		t.Error("Catalogue takes no client")
	}
	if source, err := KV(client, "a/b", "web"); err != nil || source.Name() != "kv a/b/web/" {
		t.Errorf("got %v, %v", source, err)
	}
}
