package balance

// serve_test.go runs configurations in a Caddy inside the test process.

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
)

// load makes Caddy run the Caddyfile, with storage of the test's own.
func load(t *testing.T, storage, caddyfile string) error {
	t.Helper()
	return loadWith(t, "", storage, caddyfile)
}

// loadWith is load with more global options.
func loadWith(t *testing.T, options, storage, caddyfile string) error {
	t.Helper()
	return adapttest.LoadCaddyfile(t, adapttest.Storage(storage)+options, caddyfile)
}

// serve runs the Caddyfile until the test ends, and checks then that nothing of
// it is left in the registry.
func serve(t *testing.T, caddyfile string) {
	t.Helper()
	if err := load(t, t.TempDir(), caddyfile); err != nil {
		t.Fatalf("loading: %v", err)
	}
	t.Cleanup(func() { stop(t) })
}

func stop(t *testing.T) {
	t.Helper()
	adapttest.Stop(t)
}

// site is a Caddyfile for one site that proxies; the policy is success_weighted
// with the options given.
func site(listen, upstreams, options string) string {
	return fmt.Sprintf("http://%s {\n\treverse_proxy %s {\n\t\tlb_policy success_weighted {\n\t\t\tname test\n\t\t}\n%s\n\t}\n}\n", listen, upstreams, options)
}

func pool(t *testing.T, name string) snapshot {
	t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return held.View.Snapshot().(snapshot)
}

func upstreamOf(t *testing.T, name, address string) balance.UpstreamSnapshot {
	t.Helper()
	for _, u := range pool(t, name).Upstreams {
		if u.Address == address {
			return u
		}
	}
	t.Fatalf("pool %s has no upstream %s", name, address)
	return balance.UpstreamSnapshot{}
}

// wantAttempts waits until the attempts of an upstream are as given, and nothing
// is in flight.
func wantAttempts(t *testing.T, address string, want map[string]uint64) {
	t.Helper()
	var u balance.UpstreamSnapshot
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		u = upstreamOf(t, "test", address)
		same := u.InFlight == 0
		for outcome, n := range u.Attempts {
			same = same && n == want[outcome]
		}
		if same {
			return
		}
	}
	t.Errorf("attempts at %s are %v with %d in flight, want %v and 0", address, u.Attempts, u.InFlight, want)
}

// backend starts a back end and returns its address.
func backend(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

var client = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   20 * time.Second,
}

// get returns the status and the body of a GET.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return res.StatusCode, "broken: " + err.Error()
	}
	return res.StatusCode, string(body)
}

// upgrade switches protocols and echoes lines.
func upgrade(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for {
		line, err := buffered.ReadString('\n')
		if err != nil {
			return
		}
		io.WriteString(conn, line)
	}
}

// dialUpgrade opens an upgraded connection through the proxy.
func dialUpgrade(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", address)
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d, want 101", res.StatusCode)
	}
	return conn, reader
}

// source is a source of dynamic upstreams for tests.
type source struct {
	Static string `json:"static,omitempty"`
}

// sourceState is what the test makes of it: address to what is known.
var sourceState atomic.Pointer[[]sourceMember]

type sourceMember struct {
	Address  string
	Weight   float64
	Instance string
	Since    time.Time
}

func init() { caddy.RegisterModule(source{}) }

func (source) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.upstreams.weir_test", New: func() caddy.Module { return new(source) }}
}

// sharesOf requests n times and counts the answers.
func sharesOf(t *testing.T, url string, n int) map[string]int {
	t.Helper()
	shares := make(map[string]int)
	for range n {
		_, body := get(t, url)
		shares[body]++
	}
	return shares
}

// leave gives up a GET as soon as it is where it is to be.
func leave(url string, arrived <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-arrived:
			cancel()
		case <-ctx.Done():
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	if res, err := client.Do(req); err == nil {
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func contains(err error, parts ...string) bool {
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			return false
		}
	}
	return true
}
