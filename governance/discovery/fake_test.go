package discovery

// fake_test.go is a Consul for tests with a clock of their own: it does what is
// documented, and what a real one cannot be made to do.

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

const (
	secret = "b1946ac9-2f4e-4d4d-8a3a-secret-token"
	web    = "weir/services/web/"
)

// question is one that was asked.
type question struct {
	at    time.Time
	path  string
	index string // empty if the question has none
	wait  time.Duration
}

// consul is a fake one. Its answers are those of one server without a network.
type consul struct {
	mu       sync.Mutex
	index    uint64
	pairs    map[string]*api.KVPair
	services []*api.ServiceEntry
	changed  chan struct{} // closed at every change
	asked    []question
	restores int // of backups
	asking   int // at this moment
	most     int // of asking

	// instead, if not nil, answers in place of the fake; it may return neither, and the
	// fake answers after all
	instead func(*http.Request) (*http.Response, error)
}

func newConsul() *consul {
	return &consul{index: 100, pairs: make(map[string]*api.KVPair), changed: make(chan struct{})}
}

func (c *consul) client(t testing.TB) *api.Client {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: "consul.test:8500", Token: secret, HttpClient: &http.Client{Transport: c}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// change changes what there is, at the next index.
func (c *consul) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index++
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

// put registers instances.
func (c *consul) put(instances ...lease.Instance) {
	c.change(func() {
		for _, i := range instances {
			value, err := json.Marshal(i)
			if err != nil {
				panic(err)
			}
			c.pairs[web+i.ID] = &api.KVPair{Key: web + i.ID, Value: value, Session: "session of " + i.ID, ModifyIndex: c.index}
		}
	})
}

// putRaw writes a key.
func (c *consul) putRaw(key, value, session string) {
	c.change(func() { c.pairs[key] = &api.KVPair{Key: key, Value: []byte(value), Session: session} })
}

// remove removes instances.
func (c *consul) remove(ids ...string) {
	c.change(func() {
		for _, id := range ids {
			delete(c.pairs, web+id)
		}
	})
}

// wipe is a restart with no data.
func (c *consul) wipe() {
	c.change(func() {
		clear(c.pairs)
		c.index = 3
	})
}

// restore begins at another index, and answers who waits, as a restored backup does.
func (c *consul) restore(index uint64) {
	c.change(func() {
		c.index = index
		c.restores++
	})
}

// behave makes questions be answered in another way; nil mends that. Who waits
// for an answer is disconnected.
func (c *consul) behave(instead func(*http.Request) (*http.Response, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instead = instead
	close(c.changed)
	c.changed = make(chan struct{})
}

// questions returns those asked since the last call.
func (c *consul) questions() []question {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.asked
	c.asked = nil
	return asked
}

// atOnce returns how many questions there were at the same time, at most.
func (c *consul) atOnce() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most
}

func (c *consul) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("X-Consul-Token") != secret {
		return reply(403, nil, "ACL not found"), nil
	}
	q := question{at: time.Now(), path: r.URL.Path, index: r.URL.Query().Get("index")}
	q.wait = 5 * time.Minute // of a question that does not say
	if text := r.URL.Query().Get("wait"); text != "" {
		q.wait, _ = time.ParseDuration(text)
	}
	c.mu.Lock()
	c.asked = append(c.asked, q)
	c.asking++
	c.most = max(c.most, c.asking)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.asking--
		c.mu.Unlock()
	}()
	return c.serve(r, q)
}

func (c *consul) serve(r *http.Request, q question) (*http.Response, error) {
	index, _ := strconv.ParseUint(q.index, 10, 64)
	timeout := time.NewTimer(q.wait + q.wait/16)
	defer timeout.Stop()
	c.mu.Lock()
	restores := c.restores
	c.mu.Unlock()
	for first := true; ; first = false {
		c.mu.Lock()
		instead, changed := c.instead, c.changed
		c.mu.Unlock()
		if instead != nil && !first {
			return nil, errors.New("connection reset by peer")
		}
		if instead != nil {
			if response, err := instead(r); response != nil || err != nil {
				return response, err
			}
		}
		c.mu.Lock()
		if index == 0 || c.index > index || c.restores != restores {
			defer c.mu.Unlock()
			return c.answer(q), nil
		}
		c.mu.Unlock()
		select {
		case <-changed:
		case <-timeout.C:
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.answer(q), nil
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// answer is the one to give now. The caller holds mu.
func (c *consul) answer(q question) *http.Response {
	if strings.HasPrefix(q.path, "/v1/health/service/") {
		return reply(200, &c.index, jsonOf(c.services))
	}
	prefix := strings.TrimPrefix(q.path, "/v1/kv/")
	var found []*api.KVPair
	for key, pair := range c.pairs {
		if strings.HasPrefix(key, prefix) {
			found = append(found, pair)
		}
	}
	if len(found) == 0 {
		return reply(404, &c.index, "")
	}
	return reply(200, &c.index, jsonOf(found))
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// reply makes an answer; one without an index has no such header.
func reply(status int, index *uint64, body string) *http.Response {
	response := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
	if index != nil {
		response.Header.Set("X-Consul-Index", strconv.FormatUint(*index, 10))
	}
	response.Header.Set("X-Consul-KnownLeader", "true")
	response.Header.Set("X-Consul-LastContact", "0")
	return response
}
