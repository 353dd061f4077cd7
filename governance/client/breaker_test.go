package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
)

// guarded are settings with breakers that open after 3 failures in a row, for 5 to 10 s,
// and without ejections.
func guarded() balance.Settings {
	settings := balance.DefaultSettings()
	settings.EjectAfter = 0
	settings.Breaker = new(circuit.DefaultSettings())
	settings.Breaker.Consecutive = 3
	settings.Breaker.OpenFor = 10 * time.Second
	return settings
}

// service answers with the status of the endpoint.
type service struct {
	statuses map[string]int
	header   http.Header
	got      map[string]int
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	s.got[r.URL.Host]++
	res := answer(r, s.statuses[r.URL.Host])
	res.Header = s.header
	return res, nil
}

// during makes ten requests a second for some time and returns how many each endpoint
// got.
func (s *service) during(t *testing.T, transport *Transport, d time.Duration) map[string]int {
	t.Helper()
	s.got = make(map[string]int)
	for range d / (100 * time.Millisecond) {
		if _, _, err := get(transport, "http://orders/"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return s.got
}

func TestBreakerTakesAnEndpointOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &service{statuses: map[string]int{"a:1": 500, "b:1": 200}, header: http.Header{}}
		transport := newTransport(t, Settings{
			Endpoints: Static("a:1", "b:1"), Balance: guarded(), Transport: s,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if got := s.during(t, transport, 2*time.Second); got["a:1"] != 3 {
			t.Errorf("requests went to %v, want 3 to a until its breaker opened", got)
		}
		if u := transport.Snapshot().Upstreams[0]; u.State != "open" || u.Breaker == nil {
			t.Errorf("a is %s with breaker %v", u.State, u.Breaker)
		}
		if got := s.during(t, transport, 2*time.Second); got["a:1"] != 0 {
			t.Errorf("requests went to %v while a was open", got)
		}
		s.statuses["a:1"] = 200
		s.during(t, transport, 30*time.Second) // open for up to 10 s, probes, growth over 10 s
		if got := s.during(t, transport, 10*time.Second); got["a:1"] != 50 {
			t.Errorf("requests went to %v, want half to a again", got)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 3 || !strings.Contains(lines[0], "level=WARN") {
			t.Fatalf("the log is %q, want three lines that begin with a warning", lines)
		}
		for i, want := range []string{"breaker is open", "breaker is half_open", "breaker is closed"} {
			if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "endpoint=a:1") {
				t.Errorf("the log has %q, want %q of a", lines[i], want)
			}
		}
	})
}

func TestEndpointIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	for _, value := range []string{"60", "Sat, 01 Jan 2000 00:01:01 GMT"} { // the bubble's time begins at 2000
		synctest.Test(t, func(t *testing.T) {
			s := &service{statuses: map[string]int{"a:1": 503, "b:1": 200}, header: http.Header{"Retry-After": {value}}}
			transport := newTransport(t, Settings{
				Endpoints: Static("a:1", "b:1"), Balance: guarded(), Transport: s,
				Logger: slog.New(slog.DiscardHandler),
			})
			s.during(t, transport, time.Second)
			if got := s.during(t, transport, 50*time.Second); got["a:1"] != 0 {
				t.Errorf("Retry-After %s: requests went to %v", value, got)
			}
			if got := s.during(t, transport, 20*time.Second); got["a:1"] == 0 {
				t.Errorf("Retry-After %s: nothing went to a after that", value)
			}
		})
	}
}

// A service that is down altogether fails by its own errors, never by ours, and is found
// when it is back.
func TestAllBreakersOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{statuses: map[string]int{"a:1": 500, "b:1": 500}, header: http.Header{}}
		transport := newTransport(t, Settings{
			Endpoints: Static("a:1", "b:1"), Balance: guarded(), Transport: s, Retries: 1,
			Logger: slog.New(slog.DiscardHandler),
		})
		if got := s.during(t, transport, time.Minute); got["a:1"] < 200 || got["b:1"] < 200 {
			t.Errorf("requests went to %v, want both to get their part", got)
		}
		s.statuses = map[string]int{"a:1": 200, "b:1": 200}
		s.during(t, transport, 30*time.Second)
		for _, u := range transport.Snapshot().Upstreams {
			if u.State != "in" || u.Share != 0.5 {
				t.Errorf("%s is %s with share %v", u.Address, u.State, u.Share)
			}
		}
	})
}

func TestEndpointsThatHaveAllTheyMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := guarded()
		settings.Breaker.MaxConcurrent = 1
		release := make(chan struct{})
		transport := newTransport(t, Settings{
			Endpoints: Static("a:1", "b:1"), Balance: settings, Retries: 2,
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				<-release
				return answer(r, 200), nil
			}),
			Logger: slog.New(slog.DiscardHandler),
		})
		for range 2 {
			go get(transport, "http://orders/")
		}
		synctest.Wait()
		_, _, err := get(transport, "http://orders/")
		var full *NoEndpointError
		if !errors.As(err, &full) || full.RetryAfter <= 0 || !strings.Contains(err.Error(), "max_concurrent") {
			t.Errorf("the third request got %v, want a NoEndpointError because of max_concurrent", err)
		}
		close(release)
		synctest.Wait()
		if code, _, err := get(transport, "http://orders/"); code != 200 {
			t.Errorf("then status %d, %v", code, err)
		}
	})
}

func TestSnapshotIsJSON(t *testing.T) {
	transport := newTransport(t, Settings{Endpoints: Static("a:1"), Balance: guarded(), Transport: roundTripper(nobody)})
	if _, err := transport.RoundTrip(aRequest()); err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal(transport.Snapshot())
	for _, want := range []string{`"address":"a:1"`, `"success":1`, `"retried":0`, `"breaker":`} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("the snapshot %s, %v does not have %s", shown, err, want)
		}
	}
}

func aRequest() *http.Request {
	req, _ := http.NewRequest(http.MethodGet, "http://orders/", nil)
	return req
}
