package client

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/balance"
)

// refusal is the error of a connection that could not be made.
var refusal = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

func TestWhatIsTriedAgain(t *testing.T) {
	reset := errors.New("connection reset by peer")
	once := func(text string) func() (io.Reader, http.Header) { // a body that can be read once
		return func() (io.Reader, http.Header) { return io.MultiReader(strings.NewReader(text)), nil }
	}
	text := func() (io.Reader, http.Header) { return strings.NewReader("text"), nil }
	none := func() (io.Reader, http.Header) { return nil, nil }
	keyed := func() (io.Reader, http.Header) {
		return strings.NewReader("text"), http.Header{"Idempotency-Key": {"1"}}
	}
	for _, tc := range []struct {
		method string
		body   func() (io.Reader, http.Header)
		err    error // nil: status 503
		want   int   // attempts
	}{
		{"GET", none, nil, 3},
		{"GET", none, reset, 3},
		{"HEAD", none, reset, 3},
		{"OPTIONS", none, reset, 3},
		{"PUT", text, reset, 3},
		{"DELETE", none, nil, 3},
		{"PUT", once("text"), reset, 1},
		{"POST", none, nil, 1},
		{"POST", text, reset, 1},
		{"PATCH", text, reset, 1},
		{"POST", keyed, reset, 3},
		{"POST", keyed, nil, 3},
		// nothing was sent
		{"POST", text, refusal, 3},
		{"POST", none, refusal, 3},
		{"POST", once("text"), refusal, 1},
	} {
		name := fmt.Sprintf("%s %v", tc.method, tc.err)
		var bodies []string
		transport := newTransport(t, Settings{Endpoints: Static("a:1", "b:1"), Retries: 2, Transport: roundTripper(
			func(r *http.Request) (*http.Response, error) {
				sent := ""
				if r.Body != nil {
					content, _ := io.ReadAll(r.Body)
					r.Body.Close()
					sent = string(content)
				}
				bodies = append(bodies, sent)
				if tc.err != nil {
					return nil, tc.err
				}
				return answer(r, 503), nil
			})})
		content, header := tc.body()
		req, err := http.NewRequest(tc.method, "http://orders/", content)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(req.Header, header)
		res, err := transport.RoundTrip(req)
		if !errors.Is(err, tc.err) || err == nil && res.StatusCode != 503 {
			t.Errorf("%s: got %v, %v", name, res, err)
		}
		if len(bodies) != tc.want {
			t.Errorf("%s: %d attempts, want %d", name, len(bodies), tc.want)
		}
		for _, body := range bodies {
			if body != bodies[0] {
				t.Errorf("%s: the bodies sent are %q", name, bodies)
			}
		}
		if s := transport.Snapshot(); s.Retried != uint64(tc.want-1) || s.Denied != 0 {
			t.Errorf("%s: %d retries and %d denied are counted", name, s.Retried, s.Denied)
		}
		if err == nil {
			if body, err := io.ReadAll(res.Body); len(body) != 3 || err != nil {
				t.Errorf("%s: the last answer is %q, %v", name, body, err)
			}
			res.Body.Close()
		}
		for _, u := range transport.Snapshot().Upstreams {
			if u.InFlight != 0 {
				t.Errorf("%s: %d are in flight at %s", name, u.InFlight, u.Address)
			}
		}
	}
}

func TestRetriesGoElsewhere(t *testing.T) {
	var order []string
	transport := newTransport(t, Settings{Endpoints: Static("a:1", "b:1", "c:1"), Retries: 5, Transport: roundTripper(
		func(r *http.Request) (*http.Response, error) {
			order = append(order, r.URL.Host)
			return answer(r, 503), nil
		})})
	for range 20 {
		order = nil
		get(transport, "http://orders/")
		if len(order) != 6 || order[0] == order[1] || order[1] == order[2] || order[0] == order[2] {
			t.Errorf("attempts went to %v, want each endpoint before one is tried again", order)
		}
	}
}

func TestRetriesEndWithTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := balance.DefaultSettings()
		settings.RetryBudget = 0.1
		var made atomic.Int64
		transport := newTransport(t, Settings{
			Endpoints: Static("a:1", "b:1"), Balance: settings, Retries: 3,
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				made.Add(1)
				return answer(r, 503), nil
			}),
		})
		for range 1000 {
			if code, body, err := get(transport, "http://orders/"); code != 503 || len(body) != 3 || err != nil {
				t.Fatalf("status %d, body %q, %v, want the answer as it came", code, body, err)
			}
		}
		// a hundred in reserve, and a tenth
		if retries := made.Load() - 1000; retries < 195 || retries > 205 {
			t.Errorf("%d retries for 1000 requests, want 200", retries)
		}
		if s := transport.Snapshot(); s.Retried != uint64(made.Load()-1000) || s.Denied == 0 {
			t.Errorf("%d retries and %d denied are counted", s.Retried, s.Denied)
		}
	})
}

// What an answer that is tried again holds is given back; what it stalls with is not
// waited for.
func TestAnswerThatNobodyWantsIsClosed(t *testing.T) {
	good := backend(t, status(200))
	bad := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(503)
		http.NewResponseController(w).Flush()
		<-r.Context().Done() // until the client closes the connection
	})
	transport := newTransport(t, Settings{Endpoints: Static(good, bad), Retries: 1})
	start := time.Now()
	for range 4 {
		if code, _, err := get(transport, "http://orders/"); code != 200 {
			t.Errorf("status %d, %v", code, err)
		}
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("4 requests took %v", took)
	}
	for _, u := range transport.Snapshot().Upstreams {
		if u.InFlight != 0 || u.Truncated != 0 {
			t.Errorf("%d are in flight, %d truncated at %s", u.InFlight, u.Truncated, u.Address)
		}
	}
}

// An endpoint that breaks the connection in the middle of a body costs the caller
// nothing.
func TestBodyIsSentAgain(t *testing.T) {
	bad := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.ReadFull(r.Body, make([]byte, 100))
		raw("")(w, r)
	})
	good := backend(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	transport := newTransport(t, Settings{Endpoints: Static(bad, good), Retries: 1})
	want := strings.Repeat("0123456789", 100_000)
	for range 4 {
		req, _ := http.NewRequest(http.MethodPut, "http://orders/", strings.NewReader(want))
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if string(got) != want || err != nil {
			t.Errorf("the good endpoint got %d bytes, %v, want %d", len(got), err, len(want))
		}
		if res.Request != req {
			t.Error("the answer's request is not the one that was made")
		}
	}
	if attempts(transport, bad)["broken"] == 0 {
		t.Error("nothing went to the bad endpoint")
	}
}

func TestBodyThatCannotBeHadAgain(t *testing.T) {
	transport := newTransport(t, Settings{Endpoints: Static("a:1", "b:1"), Retries: 2, Transport: roundTripper(
		func(r *http.Request) (*http.Response, error) { return answer(r, 503), nil })})
	req, _ := http.NewRequest(http.MethodPut, "http://orders/", strings.NewReader("x"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("the file is gone") }
	res, err := transport.RoundTrip(req)
	if err != nil || res.StatusCode != 503 {
		t.Errorf("got %v, %v, want the answer", res, err)
	}
	if s := transport.Snapshot(); s.Retried != 0 {
		t.Errorf("%d retries", s.Retried)
	}
}

// A retry that finds nobody costs no budget, and its body is closed.
func TestRetriesThatFindNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var transport *Transport
		drain := func(d balance.Decision) {
			for _, address := range []string{"a:1", "b:1"} {
				transport.pool.Decide(address, d)
			}
		}
		transport = newTransport(t, Settings{Endpoints: Static("a:1", "b:1"), Retries: 1, Transport: roundTripper(
			func(r *http.Request) (*http.Response, error) {
				drain(balance.Decision{Drain: new(balance.Drain)})
				return answer(r, 503), nil
			})})
		for range 500 {
			drain(balance.Decision{})
			again := &closing{Reader: strings.NewReader("x")}
			req, _ := http.NewRequest(http.MethodPut, "http://orders/", strings.NewReader("x"))
			req.GetBody = func() (io.ReadCloser, error) { return again, nil }
			res, err := transport.RoundTrip(req)
			if err != nil || res.StatusCode != 503 {
				t.Fatalf("got %v, %v, want the answer", res, err)
			}
			res.Body.Close()
			if !again.closed.Load() {
				t.Fatal("the body that was not sent is not closed")
			}
		}
		if s := transport.Snapshot(); s.Retried != 0 || s.Denied != 0 {
			t.Errorf("%d retries and %d denied are counted, want none", s.Retried, s.Denied)
		}
	})
}

// One endpoint of two dies, and comes back.
func TestCallersDoNotSeeThatAnEndpointDies(t *testing.T) {
	settings := balance.DefaultSettings()
	settings.EjectFor, settings.EjectForMax = 20*time.Millisecond, 40*time.Millisecond
	var a, b atomic.Int64
	one := httptest.NewServer(answers("a", &a))
	address := one.Listener.Addr().String()
	transport := newTransport(t, Settings{
		Endpoints: Static(address, backend(t, answers("b", &b))),
		Balance:   settings, Retries: 1,
	})
	requests := func(n int) {
		t.Helper()
		for range n {
			if code, _, err := get(transport, "http://orders/"); code != 200 {
				t.Fatalf("status %d, %v", code, err)
			}
		}
	}
	requests(20)
	one.Close()
	requests(200)
	if dead := attempts(transport, address); dead["refused"]+dead["broken"] == 0 || dead["refused"]+dead["broken"] > 40 {
		t.Errorf("attempts at the dead endpoint are %v of 200 requests, want a few", dead)
	}
	before := a.Load()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	again := &httptest.Server{Listener: listener, Config: &http.Server{Handler: answers("a", &a)}}
	again.Start()
	t.Cleanup(again.Close)
	for deadline := time.Now().Add(30 * time.Second); a.Load() < before+50; {
		if time.Now().After(deadline) {
			t.Fatalf("the endpoint that came back got %d requests", a.Load()-before)
		}
		requests(10)
	}
}
