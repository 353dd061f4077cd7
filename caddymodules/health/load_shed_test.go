package health

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirproxy/weir/governance/shed"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/problem"
)

// under is a matcher of paths.
type under string

func (u under) MatchWithError(r *http.Request) (bool, error) {
	if u == "broken" {
		return false, caddyhttp.Error(http.StatusBadRequest, errors.New("a matcher failed"))
	}
	return strings.HasPrefix(r.URL.Path, string(u)), nil
}

// newShed returns a handler as Provision leaves it, under the given pressure.
func newShed(t testing.TB, h *LoadShed, pressure float64) (*LoadShed, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	h.Name = "test"
	h.logger = zap.New(core)
	h.storage = &certmagic.FileStorage{Path: t.TempDir()}
	h.critical = caddyhttp.MatcherSets{{under("/critical")}}
	h.low = caddyhttp.MatcherSets{{under("/low")}}
	h.exempt = caddyhttp.MatcherSets{{under("/health")}}
	h.pressure = func() float64 { return pressure }
	h.live = newLiveShed()
	h.checks = new(checkPaths)
	h.shedder = shed.New(&h.live.State, h.settings())
	t.Cleanup(h.shedder.Close)
	return h, logs
}

// shedRequest is a request as Caddy's server makes it.
func shedRequest(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	return r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, make(map[string]any)))
}

var shedNext = caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, "hello")
	return err
})

// refusalOf returns the refusal in err, or nil.
func refusalOf(err error) *problem.Refusal {
	var refusal *problem.Refusal
	errors.As(err, &refusal)
	return refusal
}

func TestLoadShedRefusesTheLowestPriorityFirst(t *testing.T) {
	for _, test := range []struct {
		pressure              float64
		low, normal, critical int // admitted, of 100
	}{
		{0, 100, 100, 100},
		{0.25, 50, 100, 100},
		{0.5, 5, 100, 100},
		{0.75, 5, 50, 100},
		{1, 5, 5, 5},
	} {
		h, _ := newShed(t, new(LoadShed), test.pressure)
		for path, want := range map[string]int{"/low": test.low, "/": test.normal, "/critical": test.critical, "/health": 100} {
			admitted := 0
			for range 100 {
				w := httptest.NewRecorder()
				err := h.ServeHTTP(w, shedRequest(path), shedNext)
				switch refusal := refusalOf(err); {
				case err == nil && w.Body.String() == "hello":
					admitted++
				case refusal == nil:
					t.Fatalf("%s: error is %v, want a refusal", path, err)
				case refusal.Status != 503 || refusal.By != "load_shed test" || refusal.RetryAfter < time.Second || refusal.RetryAfter > 5*time.Second:
					t.Fatalf("%s: refused with %+v", path, refusal)
				}
			}
			if admitted != want {
				t.Errorf("under pressure %v, of 100 requests for %s %d are admitted, want %d", test.pressure, path, admitted, want)
			}
		}
		s := h.snapshot()
		for p, want := range map[string]int{"low": test.low, "normal": test.normal, "critical": test.critical} {
			if got := s.Requests[p]; got["admitted"] != uint64(want) || got["shed"] != uint64(100-want) || got["would_shed"] != 0 {
				t.Errorf("under pressure %v, counted are %v of %s priority, want %d admitted and the rest shed", test.pressure, got, p, want)
			}
		}
		if s.Limit != nil || s.InFlight != nil {
			t.Error("without max_in_flight a limit is shown")
		}
	}
}

func TestLoadShedSpreadsRetryAfter(t *testing.T) {
	h, _ := newShed(t, new(LoadShed), 1)
	seen := make(map[time.Duration]bool)
	for range 1000 {
		seen[refusalOf(h.refusal()).RetryAfter] = true
	}
	if len(seen) != 5 {
		t.Errorf("Retry-After is one of %v, want 1 to 5 s", seen)
	}
}

// What would be refused is in flight too, and gives nobody's place away.
func TestLoadShedMatcherErrorsPass(t *testing.T) {
	h, _ := newShed(t, new(LoadShed), 0)
	for _, sets := range []*caddyhttp.MatcherSets{&h.exempt, &h.critical, &h.low} {
		before := *sets
		*sets = caddyhttp.MatcherSets{{under("broken")}}
		err := h.ServeHTTP(httptest.NewRecorder(), shedRequest("/"), shedNext)
		if handlerError, ok := err.(caddyhttp.HandlerError); !ok || handlerError.StatusCode != http.StatusBadRequest {
			t.Errorf("error is %v, want the matcher's", err)
		}
		*sets = before
	}
}

func TestLoadShedRequestsHoldTheirPlace(t *testing.T) {
	for name, h := range map[string]*LoadShed{"fixed": {MaxInFlight: 1, Floor: new(float64)}, "automatic": {Auto: &AutoLimit{1, 1}, Floor: new(float64)}} {
		t.Run(name, func(t *testing.T) {
			h, _ := newShed(t, h, 0)
			inside := func(w http.ResponseWriter, r *http.Request) error {
				if s := h.snapshot(); *s.InFlight != 1 || *s.Limit != 1 {
					t.Errorf("%d are in flight, limit %d; want 1 and 1", *s.InFlight, *s.Limit)
				}
				if err := h.ServeHTTP(httptest.NewRecorder(), shedRequest("/"), shedNext); refusalOf(err) == nil {
					t.Errorf("a second request gets %v, want a refusal", err)
				}
				return shedNext(w, r)
			}
			for range 3 { // each gives its place back
				if err := h.ServeHTTP(httptest.NewRecorder(), shedRequest("/"), caddyhttp.HandlerFunc(inside)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestLoadShedPlacesAreGivenBack(t *testing.T) {
	failure := errors.New("failure")
	for _, test := range []struct {
		name   string
		next   caddyhttp.HandlerFunc
		err    error
		panics any
	}{
		{"answer", shedNext, nil, nil},
		{"nothing written", func(http.ResponseWriter, *http.Request) error { return nil }, nil, nil},
		{"error", func(http.ResponseWriter, *http.Request) error { return failure }, failure, nil},
		{"abort", func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }, nil, http.ErrAbortHandler},
		{"panic", func(http.ResponseWriter, *http.Request) error { panic("something") }, nil, "something"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, _ := newShed(t, &LoadShed{MaxInFlight: 1}, 0)
			func() {
				defer func() {
					if got := recover(); got != test.panics {
						t.Errorf("panics with %v, want %v", got, test.panics)
					}
				}()
				if err := h.ServeHTTP(httptest.NewRecorder(), shedRequest("/"), test.next); err != test.err {
					t.Errorf("error is %v, want %v itself", err, test.err)
				}
			}()
			if n := h.shedder.InFlight(); n != 0 {
				t.Errorf("%d are in flight afterwards", n)
			}
		})
	}
}

// hijackable is a recorder with a connection.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, nil, nil }

func TestLoadShedStreamsGiveTheirPlaceBackAtTheirHeaders(t *testing.T) {
	events := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/event-stream; charset=utf-8") }
	for _, test := range []struct {
		name   string
		method string
		begin  func(w http.ResponseWriter) error
		stream bool
	}{
		{"events, status written", "GET", func(w http.ResponseWriter) error { events(w); w.WriteHeader(200); return nil }, true},
		{"events, flushed", "GET", func(w http.ResponseWriter) error { events(w); return http.NewResponseController(w).Flush() }, true},
		{"events, flushed the old way", "GET", func(w http.ResponseWriter) error { events(w); w.(http.Flusher).Flush(); return nil }, true},
		{"events, body written", "GET", func(w http.ResponseWriter) error { events(w); _, err := io.WriteString(w, "data:\n"); return err }, true},
		{"events, copied", "GET", func(w http.ResponseWriter) error {
			events(w)
			_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("data:\n"))
			return err
		}, true},
		{"switched protocol", "GET", func(w http.ResponseWriter) error { w.WriteHeader(101); return nil }, true},
		{"hijacked", "GET", func(w http.ResponseWriter) error { _, _, err := http.NewResponseController(w).Hijack(); return err }, true},
		{"tunnel", "CONNECT", func(w http.ResponseWriter) error { w.WriteHeader(200); return nil }, true},
		{"refused tunnel", "CONNECT", func(w http.ResponseWriter) error { w.WriteHeader(403); return nil }, false},
		{"early hints", "GET", func(w http.ResponseWriter) error { events(w); w.WriteHeader(103); return nil }, false},
		{"no stream", "GET", func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, _ := newShed(t, &LoadShed{Auto: &AutoLimit{1, 1}}, 0)
			r := shedRequest("/")
			r.Method = test.method
			w := hijackable{httptest.NewRecorder(), nil}
			err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				if err := test.begin(w); err != nil {
					return err
				}
				if held := h.shedder.InFlight() == 1; held == test.stream {
					t.Errorf("the place is held: %v", held)
				}
				return nil
			}))
			if err != nil || h.shedder.InFlight() != 0 {
				t.Errorf("error %v, %d in flight afterwards", err, h.shedder.InFlight())
			}
		})
	}
}

// How the answer ended decides whether its latency counts.
func TestLoadShedOutcomes(t *testing.T) {
	left, leave := context.WithCancel(context.Background())
	leave()
	for _, test := range []struct {
		name string
		ctx  context.Context
		next caddyhttp.HandlerFunc
		want shed.Outcome
	}{
		{"answer", nil, shedNext, shed.Answered},
		{"client error", nil, func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(404); return nil }, shed.Answered},
		{"failed status", nil, func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(502); return nil }, shed.Failed},
		{"error", nil, func(http.ResponseWriter, *http.Request) error { return io.EOF }, shed.Failed},
		{"client left", left, func(http.ResponseWriter, *http.Request) error { return nil }, shed.Failed},
	} {
		r := shedRequest("/")
		if test.ctx != nil {
			r = r.WithContext(test.ctx)
		}
		held := new(holder)
		_ = held.serve(new(exchange.Exchange), httptest.NewRecorder(), r, test.next)
		if held.outcome != test.want {
			t.Errorf("%s: outcome is %v, want %v", test.name, held.outcome, test.want)
		}
	}
}
