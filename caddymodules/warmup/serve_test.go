package warmup

// serve_test.go runs configurations in a Caddy inside the test process.

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/exchange"
)

// witness is a handler that notes, in a header that no one has sent yet or in the
// log of the test, who refused the request.
type witness struct{}

// refusedBy is what the witness saw last.
var refusedBy = make(chan string, 1000)

func init() {
	caddy.RegisterModule(new(witness))
	httpcaddyfile.RegisterHandlerDirective("witness", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return new(witness), nil
	})
}

func (*witness) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.witness", New: func() caddy.Module { return new(witness) }}
}

func (*witness) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	x := exchange.From(r)
	defer func() { refusedBy <- x.RefusedBy }()
	return x.Serve(w, r, next)
}

// load makes Caddy run the Caddyfile.
func load(t *testing.T, caddyfile string) error {
	t.Helper()
	return adapttest.LoadCaddyfile(t, "", caddyfile)
}

// serve runs the Caddyfile until the test ends, and checks then that nothing of
// it is left in the registry.
func serve(t *testing.T, caddyfile string) {
	t.Helper()
	if err := load(t, caddyfile); err != nil {
		t.Fatalf("loading: %v", err)
	}
	t.Cleanup(func() {
		adapttest.Stop(t)
	})
}

// site is a Caddyfile for one site behind a warm-up of the name test.
func site(listen, options string) string {
	return fmt.Sprintf("http://%s {\n route {\n witness\n warm_up test {\n%s\n}\n respond ok\n}\n}\n", listen, options)
}

// handlerOf returns the handler that shows the warm-up of the name test.
func handlerOf(t *testing.T) *Handler {
	t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return held.View.(*Handler)
}

var client = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   20 * time.Second,
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
	by     string // who refused it
}

func get(t *testing.T, listen string) answer {
	t.Helper()
	res, err := client.Get("http://" + listen)
	// After a reload, the listener of the old configuration accepts for a moment what
	// it then drops, before anyone has seen a request.
	for deadline := time.Now().Add(30 * time.Second); err != nil && time.Now().Before(deadline); {
		res, err = client.Get("http://" + listen)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body), <-refusedBy}
}

// wantAdmitted sends 20 requests and checks how many are admitted.
func wantAdmitted(t *testing.T, when, listen string, want int) {
	t.Helper()
	got := 0
	for range 20 {
		if get(t, listen).body == "ok" {
			got++
		}
	}
	if got != want {
		t.Errorf("%s: %d of 20 requests admitted, want %d", when, got, want)
	}
}
