package canary

// direct_test.go asks handlers without a server in between, in a bubble where time costs
// nothing.

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/rollout"
	"github.com/weirproxy/weir/internal/problem"
)

// asked is a handler whose canary has got one request, with what w takes of the answer.
func asked(t *testing.T, w http.ResponseWriter, stable, canary route) *Handler {
	t.Helper()
	h := toCanary(t, stable, canary)
	if err := h.ServeHTTP(w, request(), nil); err != nil {
		t.Error(err)
	}
	return h
}

// toCanary is a handler that sends all requests to the canary.
func toCanary(t *testing.T, stable, canary route) *Handler {
	t.Helper()
	half := 0.5
	h := newFixture(new(memory)).leading(t, &Handler{
		Guard:  steps(1),
		Stages: []Stage{{Name: "stable"}, {Name: "canary", Share: &half}},
	})
	h.ctx.Context = t.Context()
	layout, err := h.live.base.With(map[string]float64{"canary": 1})
	if err != nil {
		t.Fatal(err)
	}
	h.layout.Store(layout)
	h.metrics, h.routes = newRequestMetrics(h), []caddyhttp.MiddlewareHandler{stable, canary}
	return h
}

// sides are what the guard of a handler knows.
func sides(h *Handler) (canary, stable rollout.Side) {
	v := h.live.guard.Load().Snapshot(time.Now()).Present
	return v.Canary, v.Stable
}

// about reports whether a latency from a histogram is as wanted.
func about(got, want float64) bool { return math.Abs(got-want) <= want/10 }

// after is a stage that answers after a while, with a status, and goes on for a minute.
func after(wait time.Duration, status int, contentType string) route {
	return func(w http.ResponseWriter, _ *http.Request) error {
		time.Sleep(wait)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		time.Sleep(time.Minute)
		return nil
	}
}

// How long it took is until the end of the answer, for a stream until its headers.
func TestLatency(t *testing.T) {
	for name, c := range map[string]struct {
		canary route
		want   float64
	}{
		"an answer":        {after(2*time.Second, 200, "text/plain"), 62},
		"an error":         {after(2*time.Second, 503, "text/plain"), 62},
		"a stream":         {after(2*time.Second, 200, "text/event-stream"), 2},
		"a stream's error": {after(2*time.Second, 503, "text/event-stream"), 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { wantNoSeries(t) })
			synctest.Test(t, func(t *testing.T) {
				h := asked(t, httptest.NewRecorder(), nil, c.canary)
				if canary, _ := sides(h); canary.Requests != 1 || !about(canary.LatencySeconds, c.want) {
					t.Errorf("the guard knows of %+v, want a latency of %v s", canary, c.want)
				}
				if took := duration(t, "canary"); took != c.want {
					t.Errorf("the duration is %v s, want %v", took, c.want)
				}
			})
		})
	}
}

// Each stage has the time that it took itself.
func TestLatencyOfFallbacks(t *testing.T) {
	t.Cleanup(func() { wantNoSeries(t) })
	synctest.Test(t, func(t *testing.T) {
		h := asked(t, httptest.NewRecorder(), func(w http.ResponseWriter, _ *http.Request) error {
			time.Sleep(2 * time.Second)
			return nil
		}, func(http.ResponseWriter, *http.Request) error {
			time.Sleep(5 * time.Second)
			return (&problem.Refusal{Status: 503, By: "test"}).Handler()
		})
		canary, stable := sides(h)
		if canary.Requests != 1 || canary.Errors != 1 || !about(canary.LatencySeconds, 5) || stable.Requests != 0 || stable.Unanswered != 0 {
			t.Errorf("the guard knows of %+v and of %+v", canary, stable)
		}
		if took := duration(t, "stable"); took != 2 {
			t.Errorf("the duration of stable is %v s, want 2", took)
		}
		if took := duration(t, "canary"); took != 0 {
			t.Errorf("the duration of a canary that did not answer is %v s", took)
		}
	})
}

// duration is the sum of the durations of a stage.
func duration(t *testing.T, stage string) (sum float64) {
	t.Helper()
	eachDuration(t, func(canary, of string, m histogram) {
		if canary == "checkout" && of == stage {
			sum = m.GetSampleSum()
		}
	})
	return sum
}

// histogram is what Prometheus gets of one.
type histogram interface {
	GetSampleCount() uint64
	GetSampleSum() float64
}

func eachDuration(t *testing.T, f func(canary, stage string, m histogram)) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(durationVec)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			f(m.GetLabel()[0].GetValue(), m.GetLabel()[1].GetValue(), m.GetHistogram())
		}
	}
}

// deaf is a client that takes no answer.
type deaf struct {
	*httptest.ResponseRecorder
	err error
}

func (d deaf) Write([]byte) (int, error) { return 0, d.err }

// A client that takes nothing has left, before the server knows of it; a handler that writes
// what it may not says nothing about the client.
func TestAnswersThatAreNotTaken(t *testing.T) {
	t.Cleanup(func() { wantNoSeries(t) })
	for _, c := range []struct {
		err  error
		want int
	}{
		{errors.New("connection reset"), 0},
		{http.ErrBodyNotAllowed, 1},
		{http.ErrContentLength, 1},
	} {
		h := asked(t, deaf{httptest.NewRecorder(), c.err}, nil, func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = w.Write([]byte("hello"))
			return nil
		})
		if canary, _ := sides(h); canary.Requests != c.want || canary.Requests+canary.Unanswered != 1 {
			t.Errorf("%v: the guard knows of %+v, want %d requests that are answered", c.err, canary, c.want)
		}
	}
}

// Where the answer has begun, or nobody waits for one, stable is not asked.
func TestNoFallbackTooLate(t *testing.T) {
	t.Cleanup(func() { wantNoSeries(t) })
	for name, c := range map[string]struct {
		begins, leaves bool
	}{
		"it has begun":        {begins: true},
		"the client has left": {leaves: true},
	} {
		h := toCanary(t, func(http.ResponseWriter, *http.Request) error {
			t.Errorf("%s: stable is asked", name)
			return nil
		}, func(w http.ResponseWriter, _ *http.Request) error {
			if c.begins {
				w.WriteHeader(http.StatusOK)
			}
			return (&problem.Refusal{Status: 503, By: "test"}).Handler()
		})
		r := request()
		ctx, leave := context.WithCancel(r.Context())
		if c.leaves {
			leave()
		}
		_ = h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx), nil)
		leave()
	}
}
