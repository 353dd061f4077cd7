package discovery

// fixture_test.go has what tests watch, and what they look at.

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/lease"
)

// instance is number n of the service.
func instance(n int) lease.Instance {
	return lease.Instance{
		ID: fmt.Sprintf("web-%04d", n), Address: fmt.Sprintf("10.0.%d.%d", n/250, n%250+1), Port: 8080, Scheme: "http",
		Weight: 1, Stage: "stable", StartedAt: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC),
	}
}

// instances are those from first on.
func instances(first, count int) []lease.Instance {
	all := make([]lease.Instance, count)
	for i := range all {
		all[i] = instance(first + i)
	}
	return all
}

func ids(instances []lease.Instance) []string {
	all := make([]string, len(instances))
	for i := range all {
		all[i] = instances[i].ID
	}
	return all
}

// journal collects log lines.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(p))
	return len(p), nil
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// count returns how many lines have the text.
func (j *journal) count(text string) int {
	n := 0
	for _, line := range j.all() {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// watched is a Watcher of the leases of web in a fake Consul.
type watched struct {
	*Watcher
	t      *testing.T
	log    *journal
	cancel context.CancelFunc
}

func watch(t *testing.T, c *consul, change func(*Settings)) *watched {
	t.Helper()
	source, err := KV(c.client(t), "", "web")
	if err != nil {
		t.Fatal(err)
	}
	return watchSource(t, source, change)
}

func watchSource(t *testing.T, source Source, change func(*Settings)) *watched {
	t.Helper()
	w := &watched{t: t, log: new(journal)}
	settings := Settings{Logger: w.log.logger()}
	if change != nil {
		change(&settings)
	}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(t.Context())
	var err error
	if w.Watcher, err = Watch(ctx, source, settings); err != nil {
		t.Fatal(err)
	}
	return w
}

// stop ends the watch and checks that no line or error has the token.
func (w *watched) stop() {
	w.t.Helper()
	w.cancel()
	<-w.Done()
	if n := w.log.count(secret); n > 0 || strings.Contains(w.Status().Error, secret) {
		w.t.Errorf("the token is in %d lines of the log, or in the error %q", n, w.Status().Error)
	}
	if n := w.log.count("consul.test"); n > 0 {
		w.t.Errorf("%d lines have the URL, in which can be a password: %q", n, w.log.all())
	}
}

// expect checks the ids in the set.
func (w *watched) expect(want ...lease.Instance) {
	w.t.Helper()
	set := w.Snapshot()
	if set == nil {
		w.t.Fatalf("there is no set, want %v", ids(want))
	}
	if fmt.Sprint(ids(set.Instances)) != fmt.Sprint(ids(want)) {
		w.t.Fatalf("the set has %v, want %v", ids(set.Instances), ids(want))
	}
	if got := w.Status().Instances; got != len(want) {
		w.t.Errorf("the status tells %d instances, want %d", got, len(want))
	}
}
