package balance

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/freeport"
)

// However a request ends, none of its attempts stays in flight.

// tryGet is a GET that may fail.
func tryGet(url string) {
	if res, err := client.Get(url); err == nil {
		res.Body.Close()
	}
}

// A proxy hands its answer to other handlers (forward_auth does), and does not close
// it when one of them panics because its own answer broke off.
func TestAnswerThatIsNeverClosedEnds(t *testing.T) {
	auth := backend(t, answer("a body that nobody reads"))
	broken := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	listen := freeport.Address(t)
	serve(t, fmt.Sprintf("http://%s {\n forward_auth %s {\n uri /auth\n lb_policy success_weighted {\n name test\n}\n}\n reverse_proxy %s\n}",
		listen, auth, broken))
	for range 5 {
		tryGet("http://" + listen)
	}
	wantAttempts(t, auth, map[string]uint64{"success": 5})
}

// net/http panics when it is to write a status below 100, which its client lets pass.
func TestAnswerWithAnImpossibleStatusEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 4096))
			fmt.Fprint(conn, "HTTP/1.1 099 Nonsense\r\nContent-Length: 5\r\n\r\nhello")
			conn.Close()
		}
	}()
	listen, up := freeport.Address(t), listener.Addr().String()
	serve(t, site(listen, up, ""))
	tryGet("http://" + listen)
	u := upstreamOf(t, "test", up)
	for deadline := time.Now().Add(30 * time.Second); u.InFlight != 0; u = upstreamOf(t, "test", up) {
		if time.Now().After(deadline) {
			t.Fatalf("%d in flight after attempts %v", u.InFlight, u.Attempts)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if u.Attempts["success"]+u.Attempts["broken"] != 1 {
		t.Errorf("attempts are %v, want one", u.Attempts)
	}
}

// panicking is a transport that has a bug.
type panicking struct{}

func init() { caddy.RegisterModule(panicking{}) }

func (panicking) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.weir_test_panic", New: func() caddy.Module { return new(panicking) }}
}

func (panicking) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic(http.ErrAbortHandler) }

func TestTransportThatPanicsEnds(t *testing.T) {
	listen, up := freeport.Address(t), freeport.Address(t)
	serve(t, site(listen, up, "transport weir_test_panic"))
	for range 6 {
		tryGet("http://" + listen)
	}
	wantAttempts(t, up, map[string]uint64{"canceled": 6})
	if u := upstreamOf(t, "test", up); u.State != "in" || u.SuccessRate != 1 {
		t.Errorf("the upstream is %s with rate %v, want in with 1: it is not to blame", u.State, u.SuccessRate)
	}
}

// The place of a probe is given back, too.
func TestTransportThatPanicsFreesTheProbe(t *testing.T) {
	listen, up := freeport.Address(t), freeport.Address(t)
	serve(t, site(listen, up+" "+backend(t, answer("b")), "transport weir_test_panic"))
	live := livePoolOf(t)
	policy := policyOf(t)
	failed := policy.balancer.Begin(live.Upstream(up))
	failed.Answered(balance.Refused)
	failed.End()
	for deadline := time.Now().Add(30 * time.Second); upstreamOf(t, "test", up).State == "ejected"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the ejection does not end")
		}
	}
	for range 200 {
		tryGet("http://" + listen)
	}
	if n := upstreamOf(t, "test", up).Attempts["canceled"]; n < 3 {
		t.Errorf("the upstream on probation got %d of 200 requests, want about 10", n)
	}
}

// The access log tells who refused, also when it is a retry that finds nobody.
func TestRetryThatFindsNobodyIsRefusedByThePool(t *testing.T) {
	upstreams := reverseproxy.UpstreamPool{{Host: new(reverseproxy.Host), Dial: "a:80"}}
	p := healthy(upstreams, func(int) float64 { return 1 })
	p.retries = true
	w := httptest.NewRecorder()
	r := caddyhttp.PrepareRequest(httptest.NewRequest(http.MethodGet, "/", nil), caddy.NewReplacer(), w, new(caddyhttp.Server))
	if p.Select(upstreams, r, w) == nil {
		t.Fatal("nobody was picked")
	}
	x := exchange.From(r)
	x.AddAttempt(p, "a:80")
	p.live.Decide("a:80", balance.Decision{Drain: new(balance.Drain)})
	if u := p.Select(upstreams, r, w); u != nil || x.RefusedBy != "pool test" {
		t.Errorf("the retry got %v and was refused by %q, want nobody and pool test", u, x.RefusedBy)
	}
}

func TestUpstreamsKnownToBeUnhealthyAreSkipped(t *testing.T) {
	sick := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			w.WriteHeader(503)
			return
		}
		fmt.Fprint(w, "sick")
	}
	listen, down := freeport.Address(t), backend(t, sick)
	serve(t, site(listen, down+" "+backend(t, answer("well")), "health_uri /health\nhealth_interval 20ms"))
	url := "http://" + listen
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if shares := sharesOf(t, url, 6); shares["well"] == 6 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the upstream that fails its health checks is used all the time")
		}
	}
	before := upstreamOf(t, "test", down)
	if shares := sharesOf(t, url, 50); shares["well"] != 50 {
		t.Errorf("50 requests went %v, want well only", shares)
	}
	if after := upstreamOf(t, "test", down); after.Attempts["success"] != before.Attempts["success"] || after.State != "in" {
		t.Errorf("it had attempts %v, now %v, and is %s; want no more, and in: only Caddy keeps it out", before.Attempts, after.Attempts, after.State)
	}
}
