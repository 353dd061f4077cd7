package warmup

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirproxy/weir/governance/ramp"
)

// health is the service's readiness check, without a network, whose time is the
// test's.
type health struct {
	status  atomic.Int32 // 0 refuses the connection, -1 never answers
	polls   atomic.Int32
	lastURL atomic.Pointer[string]
}

func (s *health) RoundTrip(r *http.Request) (*http.Response, error) {
	s.polls.Add(1)
	s.lastURL.Store(new(r.URL.String()))
	switch status := s.status.Load(); status {
	case 0:
		return nil, errors.New("connection refused")
	case -1:
		<-r.Context().Done()
		return nil, r.Context().Err()
	default:
		return &http.Response{StatusCode: int(status), Body: io.NopCloser(strings.NewReader("ok")), Header: http.Header{"Location": {"http://elsewhere/"}}, Request: r}, nil
	}
}

// held is a warm-up that a handler holds, in the time of the test.
func held(t *testing.T, h *Handler) (*health, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	newHandler(t, h).logger = zap.New(core)
	service := new(health)
	h.live.transport = service
	h.live.hold(h)
	return service, logs
}

func wantPhase(t *testing.T, when string, h *Handler, want ramp.Phase) {
	t.Helper()
	synctest.Wait()
	if got := h.snapshot().Phase; got != want {
		t.Errorf("%s: the phase is %s, want %s", when, got, want)
	}
}

func withReady() *Handler {
	return &Handler{Ready: &Ready{URL: "http://service/health"}, Ramp: new(Ramp)}
}

// A thousand requests a second through the handler, from a service that is not ready
// to one that is warm: what passes is the closed form, from when it is ready.
func TestHandlerAdmitsTheClosedForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := withReady()
		service, logs := held(t, h)
		defer h.live.release(h)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		passed := 0
		next := nextFunc(func(http.ResponseWriter, *http.Request) error { passed++; return nil })
		send := func(seconds int) (admitted int) {
			before := passed
			for range 1000 * seconds {
				_ = h.ServeHTTP(httptest.NewRecorder(), r, next)
				time.Sleep(time.Millisecond)
			}
			return passed - before
		}
		if n := send(10); n != 0 {
			t.Errorf("%d admitted before it is ready", n)
		}
		service.status.Store(200)
		for h.snapshot().Phase == ramp.Hold {
			time.Sleep(time.Millisecond)
		}
		for step := range 8 {
			share := 0.05 * math.Pow(1.5, float64(step))
			if n := float64(send(30)); math.Abs(n-30_000*share) > 0.02*30_000*share {
				t.Errorf("step %d: %v admitted, want %v within 2 %%", step, n, 30_000*share)
			}
		}
		wantPhase(t, "after 240 s", h, ramp.Warm)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		var told []string
		for _, entry := range logs.All() {
			told = append(told, entry.Message)
		}
		if len(told) != 4 || logs.FilterLevelExact(zap.WarnLevel).Len() != 0 {
			t.Errorf("logged are %q, want four phases and no warning", told)
		}
	})
}

func TestReadinessIsPolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := withReady()
		service, _ := held(t, h)
		for status, what := range map[int32]string{0: "refused", -1: "no answer in 2 s", 500: "500", 302: "a redirect", 404: "404"} {
			service.status.Store(status)
			time.Sleep(4 * time.Second)
			wantPhase(t, what, h, ramp.Hold)
		}
		service.status.Store(204)
		time.Sleep(4 * time.Second)
		wantPhase(t, "204", h, ramp.Grow)
		before := service.polls.Load()
		time.Sleep(100 * time.Second)
		if n := service.polls.Load() - before; n < 90 || n > 111 {
			t.Errorf("%d polls in 100 s, want one a second, give or take a tenth", n)
		}
		h.live.release(h)
		synctest.Wait()
		before = service.polls.Load()
		time.Sleep(time.Minute)
		if n := service.polls.Load() - before; n != 0 {
			t.Errorf("%d polls after the last holder released it", n)
		}
	})
}

func TestAServiceThatFailsIsColdAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := withReady()
		service, logs := held(t, h)
		defer h.live.release(h)
		service.status.Store(200)
		time.Sleep(2 * time.Second)
		h.live.ramp.Skip(time.Now(), "skipped by the operator")
		time.Sleep(2 * time.Second)
		service.status.Store(0)
		time.Sleep(29 * time.Second)
		wantPhase(t, "29 s after it failed", h, ramp.Warm)
		time.Sleep(5 * time.Second)
		wantPhase(t, "34 s after it failed", h, ramp.Hold)
		if share := *h.snapshot().Share; share != 0.5 {
			t.Errorf("the share is %v, want half of all", share)
		}
		if n := logs.FilterLevelExact(zap.WarnLevel).Len(); n != 1 {
			t.Errorf("%d warnings, want 1", n)
		}
	})
}

// While two configurations hold it, one polls: the older one. When that goes, its
// successor's check and settings hold.
func TestTheOldestHolderRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := withReady()
		service, _ := held(t, old)
		service.status.Store(200)
		time.Sleep(10 * time.Second)
		younger := &Handler{Name: "test", Ready: &Ready{URL: "http://service/new", Interval: 5e9}, Ramp: &Ramp{From: 0.5}, live: old.live, logger: old.logger}
		if err := younger.configure(); err != nil {
			t.Fatal(err)
		}
		old.live.hold(younger)
		before := service.polls.Load()
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if n := service.polls.Load() - before; n < 45 || n > 56 || *service.lastURL.Load() != "http://service/health" {
			t.Errorf("%d polls in 50 s, the last of %s; want one a second of the older one's", n, *service.lastURL.Load())
		}
		if share := *old.snapshot().Share; share > 0.12 {
			t.Errorf("the share is %v: the younger one's settings are in effect", share)
		}
		old.live.release(old)
		old.live.release(old) // does nothing
		if share := *younger.snapshot().Share; share != 0.5 {
			t.Errorf("the share is %v, want the 0.5 that the younger one begins with", share)
		}
		time.Sleep(6 * time.Second)
		before = service.polls.Load()
		time.Sleep(50 * time.Second)
		if n := service.polls.Load() - before; n < 9 || n > 12 || *service.lastURL.Load() != "http://service/new" {
			t.Errorf("%d polls in 50 s, the last of %s; want one every five of the younger one's", n, *service.lastURL.Load())
		}
		younger.live.release(younger)
		// and a state that all have left can be taken up again
		younger.live.hold(younger)
		before = service.polls.Load()
		time.Sleep(time.Second)
		if service.polls.Load() == before {
			t.Error("not polled after it was taken up again")
		}
		younger.live.release(younger)
	})
}

// The check goes to the service itself, without redirects, and says who asks.
func TestAnswers(t *testing.T) {
	asked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.URL.Path + " " + r.UserAgent()
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/health", http.StatusFound)
		}
	}))
	defer server.Close()
	for path, want := range map[string]bool{"/health": true, "/moved": false} {
		c := &Ready{URL: server.URL + path}
		if err := c.configure(); err != nil {
			t.Fatal(err)
		}
		if got := c.answers(context.Background(), newClient(newTransport())); got != want {
			t.Errorf("%s: ready is %v, want %v", path, got, want)
		}
		if got := <-asked; got != "GET "+path+" weir warm_up" || len(asked) != 0 {
			t.Errorf("asked was %q and %d more, want one GET of %s", got, len(asked), path)
		}
	}
}
