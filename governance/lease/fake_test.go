package lease

// fake_test.go holds a Consul in memory that does what its documentation says about
// sessions, keys and blocking queries, and what can be broken about it.

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// fakeConsul is an http.RoundTripper.
type fakeConsul struct {
	mu       sync.Mutex
	index    uint64
	keys     map[string]*api.KVPair
	sessions map[string]*fakeSession
	delays   map[string]time.Time // of locks, by key
	ids      int
	changed  chan struct{} // closed at each change
	broken   chan struct{} // closed when connections break
	sent     []sent

	expiry    float64 // in TTLs; Consul promises 1 to 2
	ttl       string  // what renewals answer, if set
	keepsKeys bool    // sessions leave their keys when they end
	tellIndex func(uint64) string
	// fault, if set, answers in place of Consul, unless it returns nil and nil.
	fault func(*http.Request) (*http.Response, error)
	// lost, if set, tells whose answers get lost though the request was done.
	lost func(*http.Request) bool
}

type fakeSession struct {
	api.SessionEntry
	body   map[string]any
	expire *time.Timer
}

// sent is a request that arrived, whether or not it was served.
type sent struct {
	at     time.Time
	method string
	path   string
	query  url.Values
}

func newFakeConsul() *fakeConsul {
	c := &fakeConsul{expiry: 2, index: 10}
	c.empty()
	return c
}

func (c *fakeConsul) empty() {
	for _, s := range c.sessions {
		s.expire.Stop()
	}
	c.keys, c.sessions, c.delays = make(map[string]*api.KVPair), make(map[string]*fakeSession), make(map[string]time.Time)
	if c.changed == nil {
		c.changed, c.broken = make(chan struct{}), make(chan struct{})
	}
}

func (c *fakeConsul) client(t testing.TB) *api.Client {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: "consul.test:8500", Token: secret, HttpClient: &http.Client{Transport: c}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// secret is the token of the clients.
const secret = "0a1b2c3d-1111-2222-3333-444455556666"

// locked runs f while nothing else happens in Consul.
func (c *fakeConsul) locked(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// setFault breaks Consul, and the connections it has, or mends it.
func (c *fakeConsul) setFault(fault func(*http.Request) (*http.Response, error)) {
	c.locked(func() {
		c.fault = fault
		close(c.broken)
		c.broken = make(chan struct{})
	})
}

func answering(status int, text string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return response(status, text), nil }
}

func refusing(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

func hanging(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func response(status int, text string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: make(http.Header), Body: io.NopCloser(strings.NewReader(text)),
		ProtoMajor: 1, ProtoMinor: 1,
	}
}

func jsonResponse(value any) *http.Response {
	text, _ := json.Marshal(value)
	return response(http.StatusOK, string(text))
}

// wipe is a restart without the data.
func (c *fakeConsul) wipe() {
	c.locked(func() {
		c.empty()
		c.index = 3
	})
}

// elect makes another server the leader, which times all sessions anew.
func (c *fakeConsul) elect() {
	c.locked(func() {
		for _, s := range c.sessions {
			c.reset(s)
		}
	})
}

func (c *fakeConsul) bump() uint64 {
	c.index++
	close(c.changed)
	c.changed = make(chan struct{})
	return c.index
}

// reset makes a session expire in a while from now.
func (c *fakeConsul) reset(s *fakeSession) {
	ttl, err := time.ParseDuration(s.TTL)
	if err != nil {
		panic(err)
	}
	if told, err := time.ParseDuration(c.ttl); err == nil {
		ttl = max(ttl, told)
	}
	if s.expire != nil {
		s.expire.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(time.Duration(c.expiry*float64(ttl)), func() {
		c.locked(func() {
			if s.expire == timer {
				c.invalidate(s.ID)
			}
		})
	})
	s.expire = timer
}

// invalidate ends a session, with what follows for its keys.
func (c *fakeConsul) invalidate(id string) {
	s := c.sessions[id]
	if s == nil {
		return
	}
	s.expire.Stop()
	delete(c.sessions, id)
	for key, pair := range c.keys {
		if pair.Session != id {
			continue
		}
		c.delays[key] = time.Now().Add(s.LockDelay)
		if s.Behavior == api.SessionBehaviorDelete && !c.keepsKeys {
			delete(c.keys, key)
		} else {
			pair.Session = ""
			pair.ModifyIndex = c.index + 1
		}
	}
	c.bump()
}

func (c *fakeConsul) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	c.mu.Lock()
	c.sent = append(c.sent, sent{time.Now(), r.Method, r.URL.Path, r.URL.Query()})
	fault, lost := c.fault, c.lost
	c.mu.Unlock()
	if fault != nil {
		if answer, err := fault(r); answer != nil || err != nil {
			return answer, err
		}
	}
	answer, err := c.serve(r, body)
	if err == nil && lost != nil && lost(r) {
		return nil, io.ErrUnexpectedEOF
	}
	return answer, err
}

// instances returns what is registered, by key. It fails unless every key is held by a
// session that is there.
func (c *fakeConsul) instances(t testing.TB) map[string]Instance {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]Instance)
	for key, pair := range c.keys {
		i, err := Decode(pair.Value)
		if err != nil || c.sessions[pair.Session] == nil {
			t.Errorf("%s is held by %q with %s: %v", key, pair.Session, pair.Value, err)
		}
		all[key] = i
	}
	return all
}

// allKeys returns a copy of the keys.
func (c *fakeConsul) allKeys() map[string]*api.KVPair {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]*api.KVPair)
	for key, pair := range c.keys {
		all[key] = new(*pair)
	}
	return all
}

// allSessions returns what the sessions were made with.
func (c *fakeConsul) allSessions() map[string]map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]map[string]any)
	for id, s := range c.sessions {
		all[id] = s.body
	}
	return all
}

// requests returns how many requests arrived.
func (c *fakeConsul) requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sent)
}

// count returns how many requests arrived whose method and path begin so.
func (c *fakeConsul) count(method, path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, s := range c.sent {
		if s.method == method && strings.HasPrefix(s.path, path) {
			n++
		}
	}
	return n
}

// FakeConsul returns a Consul for the examples.
func FakeConsul() http.RoundTripper { return newFakeConsul() }
