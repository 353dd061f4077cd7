package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/lease"
)

const commandKey = "weir/services/web/10.0.1.10:8080~0a0b0c0d"

// commandService is the http.RoundTripper to a service whose health is asked for.
type commandService struct {
	mu     sync.Mutex
	status int // 0: it takes the request and does not answer
}

func (s *commandService) set(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *commandService) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	status := s.status
	s.mu.Unlock()
	if status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Header: make(http.Header), Body: http.NoBody, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// commandRun is the command while it runs, in a synctest bubble.
type commandRun struct {
	consul  *fakeConsul
	service *commandService
	signals chan os.Signal
	ended   chan error
	cancel  context.CancelFunc

	mu  sync.Mutex
	log bytes.Buffer
}

func (c *commandRun) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(p)
}

// said returns the messages of the command so far, without those of the lease.
func (c *commandRun) said(t testing.TB) string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for line := range strings.Lines(c.log.String()) {
		var entry struct{ Msg, Key string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		} else if entry.Key == "" {
			all = append(all, entry.Msg)
		}
	}
	return strings.Join(all, "; ")
}

// sessions returns the ids of those that Consul has, in the order they were made.
func (c *commandRun) sessions() []string {
	c.consul.mu.Lock()
	defer c.consul.mu.Unlock()
	return slices.Sorted(maps.Keys(c.consul.sessions))
}

// noLeader is a fault of Consul.
func noLeader(w http.ResponseWriter, _ *http.Request) bool {
	http.Error(w, "No cluster leader", http.StatusInternalServerError)
	return true
}

// runCommand starts the command with a Consul and a service of its own; status is what
// the service answers when asked for its health, or -1 if it is not.
func runCommand(t *testing.T, status int, change func(*commandRun, *serviceLease)) *commandRun {
	t.Helper()
	c := &commandRun{
		consul: newFakeConsul(), service: &commandService{status: status},
		signals: make(chan os.Signal, 2), ended: make(chan error, 1),
	}
	s := &serviceLease{
		client:   fakeClient(t, c.consul),
		settings: lease.Settings{Service: "web", TTL: 10 * time.Second, Drain: 5 * time.Second},
		instance: lease.Instance{ID: "10.0.1.10:8080~0a0b0c0d", Address: "10.0.1.10", Port: 8080},
		log:      slog.New(slog.NewJSONHandler(c, nil)),
	}
	s.settings.Logger = s.log
	if status >= 0 {
		s.health = newHealthCheck("http://127.0.0.1:8080/health", 2*time.Second, time.Second)
		s.health.client.Transport = c.service
	}
	if change != nil {
		change(c, s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c.cancel = cancel
	t.Cleanup(cancel)
	go func() { c.ended <- s.run(ctx, c.signals) }()
	return c
}

// isRegistered fails unless the instance is registered, or not, as wanted.
func (c *commandRun) isRegistered(t *testing.T, want bool) {
	t.Helper()
	synctest.Wait()
	all := c.consul.instances(t)
	if i, got := all[commandKey]; got != want || len(all) > 1 || want && (i.HostPort() != "10.0.1.10:8080" || i.Draining) {
		t.Errorf("registered are %v, want the instance: %v\n%s", all, want, c.said(t))
	}
}

// end fails unless the command ends in time with the error wanted, or none.
func (c *commandRun) end(t *testing.T, within time.Duration, wantError string) {
	t.Helper()
	start := time.Now()
	err := <-c.ended
	if took := time.Since(start); took > within {
		t.Errorf("it took %v to end, want %v at most", took, within)
	}
	if wantError == "" && err != nil || wantError != "" && (err == nil || !strings.Contains(err.Error(), wantError)) {
		t.Errorf("the command ended with %v, want %q", err, wantError)
	}
}

func TestServiceLeaseWithoutHealthURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := runCommand(t, -1, nil)
		c.isRegistered(t, true)
		time.Sleep(time.Hour)
		c.isRegistered(t, true)

		c.signals <- syscall.SIGTERM
		time.Sleep(4900 * time.Millisecond)
		synctest.Wait()
		if i, ok := c.consul.instances(t)[commandKey]; !ok || !i.Draining {
			t.Errorf("while it drains, the instance is %+v, there: %v", i, ok)
		}
		c.end(t, 200*time.Millisecond, "")
		c.isRegistered(t, false)
		if got := c.sessions(); len(got) != 0 {
			t.Errorf("the sessions %v are left", got)
		}
	})
}

func TestServiceLeaseFollowsTheHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := runCommand(t, 503, nil)
		time.Sleep(time.Minute + 500*time.Millisecond) // between two questions
		c.isRegistered(t, false)

		c.service.set(204)
		time.Sleep(2 * time.Second)
		c.isRegistered(t, true)
		first := c.consul.instances(t)[commandKey]

		c.service.set(302) // is not well either
		time.Sleep(4 * time.Second)
		c.isRegistered(t, true) // two failures
		c.service.set(200)
		time.Sleep(2 * time.Second)
		c.service.set(0)            // hangs
		time.Sleep(5 * time.Second) // two questions, and the timeout of the second
		c.isRegistered(t, true)     // as these are two failures again, not four
		time.Sleep(2 * time.Second)
		c.isRegistered(t, false)

		c.service.set(200)
		time.Sleep(2 * time.Second)
		c.isRegistered(t, true)
		if again := c.consul.instances(t)[commandKey]; !again.StartedAt.After(first.StartedAt) {
			t.Errorf("started at %v, and after its failure at %v: it was as good as restarted", first.StartedAt, again.StartedAt)
		}
		want := "the service does not answer yet; the service answers, the lease is taken; " +
			"the service does not answer any more, the lease is given up; the service answers, the lease is taken"
		if got := c.said(t); got != want {
			t.Errorf("the log says\n%s, want\n%s", got, want)
		}
		c.signals <- os.Interrupt
		c.end(t, 5100*time.Millisecond, "")
		c.isRegistered(t, false)
	})
}

func TestServiceLeaseLeavesAtOnceWithNothingHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := runCommand(t, 0, nil) // a question is under way
		time.Sleep(500 * time.Millisecond)
		c.signals <- syscall.SIGTERM
		c.end(t, 0, "")
	})
}

func TestServiceLeaseWithoutDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := runCommand(t, -1, func(_ *commandRun, s *serviceLease) { s.settings.Drain = -1 })
		c.isRegistered(t, true)
		c.signals <- syscall.SIGTERM
		c.end(t, 0, "")
		c.isRegistered(t, false)
	})
}

func TestServiceLeaseSecondSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := runCommand(t, -1, nil)
		c.isRegistered(t, true)
		c.signals <- syscall.SIGTERM
		time.Sleep(time.Second)
		c.signals <- os.Interrupt
		c.end(t, 0, "second signal (interrupt): the lease ends by itself within 20s")
	})
}

func TestServiceLeaseWithConsulAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := runCommand(t, -1, func(c *commandRun, _ *serviceLease) { c.consul.setFault(noLeader) })
		time.Sleep(time.Minute)
		c.isRegistered(t, false)
		c.consul.setFault(nil)
		time.Sleep(2 * time.Second)
		c.isRegistered(t, true)

		c.consul.setFault(noLeader)
		c.signals <- syscall.SIGTERM
		c.end(t, 16*time.Second, "which ends by itself within 20s")
	})
}

func TestServiceLeaseGivenUpWithConsulAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := runCommand(t, 200, nil)
		time.Sleep(500 * time.Millisecond)
		c.isRegistered(t, true)
		c.consul.setFault(noLeader)
		c.service.set(500)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if got := c.said(t); !strings.HasSuffix(got, "the lease is given up; giving up the lease") {
			t.Errorf("the log says %s", got)
		}
		c.service.set(200)
		c.consul.setFault(nil) // with the key of before, whose session has yet to expire
		time.Sleep(5 * time.Second)
		sessions := c.sessions()
		if len(sessions) != 2 {
			t.Fatalf("there are the sessions %v, want that of before and a new one", sessions)
		}
		c.consul.destroy(sessions[0])
		time.Sleep(2 * time.Second)
		c.isRegistered(t, true)
		if got := c.sessions(); !slices.Equal(got, sessions[1:]) {
			t.Errorf("there are the sessions %v, want %v", got, sessions[1:])
		}
	})
}

func TestServiceLeaseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := runCommand(t, -1, nil)
		c.isRegistered(t, true)
		c.cancel()
		c.end(t, 0, "")
		c.isRegistered(t, false)
	})
}
