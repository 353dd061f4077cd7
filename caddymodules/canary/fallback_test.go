package canary

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/problem"
)

// refusing is a handler that reads some of the body and then refuses the request.
func refusing(status, read int) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := io.CopyN(io.Discard, r.Body, int64(read)); err != nil && err != io.EOF {
			return err
		}
		w.Header().Set("X-Failed", "yes")
		return (&problem.Refusal{Status: status, By: "test"}).Handler()
	}
}

// Stable answers what the canary could not, if nothing was sent, with the request as it was;
// everything else is the canary's answer.
func TestFallback(t *testing.T) {
	refused := freeport.Address(t)
	var asked atomic.Int32
	reset := backend(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		io.Copy(io.Discard, r.Body)
		conn, _, _ := http.NewResponseController(w).Hijack()
		conn.Close()
	})
	unavailable := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Failed", "yes")
		http.Error(w, "failed", http.StatusServiceUnavailable)
	})
	const long = "longer than is kept"
	const byStable = "stable: stable "
	for name, c := range map[string]struct {
		canary, method, body string
		options              string
		status               int
		text                 string
	}{
		"refused, GET":                   {"reverse_proxy " + refused, "GET", "", "", 200, byStable + "GET /path  <nil>"},
		"refused, POST":                  {"reverse_proxy " + refused, "POST", "short", "", 200, byStable + "POST /path short <nil>"},
		"refused, POST, long":            {"reverse_proxy " + refused, "POST", long, "", 200, byStable + "POST /path " + long + " <nil>"},
		"refused, no fallback":           {"reverse_proxy " + refused, "GET", "", "no_fallback\n", 502, "valid answer"},
		"rewritten":                      {"rewrite /rewritten\nrequest_header X-Inner yes\nreverse_proxy " + refused, "GET", "", "", 200, byStable + "GET /path  <nil>"},
		"reset, GET":                     {"reverse_proxy " + reset, "GET", "", "", 502, "valid answer"},
		"reset, POST":                    {"reverse_proxy " + reset, "POST", "short", "", 502, "valid answer"},
		"the upstream's own 503":         {"reverse_proxy " + unavailable, "GET", "", "", 503, "failed"},
		"an error of a handler":          {"error 503", "GET", "", "", 503, "503"},
		"refused by a module":            {script("refuse 503", refusing(503, 0)), "POST", long, "", 200, byStable + "POST /path " + long + " <nil>"},
		"refused after a part":           {script("refuse part", refusing(429, 10)), "POST", long, "", 200, byStable + "POST /path " + long + " <nil>"},
		"refused after too much":         {script("refuse more", refusing(503, 11)), "POST", long, "", 503, "Service Unavailable"},
		"refused for the client's fault": {script("refuse 400", refusing(400, 0)), "GET", "", "", 400, "Bad Request"},
		"refused for a wrong answer":     {script("refuse 502", refusing(502, 0)), "GET", "", "", 502, "Bad Gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			asked.Store(0)
			listen := freeport.Address(t)
			stable := backend(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Inner", r.Header.Get("X-Inner"))
				w.Header().Set("X-From", r.Header.Get(fallbackHeader))
				echo("stable")(w, r)
			})
			serve(t, site(listen, "fallback_buffer 10\n"+c.options+staged(c.canary, "reverse_proxy "+stable), ""))
			got := do(t, c.method, "http://"+listen+"/path", c.body, fallbackHeader, "spoofed")
			wantReply(t, got, c.status, c.text)
			fallbacks := 0.0
			if c.status == 200 {
				fallbacks = 1
				if got.Header.Get("X-Failed") != "" || got.Header.Get("X-Inner") != "" || got.Header.Get("X-From") != "canary" {
					t.Errorf("stable's answer has the header %v", got.Header)
				}
			}
			wantMetric(t, fallbacks, fallbacksVec.WithLabelValues("checkout", "canary"))
			wantMetric(t, 1, requestsVec.WithLabelValues("checkout", "canary", "random"))
			wantMetric(t, fallbacks, responsesVec.WithLabelValues("checkout", "stable", "2xx"))
			if n := asked.Load(); n > 1 {
				t.Errorf("the canary was asked %d times", n)
			}
		})
	}
}

// With no upstream to send it to, nothing has been sent, whatever a proxy before that did.
func TestFallbackWithoutUpstreams(t *testing.T) {
	listen := freeport.Address(t)
	script("has asked", func(_ http.ResponseWriter, r *http.Request) error {
		r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).Set("http.reverse_proxy.upstream.address", "auth:80")
		return errPassOn
	})
	stages := staged("reverse_proxy "+freeport.Address(t)+" {\nfail_duration 1m\n}", "reverse_proxy "+backend(t, echo("stable")))
	serve(t, fmt.Sprintf("http://%s {\nroute {\nweir_test \"has asked\"\ncanary_route checkout {\n%s\n}\n}\n}", listen, stages))
	for range 3 { // the first is refused, then the upstream is down
		wantReply(t, do(t, "POST", "http://"+listen, "hello"), 200, "stable: stable POST / hello")
	}
}

// Nobody answers for stable, least of all the canary.
func TestStableHasNoFallback(t *testing.T) {
	listen := freeport.Address(t)
	var asked atomic.Int32
	canary := backend(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	serve(t, site(listen, "rule /stable stable\n"+staged("reverse_proxy "+canary, "reverse_proxy "+freeport.Address(t)), ""))
	wantReply(t, get(t, "http://"+listen+"/stable"), 502, "valid answer")
	if asked.Load() != 0 {
		t.Error("the canary was asked")
	}
}

// A stable that fails in the canary's place is nothing to try again for.
func TestAFallbackThatFails(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, "response_header X-Stage\n"+staged("reverse_proxy "+freeport.Address(t), "error 418"), ""))
	got := get(t, "http://"+listen)
	wantReply(t, got, 418, "teapot")
	if stage := got.Header["X-Stage"]; len(stage) != 1 || stage[0] != "stable" {
		t.Errorf("X-Stage is %q, want stable, who answered", stage)
	}
	wantMetric(t, 1, responsesVec.WithLabelValues("checkout", "stable", "4xx"))
}

// To the guard a fallback is a failure of the canary, and nothing of stable's.
func TestTheGuardSeesFallbacks(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, byPath()+"guard {\nsteps 60%\n}\nstage stable {\nrespond stable\n}\nstage canary 50% {\n"+
		script("refuse 503", refusing(503, 0))+"\n}", ""))
	for range 3 {
		wantReply(t, get(t, "http://"+listen+"/canary"), 200, "stable")
	}
	wantReply(t, get(t, "http://"+listen+"/stable"), 200, "stable")
	wantSides(t, "3 requests 3 errors 0 unanswered", "1 requests 0 errors 0 unanswered")
}

// The access log tells both stages, and nobody who refused the request.
func TestFallbacksAreLogged(t *testing.T) {
	listen := freeport.Address(t)
	log := filepath.Join(t.TempDir(), "access.log")
	busy := script("busy", func(_ http.ResponseWriter, r *http.Request) error {
		exchange.From(r).RefusedBy = "max_concurrent 10.0.0.1:80" // as a balancer does
		return (&problem.Refusal{Status: 503, By: "test"}).Handler()
	})
	serve(t, fmt.Sprintf("http://%s {\nlog {\noutput file %s\n}\ncanary_route checkout {\n%s\n}\n}", listen, log,
		staged(busy, `respond "{http.canary.checkout.stage} {http.canary.checkout.reason}" 200`)))
	wantReply(t, get(t, "http://"+listen), 200, "stable fallback")
	var logged []byte
	if !eventually(func() bool { logged, _ = os.ReadFile(log); return bytes.HasSuffix(logged, []byte("\n")) }) {
		t.Fatal("nothing is logged")
	}
	for _, want := range []string{`"canary_checkout":{"stage":"stable","reason":"fallback"}`, `"canary_checkout_fallback":"canary"`, `"refused_by":""`} {
		if !bytes.Contains(logged, []byte(want)) {
			t.Errorf("%s is not in the log: %s", want, logged)
		}
	}
}

// A client whose body breaks off is not given to stable, which would fail in its turn.
func TestNoFallbackForABrokenBody(t *testing.T) {
	listen := freeport.Address(t)
	refuse := script("read, refuse", func(_ http.ResponseWriter, r *http.Request) error {
		_, _ = io.ReadAll(r.Body)
		return (&problem.Refusal{Status: 503, By: "test"}).Handler()
	})
	serve(t, site(listen, staged(refuse, "respond stable"), ""))
	conn, err := net.Dial("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno chunk\r\n", listen)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != 503 {
		t.Errorf("the answer is %v, %v, want the canary's", res, err)
	}
	wantMetric(t, 0, fallbacksVec.WithLabelValues("checkout", "canary"))
}

// What is left of the canary's handlers gets nothing of the body that stable reads.
func TestFallbackOfAClientThatIsStillSending(t *testing.T) {
	listen := freeport.Address(t)
	leftover := make(chan error, 1)
	body, sending := io.Pipe()
	refuse := script("refuse, go on reading", func(_ http.ResponseWriter, r *http.Request) error {
		if _, err := io.ReadFull(r.Body, make([]byte, 3)); err != nil {
			return err
		}
		begun, theirs := make(chan struct{}), r.Body
		go func() {
			close(begun)
			_, err := io.ReadAll(theirs)
			leftover <- err
		}()
		<-begun
		return (&problem.Refusal{Status: 503, By: "test"}).Handler()
	})
	serve(t, site(listen, staged(refuse, "reverse_proxy "+backend(t, echo("stable"))), ""))
	go func() {
		defer sending.Close()
		io.WriteString(sending, "012")
		if eventually(func() bool {
			return testutil.ToFloat64(fallbacksVec.WithLabelValues("checkout", "canary")) == 1
		}) {
			io.WriteString(sending, "3456789")
		}
	}()
	req, err := http.NewRequest(http.MethodPost, "http://"+listen, body)
	if err != nil {
		t.Fatal(err)
	}
	wantReply(t, send(t, req), 200, "stable: stable POST / 0123456789 <nil>")
	select {
	case err := <-leftover:
		if !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("who read on gets %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("somebody still reads the body")
	}
}
