package breaker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/internal/freeport"
)

func TestFallbacks(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "page.html"), []byte("a page"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := backend(t, echo)
	for name, c := range map[string]struct {
		fallback string
		status   int
		text     string
	}{
		"respond":       {`respond "{http.breaker.test.state} {http.breaker.test.reason}" 200`, 200, "open open"},
		"reverse_proxy": {"reverse_proxy " + other, 200, "POST /page.html hello <nil>"},
		"file_server":   {"root " + dir + "\nmethod GET\nfile_server", 200, "a page"},
		"rewritten":     {"rewrite /other\nreverse_proxy " + other, 200, "POST /other hello <nil>"},
		"an error":      {"error 418", 418, "I'm a teapot"},
		"unreachable":   {"reverse_proxy " + freeport.Address(t), 502, "did not give a valid answer"},
		"no answer":     {"header X-Fallback yes", 503, "breaker-open"},
	} {
		t.Run(name, func(t *testing.T) {
			listen := freeport.Address(t)
			log := filepath.Join(t.TempDir(), "access.log")
			serve(t, fmt.Sprintf("http://%s {\n log {\n output file %s\n}\n%s", listen, log,
				strings.SplitN(site(listen, quick+"fallback {\n"+c.fallback+"\n}", "reverse_proxy "+backend(t, status(500))), "\n", 2)[1]))
			open(t, "http://"+listen)
			wantReply(t, do(t, http.MethodPost, "http://"+listen+"/page.html", "hello"), c.status, c.text)
			if n := view(t).snapshot().Fallbacks.Refused; n != 1 {
				t.Errorf("%d fallbacks are counted, want 1", n)
			}
			if by := refusedBy(t, log); by != "breaker test" {
				t.Errorf("refused_by is %q", by)
			}
		})
	}
}

// refusedBy is what the last line of an access log says.
func refusedBy(t *testing.T, file string) string {
	t.Helper()
	var entry struct {
		RefusedBy string `json:"refused_by"`
	}
	if !eventually(func() bool {
		content, err := os.ReadFile(file)
		lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
		return err == nil && len(lines) == 3 && json.Unmarshal(lines[2], &entry) == nil
	}) {
		t.Fatal("there are no three lines in the access log")
	}
	return entry.RefusedBy
}

func TestRefusalsWithErrorRoutes(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, quick, "reverse_proxy "+backend(t, status(500))+`
	handle_errors 503 {
		respond "site: {err.status_code}" 503
	}`))
	open(t, "http://"+listen)
	wantReply(t, get(t, "http://"+listen), 503, "site: 503")
}

// Inside another breaker, a refusal is nothing against what the outer one calls.
func TestNestedBreakers(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, fmt.Sprintf("http://%s {\n route {\n breaker outer {\n consecutive 3\n}\n breaker test {\n%s\n}\n reverse_proxy %s\n}\n}",
		listen, quick, backend(t, status(500))))
	open(t, "http://"+listen)
	for range 5 {
		wantReply(t, get(t, "http://"+listen), 503, "breaker-open")
	}
	wantState(t, "open")
	if outer := named(t, "outer").snapshot(); outer.State != "closed" || outer.Calls.Neutral != 5 {
		t.Errorf("the outer breaker is %s after %+v, want closed", outer.State, outer.Calls)
	}
}

// One request takes one place of a breaker, and counts once, however often it is met.
func TestTheSameBreakerTwice(t *testing.T) {
	listen := freeport.Address(t)
	var fails atomic.Bool
	fails.Store(true)
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		if fails.Load() {
			w.WriteHeader(500)
		}
	})
	const breaker = "breaker test {\n consecutive 2\nopen_for 50ms 50ms\nprobes 1\nmax_concurrent 1\nrecover_over off\n}\n"
	serve(t, fmt.Sprintf("http://%s {\n route {\n%s header X-Between yes\n breaker outer\n encode\n%s reverse_proxy %s\n}\n}", listen, breaker, breaker, up))
	open(t, "http://"+listen)
	wantCalls(t, 0, 2, 0)
	fails.Store(false)
	wantState(t, "half_open")
	wantReply(t, get(t, "http://"+listen), 200, "")
	wantState(t, "closed")
	wantReply(t, get(t, "http://"+listen), 200, "")
	wantCalls(t, 2, 2, 0)
}

func TestHEADAndHTTP2(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, quick+"fallback {\n respond fallback\n}\nfallback_on_failure", "reverse_proxy "+backend(t, status(500))))
	h2 := new(http.Protocols)
	h2.SetUnencryptedHTTP2(true)
	h2c := &http.Client{Transport: &http.Transport{Protocols: h2}}
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		req, err := http.NewRequest(method, "http://"+listen, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range []*http.Client{client, h2c, client} { // the third is refused
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(res.Body)
			res.Body.Close()
			want := "fallback"
			if method == http.MethodHead {
				want = ""
			}
			if res.StatusCode != 200 || string(text) != want || err != nil {
				t.Errorf("%s number %d over %s: %d %q %v", method, i, res.Proto, res.StatusCode, text, err)
			}
		}
	}
	wantState(t, "open")
}
