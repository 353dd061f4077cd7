package lease

// fakeserve_test.go holds the endpoints of the Consul in memory.

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

func (c *fakeConsul) serve(r *http.Request, body []byte) (*http.Response, error) {
	part := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/v1/"), "/", 3)
	switch {
	case part[0] == "kv" && r.Method == http.MethodGet:
		return c.get(r, strings.TrimPrefix(r.URL.Path, "/v1/kv/"))
	case part[0] == "kv":
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.writeKey(r, strings.TrimPrefix(r.URL.Path, "/v1/kv/"), body), nil
	case part[0] == "session" && r.Method == http.MethodPut:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.serveSession(part, body), nil
	}
	return response(http.StatusMethodNotAllowed, "method not allowed"), nil
}

func (c *fakeConsul) serveSession(part []string, body []byte) *http.Response {
	switch part[1] {
	case "create":
		return c.createSession(body)
	case "renew":
		s := c.sessions[part[2]]
		if s == nil {
			return response(http.StatusNotFound, fmt.Sprintf("Session id '%s' not found", part[2]))
		}
		c.reset(s)
		entry := s.SessionEntry
		if c.ttl != "" {
			entry.TTL = c.ttl
		}
		return jsonResponse([]api.SessionEntry{entry})
	case "destroy":
		c.invalidate(part[2])
		return response(http.StatusOK, "true")
	}
	return response(http.StatusNotFound, "")
}

func (c *fakeConsul) createSession(body []byte) *http.Response {
	s := &fakeSession{}
	if err := json.Unmarshal(body, &s.body); err != nil {
		return response(http.StatusBadRequest, "Request decode failed")
	}
	text := func(name string) string { v, _ := s.body[name].(string); return v }
	c.ids++
	s.ID = fmt.Sprintf("00000000-0000-0000-0000-%012d", c.ids)
	s.Name, s.TTL, s.Behavior = text("Name"), text("TTL"), text("Behavior")
	s.LockDelay = 15 * time.Second
	if delay, err := time.ParseDuration(text("LockDelay")); err == nil && delay > 0 {
		s.LockDelay = delay
	}
	if ttl, err := time.ParseDuration(s.TTL); err != nil || ttl < 10*time.Second || ttl > 24*time.Hour {
		return response(http.StatusBadRequest, "Request TTL decode failed")
	}
	c.bump()
	c.sessions[s.ID] = s
	c.reset(s)
	return jsonResponse(map[string]string{"ID": s.ID})
}

func (c *fakeConsul) writeKey(r *http.Request, key string, body []byte) *http.Response {
	pair, query := c.keys[key], r.URL.Query()
	if r.Method == http.MethodDelete {
		if query.Has("cas") && pair != nil && query.Get("cas") != strconv.FormatUint(pair.ModifyIndex, 10) {
			return response(http.StatusOK, "false")
		}
		delete(c.keys, key)
		c.bump()
		return response(http.StatusOK, "true")
	}
	session := ""
	if pair != nil {
		session = pair.Session
	}
	if query.Has("acquire") {
		wants := query.Get("acquire")
		switch {
		case time.Now().Before(c.delays[key]):
			return response(http.StatusOK, "false")
		case c.sessions[wants] == nil:
			return response(http.StatusInternalServerError, fmt.Sprintf("rpc error making call: invalid session %q", wants))
		case session != "" && session != wants:
			return response(http.StatusOK, "false")
		}
		session = wants
	}
	c.put(key, session, body)
	return response(http.StatusOK, "true")
}

func (c *fakeConsul) put(key, session string, value []byte) {
	index := c.bump()
	c.keys[key] = &api.KVPair{Key: key, Value: value, Session: session, ModifyIndex: index, CreateIndex: index}
}

// get is a read that blocks when it has an index.
func (c *fakeConsul) get(r *http.Request, key string) (*http.Response, error) {
	index, _ := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64)
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	if wait == 0 {
		wait = 5 * time.Minute
	}
	end := time.NewTimer(wait + wait/16)
	defer end.Stop()
	for waited := index == 0; ; {
		c.mu.Lock()
		pair, at := c.keys[key], c.index
		if pair != nil {
			at = pair.ModifyIndex
		}
		if waited || at > index {
			answer := c.found(pair, at)
			c.mu.Unlock()
			return answer, nil
		}
		changed, broken := c.changed, c.broken
		c.mu.Unlock()
		select {
		case <-changed:
		case <-end.C:
			waited = true
		case <-broken:
			return nil, io.ErrUnexpectedEOF
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

func (c *fakeConsul) found(pair *api.KVPair, index uint64) *http.Response {
	answer := response(http.StatusNotFound, "")
	if pair != nil {
		answer = jsonResponse([]*api.KVPair{pair})
	}
	told := strconv.FormatUint(index, 10)
	if c.tellIndex != nil {
		told = c.tellIndex(index)
	}
	answer.Header.Set("X-Consul-Index", told)
	return answer
}
