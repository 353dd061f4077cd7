package canary

// serve_fixture_test.go runs configurations in a Caddy inside the test process.

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
)

// load makes Caddy run the Caddyfile, with storage of the test's own.
func load(t *testing.T, storage, caddyfile string) error {
	t.Helper()
	return adapttest.LoadCaddyfile(t, adapttest.Storage(storage)+"\tlog {\n\t\toutput discard\n\t}\n", caddyfile)
}

func mustLoad(t *testing.T, storage, caddyfile string) {
	t.Helper()
	if err := load(t, storage, caddyfile); err != nil {
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
	wantNoSeries(t)
}

// wantNoSeries waits until nothing is counted for the test any more: the next one begins at 0.
func wantNoSeries(t *testing.T) {
	t.Helper()
	for _, vec := range []prometheus.Collector{requestsVec, responsesVec, durationVec, fallbacksVec, badCookiesVec, ignoredVec} {
		if !eventually(func() bool { return testutil.CollectAndCount(vec) == 0 }) {
			t.Errorf("series are left: %s", exposed(t, vec))
		}
	}
}

// view is the handler of the release checkout that runs.
func view(t *testing.T) *Handler {
	t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "checkout"})
	if err != nil {
		t.Fatal(err)
	}
	return held.View.(*Handler)
}

// site is a Caddyfile for one site with the release checkout.
func site(listen, options, after string) string {
	return fmt.Sprintf("http://%s {\n\tcanary_route checkout {\n%s\n\t}\n\t%s\n}\n", listen, options, after)
}

// staged are options with which everybody gets the canary.
func staged(canary, stable string) string {
	return fmt.Sprintf("stage stable {\n%s\n}\nstage canary 100%% {\n%s\n}\n", stable, canary)
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

// echo is a back end that answers with its name, the stage it is told, the method, the path
// and the body.
func echo(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s: %s %s %s %s %v", name, strings.Join(r.Header["X-Release-Stage"], "+"), r.Method, r.URL.Path, body, err)
	}
}

var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       20 * time.Second,
}

// reply is an answer with its body.
type reply struct {
	*http.Response
	text string
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

// do sends a request with a body, if there is one, and headers: names and values in turn.
func do(t *testing.T, method, url, body string, header ...string) reply {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return send(t, req)
}

func get(t *testing.T, url string, header ...string) reply {
	t.Helper()
	return do(t, http.MethodGet, url, "", header...)
}

func wantReply(t *testing.T, got reply, status int, text string) {
	t.Helper()
	if got.StatusCode != status || !strings.Contains(got.text, text) {
		t.Errorf("got %d %q, want %d with %q", got.StatusCode, got.text, status, text)
	}
}

// scripted is a handler of tests, in the Caddyfile: weir_test <name>.
type scripted struct {
	Script string `json:"script"`
}

var (
	scriptsMu sync.Mutex
	scripts   = make(map[string]caddyhttp.HandlerFunc)
)

func init() {
	caddy.RegisterModule(new(scripted))
	httpcaddyfile.RegisterHandlerDirective("weir_test", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		s := new(scripted)
		return s, s.UnmarshalCaddyfile(h.Dispenser)
	})
}

// script registers what weir_test <name> does, and returns a route of it.
func script(name string, does caddyhttp.HandlerFunc) string {
	scriptsMu.Lock()
	defer scriptsMu.Unlock()
	scripts[name] = does
	return fmt.Sprintf("route {\nweir_test %q\n}", name)
}

func (*scripted) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.weir_test", New: func() caddy.Module { return new(scripted) }}
}

func (s *scripted) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	d.Args(&s.Script)
	return nil
}

// ServeHTTP does what the script does; a script that does nothing passes the request on.
func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	scriptsMu.Lock()
	does := scripts[s.Script]
	scriptsMu.Unlock()
	err := does(w, r)
	if err == errPassOn {
		return next.ServeHTTP(w, r)
	}
	return err
}

// errPassOn has a script pass the request on.
var errPassOn = fmt.Errorf("pass on")
