package integration

// consul_start_test.go starts gateways while Consul is down.

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/consulserver"
)

const (
	// refusedWithin is how soon a request is refused by a gateway that just started and
	// knows no instance: it waits 3 s for a first answer of Consul's, and a busy machine
	// is late.
	refusedWithin = 6 * time.Second
	// atOnceWithin is less than it would wait once more.
	atOnceWithin = 2500 * time.Millisecond
	cacheMaxAge  = time.Minute
)

// cached is what the tests know of the cache file.
type cached struct {
	Source      string            `json:"source"`
	ConfirmedAt time.Time         `json:"confirmed_at"`
	Instances   []json.RawMessage `json:"instances"`
}

func readCache(file string) (c cached, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(content, &c)
}

// ageCache has the cache file be of another time.
func ageCache(t *testing.T, file string, by time.Duration) {
	t.Helper()
	c, err := readCache(file)
	if err != nil {
		t.Fatal(err)
	}
	c.ConfirmedAt = c.ConfirmedAt.Add(-by)
	content, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// refuses wants requests to be refused soon: the first ones after a start, and then at once.
func (f *follower) refuses(t *testing.T, when string) {
	t.Helper()
	client := NewClient(1)
	defer client.CloseIdleConnections()
	for _, within := range []time.Duration{refusedWithin, atOnceWithin} {
		began := time.Now()
		a := ask(t, client, f.site.URL(), nil)
		took := time.Since(began)
		t.Logf("%s: %d after %v", when, a.Status, took.Round(time.Millisecond))
		if a.Status != http.StatusServiceUnavailable || a.MediaType() != "application/problem+json" {
			t.Errorf("%s: the answer is %d %s %s", when, a.Status, a.MediaType(), a.Body)
		}
		if took > within {
			t.Errorf("%s: it took %v, more than %v", when, took, within)
		}
	}
}

func TestConsulIsDownWhenAGatewayStarts(t *testing.T) {
	t.Parallel()
	consul := consulserver.StartWith(t, consulserver.Options{Durable: true})
	instances := threeInstances(t, consul)
	file := filepath.Join(t.TempDir(), "web.json")
	g := gatewayFor(t, consul, "cache_file "+file, "cache_max_age "+cacheMaxAge.String())
	g.awaitUse(t, consulPatience, addressesOf(instances...)...)
	var c cached
	var err error
	if !Eventually(consulPatience, func() bool { c, err = readCache(file); return err == nil && len(c.Instances) == 3 }) {
		t.Fatalf("the cache file is not written: %+v, %v", c, err)
	}
	consul.Stop()

	g.Stop()
	g.Run(g.site.Caddyfile())
	wantNoFailure(t, "started with a cache file", Closed(t.Context(), g.site.URL(), 4, 200))
	if f, err := g.followed(); err != nil || !f.FromCache || len(f.used()) != 3 {
		t.Errorf("started with a cache file: %+v, %v", f.Status, err)
	}

	g.Stop()
	ageCache(t, file, 2*cacheMaxAge)
	g.Run(g.site.Caddyfile())
	g.refuses(t, "started with a cache file that is too old")
	if f, err := g.followed(); err != nil || f.FromCache || f.Instances > 0 || f.CacheError == "" {
		t.Errorf("started with a cache file that is too old: %+v, %v", f.Status, err)
	}

	g.Stop()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	g.Run(g.site.Caddyfile())
	g.refuses(t, "started without a cache file")
	consul.Start()
	began := time.Now()
	client := NewClient(1)
	defer client.CloseIdleConnections()
	if !Eventually(heardWithin, func() bool { return ask(t, client, g.site.URL(), nil).Status == http.StatusOK }) {
		t.Fatalf("%v after Consul is back there is no answer", heardWithin)
	}
	t.Logf("the first answer is %v after Consul is back", time.Since(began).Round(time.Millisecond))
	wantNoFailure(t, "with Consul back", Closed(t.Context(), g.site.URL(), 4, 200))
	g.awaitUse(t, heardWithin, addressesOf(instances...)...)
}
