package exchange

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"
)

// prepare makes a request as Caddy's server hands it to handlers.
func prepare(r *http.Request, w http.ResponseWriter, server *caddyhttp.Server) *http.Request {
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, server)
}

func newRequest(w http.ResponseWriter) *http.Request {
	return prepare(httptest.NewRequest("GET", "/", nil), w, new(caddyhttp.Server))
}

// recording is an observer that notes what it is told.
type recording struct {
	calls  int
	status int
	size   int64
}

func (o *recording) Done(r *http.Request, x *Exchange) {
	o.calls++
	o.status = x.Status(r)
	o.size = x.Size()
}

func TestFromIsOneExchangePerRequest(t *testing.T) {
	r := newRequest(nil)
	x := From(r)
	for name, other := range map[string]*http.Request{
		"itself":     r,
		"a clone":    r.Clone(context.WithValue(r.Context(), caddyhttp.ErrorCtxKey, io.EOF)),
		"error copy": new(caddyhttp.HTTPErrorConfig).WithError(r, io.EOF),
	} {
		if From(other) != x {
			t.Errorf("%s has another exchange", name)
		}
	}
	if From(newRequest(nil)) == x {
		t.Error("two requests have the same exchange")
	}
	if From(httptest.NewRequest("GET", "/", nil)) == nil {
		t.Error("a request outside Caddy has no exchange")
	}
}

func TestServeWrapsOnce(t *testing.T) {
	w := httptest.NewRecorder()
	r := newRequest(w)
	x := From(r)
	var outer, inner recording
	leaf := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		if w != http.ResponseWriter(x) {
			t.Errorf("the innermost handler writes to a %T", w)
		}
		_, err := io.WriteString(w, "hello")
		return err
	})
	x.Observe(&outer)
	err := x.Serve(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if replaced := x.Observe(&inner); replaced != Observer(&outer) {
			t.Errorf("replaced %v", replaced)
		}
		return x.Serve(w, r, leaf)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if outer.calls != 0 || (inner != recording{1, 200, 5}) {
		t.Errorf("the outer observer has %+v, the inner one %+v", outer, inner)
	}
	// A second pass is a second answer.
	x.Observe(&outer)
	if err := x.Serve(w, r, leaf); err != nil {
		t.Fatal(err)
	}
	if (outer != recording{1, 200, 5}) || inner.calls != 1 {
		t.Errorf("after another pass the outer observer has %+v, the inner one %+v", outer, inner)
	}
}

func TestPanicsPassAndAreObserved(t *testing.T) {
	for _, value := range []any{http.ErrAbortHandler, "broken"} {
		w := httptest.NewRecorder()
		r := newRequest(w)
		x := From(r)
		var o recording
		x.Observe(&o)
		func() {
			defer func() {
				if got := recover(); got != value {
					t.Errorf("recovered %v, want %v", got, value)
				}
			}()
			_ = x.Serve(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { panic(value) }))
		}()
		if o.calls != 1 || o.status != http.StatusInternalServerError {
			t.Errorf("observed %+v", o)
		}
	}
}

func TestServeWithoutObserver(t *testing.T) {
	w := httptest.NewRecorder()
	r := newRequest(w)
	if err := From(r).Serve(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })); err != nil {
		t.Error(err)
	}
}

func TestStatus(t *testing.T) {
	live := httptest.NewRequest("GET", "/", nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	left := live.WithContext(ctx)
	late, cancelLate := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancelLate()
	tests := []struct {
		name string
		x    Exchange
		r    *http.Request
		want int
	}{
		{"nothing written", Exchange{}, live, 200},
		{"nothing written as the client left", Exchange{}, left, 499},
		{"written", Exchange{Writer: Writer{status: 404}}, live, 404},
		{"panicked before", Exchange{aborted: true}, live, 500},
		{"panicked after", Exchange{Writer: Writer{status: 206}, aborted: true}, live, 206},
		{"aborted as the client left", Exchange{Writer: Writer{status: 200}, aborted: true}, left, 499},
		{"aborted before, as the client left", Exchange{aborted: true}, left, 499},
		{"deadline is not leaving", Exchange{Writer: Writer{status: 200}, aborted: true}, live.WithContext(late), 200},
		{"write failed", Exchange{Writer: Writer{status: 200, unsent: true}}, live, 499},
		{"copy failed", Exchange{Writer: Writer{status: 200, copyFailed: true}}, live, 200},
		{"copy failed as the client left", Exchange{Writer: Writer{status: 200, copyFailed: true}}, left, 499},
		{"left after its answer", Exchange{Writer: Writer{status: 200}}, left, 200},
		{"stream ended by the client", Exchange{Writer: Writer{status: 200, unsent: true}, streamedAt: new(time.Time), aborted: true}, left, 200},
		{"hijacked without a status", Exchange{Writer: Writer{status: 101}, streamedAt: new(time.Time)}, live, 101},
	}
	for i := range tests {
		tt := &tests[i]
		if got := tt.x.Status(tt.r); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestDuration(t *testing.T) {
	start := time.Unix(100, 0)
	x := new(Exchange)
	if got := x.Duration(start, start.Add(3*time.Second)); got != 3*time.Second {
		t.Errorf("an answer took %v", got)
	}
	headers := start.Add(time.Second)
	x.streamedAt = &headers
	if got := x.Duration(start, start.Add(time.Hour)); got != time.Second {
		t.Errorf("a stream took %v", got)
	}
}

func TestMeasure(t *testing.T) {
	t.Run("declared", func(t *testing.T) {
		r := httptest.NewRequest("POST", "/", strings.NewReader("hello"))
		x, body := new(Exchange), r.Body
		if !x.Started().IsZero() || x.RequestSize() != 0 {
			t.Error("measured before it was asked to")
		}
		x.Measure(r)
		if x.RequestSize() != 5 || r.Body != body || time.Since(x.Started()) > time.Minute {
			t.Errorf("size %d, body %T, started %v", x.RequestSize(), r.Body, x.Started())
		}
	})
	t.Run("unknown", func(t *testing.T) {
		r := httptest.NewRequest("POST", "/", strings.NewReader("hello"))
		r.ContentLength = -1
		x := new(Exchange)
		x.Measure(r)
		started := x.Started()
		x.Measure(r) // must not wrap its own wrapper
		if x.RequestSize() != 0 || x.Started() != started {
			t.Errorf("size %d before the body is read", x.RequestSize())
		}
		if text, err := io.ReadAll(r.Body); string(text) != "hello" || err != nil {
			t.Errorf("read %q, %v", text, err)
		}
		if x.RequestSize() != 5 || r.Body.Close() != nil {
			t.Errorf("size %d after the body is read", x.RequestSize())
		}
	})
	t.Run("no body", func(t *testing.T) {
		for _, body := range []io.ReadCloser{nil, http.NoBody} {
			r := &http.Request{ContentLength: -1, Body: body}
			x := new(Exchange)
			if x.Measure(r); r.Body != body || x.RequestSize() != 0 {
				t.Errorf("body %T, size %d", r.Body, x.RequestSize())
			}
		}
	})
}

func TestAttempts(t *testing.T) {
	x := new(Exchange)
	a, b := new(int), new(int)
	x.AddAttempt(a, "one")
	x.Outcome = "failure"
	x.AddAttempt(b, "one")
	if x.Outcome != "" {
		t.Errorf("a new attempt starts with the outcome %q", x.Outcome)
	}
	x.AddAttempt(a, "two")
	if len(x.attempts) != 3 || x.AttemptsOf(a) != 2 || x.AttemptsOf(b) != 1 {
		t.Errorf("%d attempts, %d and %d by balancer", len(x.attempts), x.AttemptsOf(a), x.AttemptsOf(b))
	}
	if !x.Tried(a, "one") || !x.Tried(a, "two") || x.Tried(b, "two") || x.Tried(new(int), "one") {
		t.Error("who tried what is mixed up")
	}
}

func TestLogFields(t *testing.T) {
	x := &Exchange{TraceID: "id", RefusedBy: "retry_budget a"}
	x.AddAttempt(1, "one")
	x.AddAttempt(1, "two")
	if x.RefusedBy != "" {
		t.Errorf("a request that goes on is refused by %q", x.RefusedBy)
	}
	x.RefusedBy = "breaker b"
	x.Outcome = "success"
	enc := zapcore.NewMapObjectEncoder()
	if err := x.MarshalLogObject(enc); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"trace_id": "id", "upstream": "two", "attempts": 2, "outcome": "success", "refused_by": "breaker b"}
	if !reflect.DeepEqual(enc.Fields, want) {
		t.Errorf("fields %v, want %v", enc.Fields, want)
	}
}

// Every request has an exchange; what it costs is one allocation of 288 bytes.
func TestOneAllocation(t *testing.T) {
	w := httptest.NewRecorder()
	r := newRequest(w)
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	o := new(recording)
	allocs := testing.AllocsPerRun(100, func() {
		caddyhttp.SetVar(r.Context(), variable, nil)
		x := From(r)
		x.Measure(r)
		x.Observe(o)
		x.AddAttempt(o, "one")
		_ = x.Serve(w, r, next)
	})
	if allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
	if size := reflect.TypeFor[Exchange]().Size(); size > 288 { // the next size class is 320
		t.Errorf("an exchange has %d bytes", size)
	}
}

var errTest = errors.New("10.0.0.7 is down")
