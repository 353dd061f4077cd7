package breaker

// serve_test.go runs configurations in a Caddy inside the test process.

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
)

// load makes Caddy run the Caddyfile, with storage of the test's own.
func load(t *testing.T, storage, caddyfile string) error {
	t.Helper()
	return loadWith(t, storage, "output discard", caddyfile)
}

// loadWith is load with options of the log.
func loadWith(t *testing.T, storage, log, caddyfile string) error {
	t.Helper()
	return adapttest.LoadCaddyfile(t, "\tlog {\n"+log+"\n\t}\n\tevents {\n\t\ton breaker_opened weir_test\n\t\ton breaker_closed weir_test\n\t}\n"+
		adapttest.Storage(storage), caddyfile)
}

// loadJSON makes Caddy run a configuration with no admin API.
func loadJSON(config string) error {
	return caddy.Load([]byte(strings.Replace(config, "{", `{"admin": {"disabled": true, "config": {"persist": false}}, "logging": {"logs": {"default": {"writer": {"output": "discard"}}}},`, 1)), true)
}

func mustLoad(t *testing.T, storage, caddyfile string) {
	t.Helper()
	mustLoadWith(t, storage, "output discard", caddyfile)
}

func mustLoadWith(t *testing.T, storage, log, caddyfile string) {
	t.Helper()
	if err := loadWith(t, storage, log, caddyfile); err != nil {
		t.Fatalf("loading: %v", err)
	}
}

// serve runs the Caddyfile until the test ends, and checks then that nothing of
// it is left in the registry. It returns where its state is stored.
func serve(t *testing.T, caddyfile string) (storage string) {
	t.Helper()
	storage = t.TempDir()
	mustLoad(t, storage, caddyfile)
	t.Cleanup(func() { stop(t) })
	return storage
}

func stop(t *testing.T) {
	t.Helper()
	adapttest.Stop(t)
}

// site is a Caddyfile for one site with a breaker named test.
func site(listen, options, inner string) string {
	return fmt.Sprintf("http://%s {\n\tbreaker test {\n%s\n\t}\n\t%s\n}\n", listen, options, inner)
}

// quick are options under which two failures open for longer than a test takes.
const quick = "consecutive 2\nopen_for 30s\nprobes 1\nrecover_over off\n"

func view(t *testing.T) *Handler {
	t.Helper()
	return named(t, "test")
}

func named(t *testing.T, name string) *Handler {
	t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return held.View.(*Handler)
}

// wantCalls waits until the calls that ended are as given, and none is in flight.
func wantCalls(t *testing.T, success, failure, neutral uint64) {
	t.Helper()
	var s snapshot
	if !eventually(func() bool {
		s = view(t).snapshot()
		return s.InFlight == 0 && s.Calls.Success == success && s.Calls.Failure == failure && s.Calls.Neutral == neutral
	}) {
		t.Errorf("calls %+v with %d in flight, want %d successes, %d failures, %d neutral", s.Calls, s.InFlight, success, failure, neutral)
	}
}

func wantState(t *testing.T, want string) {
	t.Helper()
	var s snapshot
	if !eventually(func() bool { s = view(t).snapshot(); return s.State == want }) {
		t.Errorf("the breaker is %s, want %s", s.State, want)
	}
}

func eventually(yes func() bool) bool {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if yes() {
			return true
		}
	}
	return false
}

// backend starts a back end and returns its address.
func backend(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// echo answers with the method, the path and the body.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %v", r.Method, r.URL.Path, body, err)
}

var client = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   20 * time.Second,
}

// reply is an answer with its body.
type reply struct {
	*http.Response
	text string
}

// do sends a request with a body, if there is one.
func do(t *testing.T, method, url, body string) reply {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, req)
}

func send(t *testing.T, req *http.Request) reply {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return reply{res, "broken: " + err.Error()}
	}
	return reply{res, string(text)}
}

func get(t *testing.T, url string) reply {
	t.Helper()
	return do(t, http.MethodGet, url, "")
}

func wantReply(t *testing.T, got reply, status int, text string) {
	t.Helper()
	if got.StatusCode != status || !strings.Contains(got.text, text) {
		t.Errorf("got %d %q, want %d with %q", got.StatusCode, got.text, status, text)
	}
}

// open makes the breaker of quick options open by failing twice.
func open(t *testing.T, url string) {
	t.Helper()
	for range 2 {
		get(t, url)
	}
	wantState(t, "open")
}

// canceledGet gives up a GET after the delay.
func canceledGet(url string, delay time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), delay)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	if res, err := client.Do(req); err == nil {
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
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

// events is a handler of Caddy events that notes them.
type events struct{}

var (
	eventsMu   sync.Mutex
	eventsSeen []string
)

func init() { caddy.RegisterModule(events{}) }

func (events) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.weir_test", New: func() caddy.Module { return new(events) }}
}

func (events) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (events) Handle(_ context.Context, e caddy.Event) error {
	eventsMu.Lock()
	defer eventsMu.Unlock()
	eventsSeen = append(eventsSeen, fmt.Sprintf("%s %v %v %v", e.Name(), e.Data["breaker"], e.Data["why"], e.Data["open_for"]))
	return nil
}

// takeEvents returns the events since the last call.
func takeEvents() []string {
	eventsMu.Lock()
	defer eventsMu.Unlock()
	seen := eventsSeen
	eventsSeen = nil
	return seen
}

var _ caddyevents.Handler = events{}
