package lease

// fixture_test.go holds a lease of a Consul in memory, and what it logs.

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

const testKey = "weir/services/web/a"

// held is a lease under test.
type held struct {
	*Lease
	consul *fakeConsul
	logged *lines
	cancel context.CancelFunc
}

// lines are the messages of a log, and all its text.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// messages returns the messages in order.
func (l *lines) messages(t testing.TB) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(l.text()) {
		var entry struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		all = append(all, entry.Msg)
	}
	return all
}

// hold holds a lease in a synctest bubble, whose end ends it.
func hold(t *testing.T, c *fakeConsul, change func(*Settings)) *held {
	t.Helper()
	logged := new(lines)
	settings := Settings{Service: "web", Logger: slog.New(slog.NewJSONHandler(logged, nil))}
	if change != nil {
		change(&settings)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, err := Hold(ctx, c.client(t), settings, Instance{ID: "a", Address: "10.0.0.1", Port: 8080})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); <-l.done; c.locked(c.empty) })
	return &held{l, c, logged, cancel}
}

// registered holds a lease and waits until it is registered.
func registered(t *testing.T, c *fakeConsul, change func(*Settings)) *held {
	t.Helper()
	h := hold(t, c, change)
	<-h.Registered()
	synctest.Wait()
	return h
}

// isRegistered fails unless the instance has its key, and no other, and knows it.
func (h *held) isRegistered(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if all := h.consul.instances(t); len(all) != 1 || all[testKey].HostPort() != "10.0.0.1:8080" {
		t.Errorf("registered are %v", all)
	}
	if s := h.State(); s.Phase != Registered || s.Error != "" || !s.ErrorSince.IsZero() {
		t.Errorf("the state is %+v", s)
	}
}
