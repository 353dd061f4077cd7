package canary

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/cohort"
	"github.com/weirproxy/weir/governance/rollout"
	"github.com/weirproxy/weir/internal/freeport"
)

// byPath are options with which the cohort of /canary has a canary of 50 %, and that of
// /stable has not.
func byPath() string {
	for i := 0; ; i++ {
		seed := fmt.Sprint("seed-", i)
		hasher := cohort.NewHasher(seed)
		if hasher.Point("/canary").Fraction() < 0.5 && hasher.Point("/stable").Fraction() >= 0.5 {
			return "key {path}\nseed " + seed + "\n"
		}
	}
}

// guarded is a site with a guarded canary, on a path of its own, that does no other thing than
// stable.
func guarded(listen, does string) string {
	return site(listen, byPath()+"guard {\nsteps 60%\n}\nstage stable {\n"+does+"\n}\nstage canary 50% {\n"+does+"\n}", "")
}

// Each stage has handlers of its own, and what they leave unanswered is for those behind.
func TestStagesAnswer(t *testing.T) {
	listen := freeport.Address(t)
	old := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if spoofed := r.Header[fallbackHeader]; spoofed != nil {
			t.Errorf("the upstream gets %s %s", fallbackHeader, spoofed)
		}
		echo("old")(w, r)
	})
	serve(t, site(listen, "rule /canary canary\nrule /preview preview\nstage stable {\nreverse_proxy "+old+
		"\n}\nstage canary 0% {\nreverse_proxy "+backend(t, echo("new"))+"\n}\nstage preview 0% {\nheader X-Seen preview\n}", "respond {http.canary.checkout.stage} 202"))
	wantReply(t, get(t, "http://"+listen, "X-Release-Stage", "canary", fallbackHeader, "canary"), 200, "old: stable GET")
	wantReply(t, get(t, "http://"+listen+"/canary", "X-Release-Stage", "stable", "X-Release-Stage", "a"), 200, "new: canary GET")
	// a header that the client calls one of the connection is not for the upstream
	wantReply(t, get(t, "http://"+listen+"/canary", "Connection", "X-Release-Stage"), 200, "new: canary GET")
	got := get(t, "http://"+listen+"/preview")
	wantReply(t, got, 202, "preview")
	if got.Header.Get("X-Seen") != "preview" {
		t.Error("the handlers of preview were not asked")
	}
}

// Without stages' handlers the route goes on, by the matcher or by the placeholder.
func TestTheRouteGoesOn(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, "rule /canary canary\nstage stable\nstage canary 0%", "@canary release_stage checkout canary\nrespond @canary new\nrespond {http.canary.checkout.reason}"))
	wantReply(t, get(t, "http://"+listen+"/canary"), 200, "new")
	wantReply(t, get(t, "http://"+listen), 200, "random")
}

// A client that asks what only trusted ones may, and is trusted, gets the answer for it, and
// no cache has it for others.
func TestAStrictRefusalVaries(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, "header {\ntrust 127.0.0.1\nstrict\n}\nstage stable\nstage canary 0%", "respond ok"))
	got := get(t, "http://"+listen, "X-Release-Stage", "wrong")
	wantReply(t, got, 400, "names no stage")
	if vary := got.Header.Get("Vary"); vary != "X-Release-Stage" {
		t.Errorf("Vary is %q", vary)
	}
	wantMetric(t, 1, ignoredVec.WithLabelValues("checkout", "unknown"))
	wantMetric(t, 0, requestsVec.WithLabelValues("checkout", "stable", "random"))
}

// The error routes of a site get the request without what the client has asked for.
func TestARefusedHeaderGoesNoFurther(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, "header {\ntrust 127.0.0.1\nstrict\n}\nstage stable\nstage canary 0%", "handle_errors {\nrespond <{header.X-Release-Stage}> 418\n}"))
	wantReply(t, get(t, "http://"+listen, "X-Release-Stage", "wrong"), 418, "<>")
}

// What becomes of a request, as the guard sees it and as it is counted.
func TestOutcomes(t *testing.T) {
	up := func(handler http.HandlerFunc) string { return "reverse_proxy " + backend(t, handler) }
	leave := make(chan struct{}, 1) // has the client leave
	const success, failure, unanswered = "1 requests 0 errors 0 unanswered", "1 requests 1 errors 0 unanswered", "0 requests 0 errors 1 unanswered"
	for name, c := range map[string]struct {
		does  string
		want  string
		class string
	}{
		"an answer":          {"respond ok", success, "2xx"},
		"nobody answers":     {"header X-Nobody answers", success, "2xx"},
		"the client's fault": {"respond 404", success, "4xx"},
		"an error of his":    {"error 403", success, "4xx"},
		"a status":           {"respond 500", failure, "5xx"},
		"an error":           {"error 503", failure, "5xx"},
		"some other error":   {script("fail", func(http.ResponseWriter, *http.Request) error { return io.ErrUnexpectedEOF }), failure, "5xx"},
		"a reset": {up(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.Close()
		}), failure, "5xx"},
		"broken off": {up(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte("begun"))
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}), failure, "2xx"},
		"a panic": {script("panic", func(http.ResponseWriter, *http.Request) error { panic("wrong") }), failure, "5xx"},
		"a failure that never ends": {up(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			http.NewResponseController(w).Flush()
			time.AfterFunc(time.Second, func() { leave <- struct{}{} }) // when the gateway knows
			<-r.Context().Done()
		}), failure, "5xx"},
		"a client that leaves": {up(func(_ http.ResponseWriter, r *http.Request) {
			leave <- struct{}{}
			<-r.Context().Done()
		}), unanswered, "4xx"},
		"one that leaves an answer": {up(func(w http.ResponseWriter, _ *http.Request) {
			w.Write(make([]byte, 32<<20)) // more than fits into buffers: the client is reading
			leave <- struct{}{}
			endless(w, nil)
		}), unanswered, "4xx"},
	} {
		t.Run(name, func(t *testing.T) {
			listen := freeport.Address(t)
			serve(t, guarded(listen, c.does))
			ask(listen, leave)
			wantSides(t, c.want, "0 requests 0 errors 0 unanswered")
			wantMetric(t, 1, responsesVec.WithLabelValues("checkout", "canary", c.class))
		})
	}
}

// What is sent to a stage for what it is says nothing about the stage: the guard compares
// what cohorts have dealt out.
func TestTheGuardComparesCohorts(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, byPath()+"header {\ntrust 127.0.0.1\n}\nguard {\nsteps 60%\n}\nrule /reports/* stable\nrule /v2/* canary\n"+
		"stage stable {\nrespond ok\n}\nstage canary 50% {\nrespond 500\n}", ""))
	get(t, "http://"+listen+"/reports/a")
	get(t, "http://"+listen+"/v2/a")
	get(t, "http://"+listen+"/stable", "X-Release-Stage", "canary")
	order(t, view(t), `{"kill":true}`)
	get(t, "http://"+listen+"/canary")
	order(t, view(t), `{"kill":false}`)
	wantSides(t, "0 requests 0 errors 0 unanswered", "0 requests 0 errors 0 unanswered")
	get(t, "http://"+listen+"/canary")
	get(t, "http://"+listen+"/stable")
	wantSides(t, "1 requests 1 errors 0 unanswered", "1 requests 0 errors 0 unanswered")
	if s := view(t).snapshot(); s.Stages[0].Requests != 3 || s.Stages[1].Requests != 3 {
		t.Errorf("requests are %+v", s.Stages)
	}
}

// A canary that does not answer has its clients wait, until they leave.
func TestTheGuardSeesThatClientsWait(t *testing.T) {
	t.Cleanup(func() { wantNoSeries(t) })
	synctest.Test(t, func(t *testing.T) {
		h := toCanary(t, nil, func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return r.Context().Err()
		})
		for range 500 {
			h.live.start(drawn(h.stable), h).End(100*time.Millisecond, false)
			r := request()
			ctx, leave := context.WithCancel(r.Context())
			time.AfterFunc(time.Second, leave)
			_ = h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx), nil)
		}
		if v := h.live.guard.Load().Snapshot(time.Now()).Present; v.Action != rollout.Rollback || v.Rule != rollout.RuleLatency {
			t.Errorf("the guard says %+v", v)
		}
	})
}

// endless never stops to answer.
func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write(make([]byte, 1<<15)); err != nil {
			return
		}
	}
}

// ask asks the canary and does not care for the answer. The client leaves when it is told to.
func ask(listen string, leave <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-leave:
			cancel()
		case <-ctx.Done():
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/canary", nil)
	if err != nil {
		return
	}
	if res, err := client.Do(req); err == nil {
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}

// A client whose body breaks off says nothing about the canary, and is not given to stable.
func TestBrokenBodiesAreTheClients(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, guarded(listen, "reverse_proxy "+backend(t, echo("any"))))
	conn, err := net.Dial("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /canary HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno chunk\r\n", listen)
	io.Copy(io.Discard, conn)
	wantSides(t, "0 requests 0 errors 1 unanswered", "0 requests 0 errors 0 unanswered")
	wantMetric(t, 0, fallbacksVec.WithLabelValues("checkout", "canary"))
}

// request is what Caddy makes of a request before handlers have it.
func request(header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), &caddyhttp.Server{})
}

// A request with a key costs a few allocations.
func TestPassingCostsLittle(t *testing.T) {
	t.Cleanup(func() { wantNoSeries(t) })
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
	route := caddyhttp.MiddlewareHandler(route(next))
	w, r := httptest.NewRecorder(), request("X-User-Id", "42", "Accept", "*/*")
	for _, c := range []struct {
		name   string
		share  float64
		routes []caddyhttp.MiddlewareHandler
		most   float64
	}{
		// the visit, the header for the upstream, and Vary
		{"a decision", 0, []caddyhttp.MiddlewareHandler{nil, nil}, 3},
		{"stable with handlers", 0, []caddyhttp.MiddlewareHandler{route, route}, 3},
		// and what it takes to restore the request
		{"the canary with handlers", 1, []caddyhttp.MiddlewareHandler{route, route}, 9},
	} {
		h := newFixture(new(memory)).leading(t, &Handler{
			Key:    []string{"{http.request.header.X-User-Id}"},
			Stages: []Stage{{Name: "stable"}, {Name: "canary", Share: &c.share}},
		})
		h.ctx.Context = t.Context()
		h.metrics, h.routes = newRequestMetrics(h), c.routes
		got := testing.AllocsPerRun(1000, func() {
			clear(w.Header())
			_ = h.ServeHTTP(w, r, next)
		})
		if got > c.most {
			t.Errorf("%s makes %v allocations, want at most %v", c.name, got, c.most)
		}
	}
}

// route is a handler of a stage.
type route caddyhttp.HandlerFunc

func (f route) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	return f(w, r)
}
