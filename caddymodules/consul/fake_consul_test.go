package consul

// fake_consul_test.go holds a Consul in memory: sessions, keys and blocking queries, and
// what can be broken about it. Sessions do not expire by themselves.

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

// fakeConsul is an http.Handler, and an http.RoundTripper for tests in a synctest bubble.
type fakeConsul struct {
	mu       sync.Mutex
	index    uint64
	keys     map[string]*api.KVPair
	sessions map[string]bool
	made     int           // sessions so far
	changed  chan struct{} // closed at each change
	log      []fakeRequest

	// fault, if set, may answer in place of Consul: then it returns true.
	fault func(w http.ResponseWriter, r *http.Request) bool
}

// fakeRequest is a request that arrived.
type fakeRequest struct{ method, path, query, token string }

func newFakeConsul() *fakeConsul {
	return &fakeConsul{index: 10, keys: make(map[string]*api.KVPair), sessions: make(map[string]bool), changed: make(chan struct{})}
}

// listen serves it on loopback until the test ends, and returns host:port.
func (c *fakeConsul) listen(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(c)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.Listener.Addr().String()
}

// RoundTrip implements http.RoundTripper.
func (c *fakeConsul) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// ServeHTTP implements http.Handler.
func (c *fakeConsul) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	c.log = append(c.log, fakeRequest{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("X-Consul-Token")})
	fault := c.fault
	c.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	key, isKey := strings.CutPrefix(r.URL.Path, "/v1/kv/")
	switch {
	case isKey && r.Method == http.MethodGet:
		c.read(w, r, key)
	case isKey:
		fmt.Fprint(w, c.write(r, key, body))
	case strings.HasPrefix(r.URL.Path, "/v1/session/"):
		c.session(w, strings.TrimPrefix(r.URL.Path, "/v1/session/"))
	default:
		http.NotFound(w, r)
	}
}

// change runs f and tells those who wait for changes.
func (c *fakeConsul) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index++
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

// put makes a key of nobody's.
func (c *fakeConsul) put(key, session string, value []byte) {
	c.change(func() {
		c.keys[key] = &api.KVPair{Key: key, Value: value, Session: session, CreateIndex: c.index, ModifyIndex: c.index}
	})
}

// putInstance makes a leased key.
func (c *fakeConsul) putInstance(t testing.TB, prefix, service string, i lease.Instance) {
	t.Helper()
	value, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	c.put(prefix+"/"+service+"/"+i.ID, "a-session", value)
}

func (c *fakeConsul) remove(key string) { c.change(func() { delete(c.keys, key) }) }

// setFault breaks Consul, or mends it with nil. Questions that wait go on.
func (c *fakeConsul) setFault(fault func(w http.ResponseWriter, r *http.Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = fault
}

func (c *fakeConsul) session(w http.ResponseWriter, path string) {
	what, id, _ := strings.Cut(path, "/")
	switch what {
	case "create":
		c.change(func() {
			c.made++
			id = fmt.Sprintf("00000000-0000-0000-0000-%012d", c.made)
			c.sessions[id] = true
		})
		fmt.Fprintf(w, `{"ID":%q}`, id)
	case "renew":
		c.mu.Lock()
		known := c.sessions[id]
		c.mu.Unlock()
		if !known {
			http.Error(w, "no such session", http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, `[{"ID":%q,"TTL":"10s"}]`, id)
	case "destroy":
		c.destroy(id)
		fmt.Fprint(w, true)
	}
}

// destroy ends a session, and with it its keys.
func (c *fakeConsul) destroy(id string) {
	c.change(func() {
		delete(c.sessions, id)
		for key, pair := range c.keys {
			if pair.Session == id {
				delete(c.keys, key)
			}
		}
	})
}

func (c *fakeConsul) write(r *http.Request, key string, body []byte) (done bool) {
	session := r.URL.Query().Get("acquire")
	c.change(func() {
		pair := c.keys[key]
		switch {
		case r.Method == http.MethodDelete:
			delete(c.keys, key)
			done = true
		case session != "" && (!c.sessions[session] || pair != nil && pair.Session != "" && pair.Session != session):
		default:
			c.keys[key] = &api.KVPair{Key: key, Value: body, Session: session, CreateIndex: c.index, ModifyIndex: c.index}
			done = true
		}
	})
	return done
}

// read answers for a key, or with recurse for all that begin so, and blocks when it is
// asked for what comes after an index.
func (c *fakeConsul) read(w http.ResponseWriter, r *http.Request, key string) {
	query := r.URL.Query()
	index, _ := strconv.ParseUint(query.Get("index"), 10, 64)
	wait, err := time.ParseDuration(query.Get("wait"))
	if err != nil {
		wait = 5 * time.Minute
	}
	end := time.NewTimer(wait)
	defer end.Stop()
	for waited := index == 0; ; {
		c.mu.Lock()
		found := make([]*api.KVPair, 0)
		for name, pair := range c.keys {
			if name == key || query.Has("recurse") && strings.HasPrefix(name, key) {
				found = append(found, pair)
			}
		}
		at, changed := c.index, c.changed
		body, _ := json.Marshal(found)
		c.mu.Unlock()
		if waited || at > index {
			w.Header().Set("X-Consul-Index", strconv.FormatUint(at, 10))
			if len(found) == 0 {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			w.Write(body)
			return
		}
		select {
		case <-changed:
		case <-end.C:
			waited = true
		case <-r.Context().Done():
			return
		}
	}
}

// instances returns what is registered, by key.
func (c *fakeConsul) instances(t testing.TB) map[string]lease.Instance {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]lease.Instance)
	for key, pair := range c.keys {
		i, err := lease.Decode(pair.Value)
		if err != nil {
			t.Errorf("%s has the value %s: %v", key, pair.Value, err)
		}
		all[key] = i
	}
	return all
}

// requests returns those whose method and path begin so.
func (c *fakeConsul) requests(method, path string) (all []fakeRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.log {
		if strings.HasPrefix(r.method, method) && strings.HasPrefix(r.path, path) {
			all = append(all, r)
		}
	}
	return all
}

// fakeClient is a client of a Consul that has no network.
func fakeClient(t testing.TB, c http.RoundTripper) *api.Client {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: "consul.test:8500", HttpClient: &http.Client{Transport: c}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
