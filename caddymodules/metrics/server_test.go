package metrics

// server_test.go runs a real Caddy in this process and looks at what the client
// gets and what is counted.

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/problem"
)

const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

// fault is a handler that does what its argument says.
type fault struct {
	Do string `json:"do"`
}

func init() {
	caddy.RegisterModule(new(fault))
	httpcaddyfile.RegisterHandlerDirective("fault", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return &fault{Do: strings.Join(h.RemainingArgs(), " ")}, nil
	})
}

func (*fault) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.fault", New: func() caddy.Module { return new(fault) }}
}

func (f *fault) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	x := exchange.From(r)
	switch f.Do {
	case "error":
		return errors.New("dial tcp 10.0.0.7:80: secret")
	case "unavailable":
		return caddyhttp.Error(http.StatusServiceUnavailable, errors.New("secret"))
	case "not found":
		return caddyhttp.Error(http.StatusNotFound, errors.New("secret"))
	case "refuse":
		return (&problem.Refusal{Status: http.StatusTooManyRequests, Detail: "slow down", By: "load_shed api", RetryAfter: time.Second}).Handler()
	case "no status":
		return caddyhttp.Error(42, errors.New("secret"))
	case "panic":
		panic("something is broken")
	case "abort":
		panic(http.ErrAbortHandler)
	case "partial":
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "begun")
		return caddyhttp.Error(http.StatusBadGateway, errors.New("secret"))
	case "flush":
		_ = http.NewResponseController(w).Flush()
		return errors.New("secret")
	case "wait, then nothing":
		<-r.Context().Done()
		return nil
	case "fall back":
		if err := next.ServeHTTP(w, r); err != nil {
			_, _ = io.WriteString(w, "from the cache")
		}
		return nil
	case "wait":
		<-r.Context().Done()
		return r.Context().Err()
	case "trace":
		x.TraceID, x.Outcome = traceID, "success"
		x.AddAttempt(f, "10.0.0.7:80")
		x.Outcome = "success"
		return next.ServeHTTP(w, r)
	case "template":
		x.RouteTemplate = "/pets/{petId}"
		return next.ServeHTTP(w, r)
	case "pass":
		return next.ServeHTTP(w, r)
	case "read":
		_, _ = io.Copy(io.Discard, r.Body)
		return nil
	}
	return fmt.Errorf("unknown fault %q", f.Do)
}

// gateway is a Caddy that runs in this process.
type gateway struct {
	t      *testing.T
	addr   string
	dir    string
	client *http.Client
}

// start runs the sites, in which $ADDR stands for the address. There is one more
// site, metrics.test.
func start(t *testing.T, sites string) *gateway {
	t.Helper()
	addr := freeport.Address(t)
	g := &gateway{t: t, addr: addr, dir: t.TempDir()}
	g.client = &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", addr)
			},
			DisableKeepAlives: true,
		},
	}
	t.Cleanup(func() {
		g.client.CloseIdleConnections()
		adapttest.Stop(t)
	})
	if err := g.load(sites); err != nil {
		t.Fatal(err)
	}
	return g
}

// reload replaces the configuration.
func (g *gateway) reload(sites string) {
	g.t.Helper()
	if err := g.load(sites); err != nil {
		g.t.Fatal(err)
	}
}

// load makes Caddy run the sites.
func (g *gateway) load(sites string) error {
	g.t.Helper()
	_, port, _ := net.SplitHostPort(g.addr)
	config, err := adapttest.Adapt(strings.NewReplacer("$PORT", port, "$DIR", g.dir).Replace(`{
	admin off
	persist_config off
	auto_https off
	default_bind 127.0.0.1
	storage file_system $DIR
	order fault before respond
	log {
		output file $DIR/default.log
	}
	log errors {
		output file $DIR/errors.log
		include http.log.error
	}
}
http://metrics.test:$PORT {
	metrics
}
` + sites))
	if err != nil {
		return err
	}
	return adapttest.Load([]byte(config))
}

// do sends a request to http://site.test, or another host in the path, that must be
// answered. A connection that the listener of a
// configuration before accepts at last is dropped by Caddy unserved: it is made again.
func (g *gateway) do(method, target string, body io.Reader) (*http.Response, string) {
	g.t.Helper()
	response, text, err := g.try(method, target, body)
	for tries := 0; tries < 3 && body == nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)); tries++ {
		response, text, err = g.try(method, target, body)
	}
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, target, err)
	}
	return response, text
}

func (g *gateway) try(method, target string, body io.Reader) (*http.Response, string, error) {
	if strings.HasPrefix(target, "/") {
		target = "site.test" + target
	}
	host, path, _ := strings.Cut(target, "/")
	_, port, _ := net.SplitHostPort(g.addr)
	request, err := http.NewRequest(method, "http://"+host+":"+port+"/"+path, body)
	if err != nil {
		return nil, "", err
	}
	response, err := g.client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response, string(text), err
}

// counts are the counted requests by route, method and status.
func (g *gateway) counts() map[string]float64 {
	g.t.Helper()
	_, text := g.do("GET", "metrics.test/", nil)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		g.t.Fatal(err)
	}
	counts := make(map[string]float64)
	for _, m := range families["gateway_http_requests_total"].GetMetric() {
		labels := make(map[string]string)
		for _, pair := range m.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		counts[labels["route"]+" "+labels["method"]+" "+labels["status"]] = m.GetCounter().GetValue()
	}
	durations := make(map[string]float64)
	for _, m := range families["gateway_http_request_duration_seconds"].GetMetric() {
		labels := make(map[string]string)
		for _, pair := range m.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		durations[labels["route"]+" "+labels["method"]+" "+labels["status"]] = float64(m.GetHistogram().GetSampleCount())
	}
	if !maps.Equal(counts, durations) {
		g.t.Errorf("counts and durations differ: %v and %v", counts, durations)
	}
	return counts
}

// wantCounts waits for the counts, as a request is counted after its client has
// the answer.
func (g *gateway) wantCounts(want map[string]float64) {
	g.t.Helper()
	var got map[string]float64
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = g.counts(); maps.Equal(got, want) {
			return
		}
	}
	g.t.Errorf("counted %v, want %v", got, want)
}

func (g *gateway) wantMetric(line string) {
	g.t.Helper()
	var text string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, text = g.do("GET", "metrics.test/", nil); slices.Contains(strings.Split(text, "\n"), line) {
			return
		}
	}
	var found []string
	for _, l := range strings.Split(text, "\n") {
		if strings.HasPrefix(l, "gateway_") {
			found = append(found, l)
		}
	}
	g.t.Errorf("there is no line %q in\n%s", line, strings.Join(found, "\n"))
}

func TestMethodsAndNesting(t *testing.T) {
	g := start(t, `http://site.test:$PORT {
	request_metrics outer
	handle /inner {
		method GET
		request_metrics inner
		respond "0123456789"
	}
	respond "0123456789"
}
`)
	g.do("GET", "/", nil)
	g.do("HEAD", "/", nil)
	g.do("BREW", "/", nil)
	g.do("get", "/", nil)
	for range 2 {
		g.do("GET", "/inner", nil)
	}
	g.wantCounts(map[string]float64{
		"outer GET 200": 1, "outer HEAD 200": 1, "outer OTHER 200": 2, "inner GET 200": 2,
	})
	g.wantMetric(`gateway_http_requests_in_flight{route="outer"} 0`)
	g.wantMetric(`gateway_http_requests_in_flight{route="inner"} 0`)
	g.wantMetric(`gateway_http_response_size_bytes_sum{route="outer"} 30`) // none for HEAD
}

func TestPanics(t *testing.T) {
	for _, fault := range []string{"panic", "abort"} {
		t.Run(fault, func(t *testing.T) {
			g := start(t, "http://site.test:$PORT {\n\trequest_metrics api\n\tfault "+fault+"\n}\n")
			if response, _, err := g.try("GET", "/", nil); err == nil {
				t.Errorf("the connection was not aborted: %s", response.Status)
			}
			g.wantCounts(map[string]float64{"api GET 500": 1})
			g.wantMetric(`gateway_http_requests_in_flight{route="api"} 0`)
		})
	}
}

func TestClientThatLeft(t *testing.T) {
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hang.Close()
	for name, directive := range map[string]string{
		"handler that returns an error": "fault wait",
		"handler that returns nothing":  "fault wait, then nothing",
		"reverse_proxy":                 "reverse_proxy " + hang.Listener.Addr().String(),
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, "http://site.test:$PORT {\n\trequest_metrics api\n\t"+directive+"\n}\n")
			conn, err := net.Dial("tcp", g.addr)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
			g.wantMetric(`gateway_http_requests_in_flight{route="api"} 1`)
			conn.Close()
			g.wantCounts(map[string]float64{"api GET 499": 1})
			g.wantMetric(`gateway_http_requests_in_flight{route="api"} 0`)
		})
	}
}

// endless is an upstream that answers with more than any buffer holds and, if it is
// told so, breaks off.
func endless(t *testing.T, breakOff <-chan struct{}) string {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for piece := make([]byte, 64<<10); ; {
			select {
			case <-breakOff:
				panic(http.ErrAbortHandler)
			case <-r.Context().Done():
				return
			default:
			}
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	t.Cleanup(upstream.Close)
	return upstream.Listener.Addr().String()
}

func TestBrokenAnswers(t *testing.T) {
	get := func(g *gateway) *http.Response {
		_, port, _ := net.SplitHostPort(g.addr)
		response, err := g.client.Get("http://site.test:" + port + "/")
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	t.Run("by the client", func(t *testing.T) {
		g := start(t, "http://site.test:$PORT {\n\trequest_metrics api\n\treverse_proxy "+endless(t, nil)+"\n}\n")
		response := get(g)
		_, _ = io.CopyN(io.Discard, response.Body, 1000)
		response.Body.Close()
		g.wantCounts(map[string]float64{"api GET 499": 1})
	})
	t.Run("by the upstream", func(t *testing.T) {
		breakOff := make(chan struct{})
		g := start(t, "http://site.test:$PORT {\n\trequest_metrics api\n\treverse_proxy "+endless(t, breakOff)+"\n}\n")
		response := get(g)
		_, _ = io.CopyN(io.Discard, response.Body, 1000)
		close(breakOff)
		if _, err := io.Copy(io.Discard, response.Body); err == nil {
			t.Error("the client does not see that the answer broke off")
		}
		response.Body.Close()
		g.wantCounts(map[string]float64{"api GET 200": 1}) // what the client got
	})
}

// Requests of the old configuration end under the new one.
func TestReloadWithRequestsOnTheirWay(t *testing.T) {
	const hanging = "http://site.test:$PORT {\n\trequest_metrics %s\n\tfault wait\n}\n"
	hang := func(g *gateway) net.Conn {
		conn, err := net.Dial("tcp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
		g.wantMetric(`gateway_http_requests_in_flight{route="kept"} 1`)
		return conn
	}
	t.Run("route kept", func(t *testing.T) {
		g := start(t, fmt.Sprintf(hanging, "kept"))
		conn := hang(g)
		g.reload(fmt.Sprintf(hanging, "kept"))
		g.wantMetric(`gateway_http_requests_in_flight{route="kept"} 1`)
		conn.Close()
		g.wantCounts(map[string]float64{"kept GET 499": 1})
		g.wantMetric(`gateway_http_requests_in_flight{route="kept"} 0`)
	})
	t.Run("other buckets", func(t *testing.T) {
		g := start(t, fmt.Sprintf(hanging, "kept"))
		conn := hang(g)
		g.reload(fmt.Sprintf(hanging, "kept {\n\t\tbuckets 1 100\n\t}"))
		conn.Close()
		g.wantCounts(map[string]float64{"kept GET 499": 1})
		g.wantMetric(`gateway_http_request_duration_seconds_bucket{method="GET",route="kept",status="499",le="100"} 1`)
	})
	t.Run("route removed", func(t *testing.T) {
		g := start(t, fmt.Sprintf(hanging, "kept"))
		conn := hang(g)
		g.reload(fmt.Sprintf(hanging, "other"))
		conn.Close()
		g.wantMetric(`gateway_http_requests_in_flight{route="other"} 0`)
		g.wantCounts(map[string]float64{})
	})
}

func TestWebSocket(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, buffered)
	}))
	defer upstream.Close()
	g := start(t, "http://site.test:$PORT {\n\trequest_metrics ws\n\treverse_proxy "+upstream.Listener.Addr().String()+"\n}\n")

	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin := time.Now()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	headers := time.Since(begin)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("no upgrade: %v, %v", response, err)
	}
	for _, word := range []string{"ping\n", "pong\n"} {
		fmt.Fprint(conn, word)
		if got, err := reader.ReadString('\n'); got != word {
			t.Fatalf("the upstream echoed %q, %v", got, err)
		}
	}
	g.wantMetric(`gateway_http_requests_in_flight{route="ws"} 1`)
	conn.Close()
	g.wantCounts(map[string]float64{"ws GET 101": 1})
	g.wantDurationAtMost("ws", "101", headers)
}

func TestServerSentEvents(t *testing.T) {
	more := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: one\n\n")
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, "data: two\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer upstream.Close()
	g := start(t, "http://site.test:$PORT {\n\trequest_metrics sse\n\treverse_proxy "+upstream.Listener.Addr().String()+"\n}\n")

	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin := time.Now()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	headers := time.Since(begin)
	if err != nil {
		t.Fatal(err)
	}
	events := bufio.NewReader(response.Body)
	if line, err := events.ReadString('\n'); line != "data: one\n" {
		t.Fatalf("the first event did not come through: %q, %v", line, err)
	}
	close(more)
	_, _ = events.ReadString('\n')
	if line, err := events.ReadString('\n'); line != "data: two\n" {
		t.Fatalf("the second event did not come through: %q, %v", line, err)
	}
	conn.Close() // how such a stream ends
	g.wantCounts(map[string]float64{"sse GET 200": 1})
	g.wantDurationAtMost("sse", "200", headers)
}

func TestHostileStatuses(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	answer := make(chan string, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			fmt.Fprintf(conn, "HTTP/1.1 %s x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", <-answer)
			conn.Close()
		}
	}()
	g := start(t, "http://site.test:$PORT {\n\trequest_metrics api\n\treverse_proxy "+listener.Addr().String()+"\n}\n")
	want := make(map[string]float64)
	for _, status := range []string{"999", "700", "000", "099", "304", "204"} {
		answer <- status
		_, _, _ = g.try("GET", "/", nil)
		if status[0] == '0' {
			status = "500" // net/http panics when it is asked to send this
		}
		want["api GET "+status]++
	}
	g.wantCounts(want)
	g.wantMetric(`gateway_http_requests_in_flight{route="api"} 0`)
}

func TestRequestSize(t *testing.T) {
	g := start(t, "http://site.test:$PORT {\n\trequest_metrics api\n\tfault read\n}\n")
	g.do("POST", "/", strings.NewReader(strings.Repeat("x", 1000)))                       // declared
	g.do("POST", "/", io.MultiReader(strings.NewReader("abc"), strings.NewReader("def"))) // chunked
	g.wantMetric(`gateway_http_request_size_bytes_sum{route="api"} 1006`)
	g.wantMetric(`gateway_http_request_size_bytes_count{route="api"} 2`)
}

func TestReload(t *testing.T) {
	const one = `http://site.test:$PORT, http://alias.test:$PORT {
	request_metrics shared
	respond ok
}
http://b.test:$PORT {
	handle /x* {
		request_metrics shared
		respond x
	}
	handle {
		request_metrics b
		respond b
	}
}
`
	g := start(t, one)
	traffic := func() {
		for _, target := range []string{"/", "alias.test/", "b.test/x", "b.test/"} {
			g.do("GET", target, nil)
		}
	}
	traffic()
	g.wantCounts(map[string]float64{"shared GET 200": 3, "b GET 200": 1})
	g.reload(one)
	traffic()
	g.wantCounts(map[string]float64{"shared GET 200": 6, "b GET 200": 2})
	g.reload("http://site.test:$PORT {\n\trequest_metrics shared\n\trespond ok\n}\n")
	g.wantCounts(map[string]float64{"shared GET 200": 6})
	if _, text := g.do("GET", "metrics.test/", nil); strings.Contains(text, `route="b"`) {
		t.Error("the removed route still has series")
	}
}

func TestReloadWithOtherBuckets(t *testing.T) {
	site := "http://site.test:$PORT {\n\trequest_metrics api {\n\t\tbuckets %s\n\t}\n\trespond ok\n}\n"
	g := start(t, fmt.Sprintf(site, "1 2"))
	g.do("GET", "/", nil)
	g.wantMetric(`gateway_http_request_duration_seconds_bucket{method="GET",route="api",status="200",le="2"} 1`)

	if err := g.load(fmt.Sprintf(site, "1 3") + "http://bad.test:$PORT {\n\trequest_metrics api {\n\t\tbuckets 7\n\t}\n}\n"); err == nil {
		t.Fatal("two sets of buckets for one route were accepted")
	} else if text := err.Error(); !strings.Contains(text, `"api"`) || !strings.Contains(text, "buckets 1 3") || !strings.Contains(text, "buckets 7") {
		t.Errorf("the error does not name both: %v", err)
	}
	g.do("GET", "/", nil)
	g.wantMetric(`gateway_http_request_duration_seconds_bucket{method="GET",route="api",status="200",le="2"} 2`)

	g.reload(fmt.Sprintf(site, "1 3"))
	g.do("GET", "/", nil)
	g.wantMetric(`gateway_http_request_duration_seconds_bucket{method="GET",route="api",status="200",le="3"} 1`)
	g.wantMetric(`gateway_http_requests_total{method="GET",route="api",status="200"} 3`)
}

func TestExemplarsInOpenMetrics(t *testing.T) {
	g := start(t, "http://site.test:$PORT {\n\troute {\n\t\trequest_metrics api\n\t\tfault trace\n\t\trespond ok\n\t}\n}\n")
	g.do("GET", "/", nil)
	g.wantCounts(map[string]float64{"api GET 200": 1})
	_, port, _ := net.SplitHostPort(g.addr)
	request, _ := http.NewRequest("GET", "http://metrics.test:"+port+"/", nil)
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	response, err := g.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if !strings.Contains(string(text), `# {trace_id="`+traceID+`"}`) {
		t.Error("the trace id is no exemplar")
	}
}

func TestAccessLogFields(t *testing.T) {
	g := start(t, `http://site.test:$PORT {
	log {
		output file $DIR/access.log
		format json
	}
	route {
		request_metrics api
		fault trace
		fault refuse
	}
}
`)
	g.do("GET", "/", nil)
	g.wantCounts(map[string]float64{"api GET 429": 1})
	content, err := os.ReadFile(filepath.Join(g.dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	var entry map[string]any
	if err := json.Unmarshal(content, &entry); err != nil {
		t.Fatalf("%v in %s", err, content)
	}
	for field, want := range map[string]any{
		"trace_id": traceID, "upstream": "10.0.0.7:80", "attempts": 1.0,
		"outcome": "success", "refused_by": "load_shed api", "status": 429.0,
	} {
		if entry[field] != want {
			t.Errorf("%s is %v, want %v", field, entry[field], want)
		}
	}
}
