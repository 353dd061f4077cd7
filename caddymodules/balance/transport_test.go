package balance

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/freeport"
)

// What the tap sees rests on the order in which reverse_proxy provisions its parts,
// which Caddy does not promise: these tests pin it.

func TestTapSeesEveryOutcome(t *testing.T) {
	hijack := func(write string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				io.WriteString(conn, write)
				conn.Close()
			}
		}
	}
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		status  int
		want    map[string]uint64
	}{
		{"success", answer("hello"), 200, map[string]uint64{"success": 1}},
		{"client_error", status(404), 404, map[string]uint64{"success": 1}},
		{"not_implemented", status(501), 501, map[string]uint64{"success": 1}},
		{"failed_status", status(503), 503, map[string]uint64{"failed_status": 1}},
		{"timed_out", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(30 * time.Second):
			}
		}, 504, map[string]uint64{"timed_out": 1}},
		{"broken", hijack(""), 502, map[string]uint64{"broken": 1}},
		{"truncated", hijack("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"), 200, map[string]uint64{"success": 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			listen, up := freeport.Address(t), backend(t, tc.handler)
			timeout := "1m"
			if tc.name == "timed_out" {
				timeout = "300ms"
			}
			serve(t, site(listen, up, "transport http {\n response_header_timeout "+timeout+"\n}"))
			if got, _ := get(t, "http://"+listen); got != tc.status {
				t.Errorf("status %d, want %d", got, tc.status)
			}
			wantAttempts(t, up, tc.want)
			if u := upstreamOf(t, "test", up); (u.Truncated == 1) != (tc.name == "truncated") {
				t.Errorf("%d answers are truncated", u.Truncated)
			}
		})
	}
}

func TestTapSeesRefusedConnections(t *testing.T) {
	listen, up := freeport.Address(t), freeport.Address(t)
	serve(t, site(listen, up, ""))
	if got, _ := get(t, "http://"+listen); got != 502 {
		t.Errorf("status %d, want 502", got)
	}
	wantAttempts(t, up, map[string]uint64{"refused": 1})
	if s := upstreamOf(t, "test", up).State; s != "ejected" {
		t.Errorf("state is %s, want ejected", s)
	}
}

func TestClientThatLeavesIsNeutral(t *testing.T) {
	listen := freeport.Address(t)
	arrived := make(chan struct{})
	up := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	serve(t, site(listen, up, ""))
	leave("http://"+listen, arrived)
	wantAttempts(t, up, map[string]uint64{"canceled": 1})
	if rate := upstreamOf(t, "test", up).SuccessRate; rate != 1 {
		t.Errorf("success rate is %v, want 1", rate)
	}
}

func TestClientThatLeavesInTheBodyIsNeutral(t *testing.T) {
	listen := freeport.Address(t)
	arrived := make(chan struct{})
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		for n := 0; r.Context().Err() == nil; n++ {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
				return
			}
			if n == 1000 { // more than fits into buffers: the client is reading
				close(arrived)
			}
		}
	})
	serve(t, site(listen, up, ""))
	leave("http://"+listen, arrived)
	wantAttempts(t, up, map[string]uint64{"success": 1})
}

func TestClientsBrokenBodyIsNeutral(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	serve(t, site(listen, up, ""))
	conn, err := net.Dial("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// a chunk whose size is no number breaks the body but not the connection
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n", listen)
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	io.ReadFull(conn, make([]byte, 12))
	u := upstreamOf(t, "test", up)
	if u.SuccessRate != 1 || u.Attempts["client_fault"]+u.Attempts["canceled"] != 1 {
		t.Errorf("success rate is %v after attempts %v, want 1 after a neutral one", u.SuccessRate, u.Attempts)
	}
}

func TestUpgradedConnectionsPass(t *testing.T) {
	listen, up := freeport.Address(t), backend(t, upgrade)
	serve(t, site(listen, up, ""))
	conn, reader := dialUpgrade(t, listen)
	for range 3 {
		io.WriteString(conn, "ping\n")
		if line, err := reader.ReadString('\n'); line != "ping\n" {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	wantAttempts(t, up, map[string]uint64{"success": 1})
}

func TestStreamsPassAtOnce(t *testing.T) {
	release := make(chan struct{})
	listen := freeport.Address(t)
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: 1\n\n")
		http.NewResponseController(w).Flush()
		<-release
	})
	serve(t, site(listen, up, ""))
	res, err := client.Get("http://" + listen)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if line != "data: 1\n" {
		t.Errorf("got %q, %v before the stream's end", line, err)
	}
	if u := upstreamOf(t, "test", up); u.Attempts["success"] != 1 || u.InFlight != 1 {
		t.Errorf("attempts %v with %d in flight, want a success at the headers and 1", u.Attempts, u.InFlight)
	}
	close(release)
}

func TestActiveHealthChecksAreNoAttempts(t *testing.T) {
	probes := make(chan struct{}, 100)
	listen := freeport.Address(t)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			select {
			case probes <- struct{}{}:
			default:
			}
			w.WriteHeader(503)
		}
	})
	serve(t, site(listen, up, "health_uri /health\nhealth_interval 50ms"))
	for range 3 {
		select {
		case <-probes:
		case <-time.After(30 * time.Second):
			t.Fatal("no health check came")
		}
	}
	wantAttempts(t, up, nil)
	// the policy must not use an upstream that Caddy knows to be unhealthy
	if got, _ := get(t, "http://"+listen); got != 503 {
		t.Errorf("status %d, want 503", got)
	}
	wantAttempts(t, up, nil)
}

func TestHTTPSUpstreamsGetTheirHost(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	t.Cleanup(server.Close)
	listen, up := freeport.Address(t), server.Listener.Addr().String()
	serve(t, site(listen, "https://"+up, "transport http {\n tls_insecure_skip_verify\n}"))
	if code, host := get(t, "http://"+listen); code != 200 || host != up {
		t.Errorf("status %d with host %q, want 200 with %q", code, host, up)
	}
	wantAttempts(t, up, map[string]uint64{"success": 1})
}

func TestH2CUpstreams(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	listen, up := freeport.Address(t), server.Listener.Addr().String()
	serve(t, site(listen, "h2c://"+up, ""))
	if code, proto := get(t, "http://"+listen); code != 200 || proto != "HTTP/2.0" {
		t.Errorf("status %d over %q, want 200 over HTTP/2.0", code, proto)
	}
	wantAttempts(t, up, map[string]uint64{"success": 1})
}

func TestFastCGIUpstreams(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.Method, body)
	}))
	listen, up := freeport.Address(t), listener.Addr().String()
	serve(t, site(listen, up, "transport fastcgi {\n root /srv\n}"))
	// FastCGI needs to know the length of a body: the proxy buffers it because the
	// transport says so, through the tap
	res, err := client.Post("http://"+listen+"/index.php", "text/plain", io.MultiReader(strings.NewReader("hello")))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); string(body) != "POST hello" {
		t.Errorf("got %d %q", res.StatusCode, body)
	}
	wantAttempts(t, up, map[string]uint64{"success": 1})
}

// A request whose body an earlier attempt used up cannot be sent again; that is
// nothing against the upstream it was to be sent to.
func TestUsedUpBodyIsNeutral(t *testing.T) {
	listen := freeport.Address(t)
	bad := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(503)
	})
	good := backend(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	serve(t, site(listen, bad+" "+good, "lb_retries 1\nlb_retry_match {\n method PUT\n expression `{rp.status_code} in [503]`\n}"))
	for range 8 {
		req, err := http.NewRequest(http.MethodPut, "http://"+listen, strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	u := upstreamOf(t, "test", good)
	if u.SuccessRate != 1 || u.Attempts["client_fault"] == 0 {
		t.Errorf("success rate is %v after %v, want 1 and bodies that could not be sent", u.SuccessRate, u.Attempts)
	}
}

// An upstream that breaks off in the middle of a client's body is to blame.
func TestBrokenUploadIsTheUpstreams(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, 1000)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	})
	serve(t, site(listen, up, ""))
	res, err := client.Post("http://"+listen, "text/plain", strings.NewReader(strings.Repeat("x", 8<<20)))
	if err == nil {
		res.Body.Close()
	}
	wantAttempts(t, up, map[string]uint64{"broken": 1})
}
