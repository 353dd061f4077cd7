package client

import (
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/governance/balance"
)

// backend starts a server and returns its address.
func backend(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// answers is a handler that answers with text, and counts.
func answers(text string, count *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		count.Add(1)
		io.WriteString(w, text)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func newTransport(t testing.TB, s Settings) *Transport {
	t.Helper()
	transport, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.Close)
	return transport
}

// get returns the status and the body of an answer, or the error.
func get(t *Transport, url string) (int, string, error) {
	res, err := (&http.Client{Transport: t}).Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// attempts returns how the attempts at an endpoint ended, without what never came.
func attempts(t *Transport, address string) map[string]uint64 {
	counts := make(map[string]uint64)
	for _, u := range t.Snapshot().Upstreams {
		for outcome, n := range u.Attempts {
			if u.Address == address && n > 0 {
				counts[outcome] = n
			}
		}
	}
	return counts
}

// roundTripper is a transport that needs no network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is an answer of a roundTripper.
func answer(r *http.Request, code int) *http.Response {
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader(r.URL.Host)), Header: http.Header{}, Request: r}
}

func TestRequestsAreSharedByWeight(t *testing.T) {
	var a, b atomic.Int64
	transport := newTransport(t, Settings{Endpoints: List{
		{Address: backend(t, answers("a", &a)), Weight: 2},
		{Address: backend(t, answers("b", &b))},
	}})
	for range 300 {
		if code, _, err := get(transport, "http://orders/"); code != 200 {
			t.Fatalf("status %d, %v", code, err)
		}
	}
	if a.Load() != 200 || b.Load() != 100 {
		t.Errorf("weights 2 and 1 got %d and %d of 300 requests", a.Load(), b.Load())
	}
}

func TestServiceStaysTheHost(t *testing.T) {
	address := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Host+" "+r.URL.RequestURI()+" "+r.Header.Get("X-Own"))
	})
	transport := newTransport(t, Settings{Endpoints: Static(address)})
	for host, want := range map[string]string{"": "orders:81", "shop.example": "shop.example"} {
		req, _ := http.NewRequest(http.MethodGet, "http://orders:81/list?q=1", nil)
		req.Host = host
		req.Header.Set("X-Own", "yes")
		before, url := *req, *req.URL
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got := string(body); got != want+" /list?q=1 yes" {
			t.Errorf("with Host %q the endpoint got %q, want host %s", host, got, want)
		}
		if !reflect.DeepEqual(*req, before) || *req.URL != url {
			t.Errorf("the request was changed to %v", req)
		}
		if res.Request != req {
			t.Errorf("the answer's request is for %s, want the one that was made", res.Request.URL)
		}
	}
}

// A redirect by the service is one to the service, wherever it was answered.
func TestRedirectsGoToTheService(t *testing.T) {
	var hosts []string
	address := backend(t, func(w http.ResponseWriter, r *http.Request) {
		hosts = append(hosts, r.Host)
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/new", http.StatusFound)
		}
	})
	transport := newTransport(t, Settings{Endpoints: Static(address)})
	if code, _, err := get(transport, "http://orders/old"); code != 200 {
		t.Fatalf("status %d, %v", code, err)
	}
	if want := []string{"orders", "orders"}; !reflect.DeepEqual(hosts, want) {
		t.Errorf("requests went to %v, want %v", hosts, want)
	}
}

func TestSchemeOfTheEndpoint(t *testing.T) {
	server := httptest.NewTLSServer(status(204))
	t.Cleanup(server.Close)
	plain := backend(t, status(205))
	for _, tc := range []struct {
		endpoint, url string
		want          int
	}{
		{"https://" + server.Listener.Addr().String(), "http://orders/", 204},
		{server.Listener.Addr().String(), "https://orders/", 204},
		{"http://" + plain, "https://orders/", 205},
		{plain, "http://orders/", 205},
	} {
		transport := newTransport(t, Settings{Endpoints: Static(tc.endpoint), Transport: server.Client().Transport})
		if code, _, err := get(transport, tc.url); code != tc.want {
			t.Errorf("%s by endpoint %s: status %d, %v, want %d", tc.url, tc.endpoint, code, err, tc.want)
		}
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	bad := balance.DefaultSettings()
	bad.Alpha = 2
	one := Static("a:80")
	for want, s := range map[string]Settings{
		"there are no Endpoints":       {},
		"the list of Endpoints is em":  {Endpoints: Static()},
		"weight -1 is negative":        {Endpoints: List{{Address: "a:80", Weight: -1}}},
		"weight NaN":                   {Endpoints: List{{Address: "a:80", Weight: math.NaN()}}},
		`"" has no host`:               {Endpoints: Static("")},
		`":80" has no host`:            {Endpoints: Static(":80")},
		`"a:port" is no address`:       {Endpoints: Static("a:port")},
		"another scheme":               {Endpoints: Static("ftp://a")},
		`"a" has a user`:               {Endpoints: Static("http://me:secret@a")},
		`"http://a/x" has more`:        {Endpoints: Static("http://a/x")},
		`"a?x" has more`:               {Endpoints: Static("a?x")},
		"Retries: -1":                  {Endpoints: one, Retries: -1},
		"PollEvery: -1s":               {Endpoints: one, PollEvery: -1e9},
		"FailureStatus: 99 is neither": {Endpoints: one, FailureStatus: []int{5, 99}},
		"Balance: alpha: 2":            {Endpoints: one, Balance: bad},
	} {
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
	for _, address := range []string{"a", "a:80", "[::1]:80", "http://a", "https://a:443/"} {
		newTransport(t, Settings{Endpoints: Static(address, address)})
	}
}

// closing is a request's body that tells whether it was closed.
type closing struct {
	io.Reader
	closed atomic.Bool
}

func (c *closing) Close() error {
	c.closed.Store(true)
	return nil
}

func TestBodyIsClosedThoughNothingIsSent(t *testing.T) {
	empty := SourceFunc(noEndpoints)
	transport := newTransport(t, Settings{Endpoints: empty})
	body := &closing{Reader: strings.NewReader("x")}
	req, _ := http.NewRequest(http.MethodPost, "http://orders/", body)
	_, err := transport.RoundTrip(req)
	var nobody *NoEndpointError
	if !errors.As(err, &nobody) || nobody.RetryAfter <= 0 || nobody.Err != nil {
		t.Errorf("the error is %v, want a NoEndpointError with a time", err)
	}
	if !body.closed.Load() {
		t.Error("the body was not closed")
	}
	req.Body, req.URL = &closing{Reader: strings.NewReader("x")}, nil
	if _, err := transport.RoundTrip(req); err == nil || !req.Body.(*closing).closed.Load() {
		t.Errorf("a request without URL: error %v, and the body must be closed", err)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	closed := make(chan struct{}, 1)
	server := httptest.NewUnstartedServer(status(200))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	transport := newTransport(t, Settings{Endpoints: Static(server.Listener.Addr().String())})
	get(transport, "http://orders/")
	(&http.Client{Transport: transport}).CloseIdleConnections()
	<-closed
}
