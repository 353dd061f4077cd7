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

const onFailure = "consecutive 100\nfallback {\n reverse_proxy %s\n}\nfallback_on_failure {\n max_body 10\n%s}\n"

// What failed is given to the fallback, with the request as it was.
func TestFallbackOnFailure(t *testing.T) {
	refused := freeport.Address(t)
	read := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Failed", "yes")
		http.Error(w, "failed", http.StatusServiceUnavailable)
	})
	reset := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		conn, _, _ := http.NewResponseController(w).Hijack()
		conn.Close()
	})
	const long = "longer than is kept"
	for name, c := range map[string]struct {
		up, method, body string
		options          string
		status           int
		text             string
	}{
		"GET, status":                   {read, "GET", "", "", 200, "GET /path  <nil>"},
		"GET, reset":                    {reset, "GET", "", "", 200, "GET /path  <nil>"},
		"GET, refused":                  {refused, "GET", "", "", 200, "GET /path  <nil>"},
		"PUT, status":                   {read, "PUT", "short", "", 200, "PUT /path short <nil>"},
		"PUT, long":                     {read, "PUT", long, "", 503, "failed"},
		"PUT, long, refused":            {refused, "PUT", long, "", 200, "PUT /path " + long},
		"PUT, reset":                    {reset, "PUT", "short", "", 200, "PUT /path short <nil>"},
		"POST, status":                  {read, "POST", "short", "", 503, "failed"},
		"POST, reset":                   {reset, "POST", "short", "", 502, "valid answer"},
		"POST, refused":                 {refused, "POST", "short", "", 200, "POST /path short <nil>"},
		"POST without body":             {read, "POST", "", "", 503, "failed"},
		"POST, asked for":               {read, "POST", "short", "non_idempotent\n", 200, "POST /path short <nil>"},
		"POST, asked for, reset":        {reset, "POST", "short", "non_idempotent\n", 200, "POST /path short <nil>"},
		"POST, asked for, long":         {read, "POST", long, "non_idempotent\n", 503, "failed"},
		"POST, asked for, nothing sent": {refused, "POST", long, "non_idempotent\n", 200, "POST /path " + long},
	} {
		t.Run(name, func(t *testing.T) {
			listen := freeport.Address(t)
			serve(t, fmt.Sprintf("http://%s {\n route {\n breaker test {\n"+onFailure+"\n}\n rewrite /rewritten\n request_header X-Inner yes\n reverse_proxy %s\n}\n}",
				listen, backend(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Inner", r.Header.Get("X-Inner"))
					echo(w, r)
				}), c.options, c.up))
			got := do(t, c.method, "http://"+listen+"/path", c.body)
			wantReply(t, got, c.status, c.text)
			fallback := uint64(0)
			if c.status == 200 {
				fallback = 1
				if got.Header.Get("X-Failed") != "" || got.Header.Get("X-Inner") != "" {
					t.Errorf("the fallback's answer has headers of what failed: %v", got.Header)
				}
			} else if c.status == 503 && got.Header.Get("X-Failed") != "yes" {
				t.Errorf("the failing answer lacks headers: %v", got.Header)
			}
			wantCalls(t, 0, 1, 0)
			if n := view(t).snapshot().Fallbacks.Failure; n != fallback {
				t.Errorf("%d fallbacks are counted, want %d", n, fallback)
			}
		})
	}
}

// A failing answer that is long is cut off; one that is not is read to its end.
func TestFallbackDoesNotWaitForALongFailure(t *testing.T) {
	listen := freeport.Address(t)
	var wrote atomic.Int64
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		for r.Context().Err() == nil {
			n, err := w.Write(make([]byte, 1<<15))
			if err != nil {
				return
			}
			wrote.Add(int64(n))
		}
	})
	serve(t, site(listen, "consecutive 100\nfallback {\n respond fallback\n}\nfallback_on_failure", "reverse_proxy "+up))
	wantReply(t, get(t, "http://"+listen), 200, "fallback")
	wantCalls(t, 0, 1, 0)
}

// With no upstream to send it to, nothing has been sent.
func TestFallbackWithoutUpstreams(t *testing.T) {
	listen := freeport.Address(t)
	up := freeport.Address(t)
	serve(t, site(listen, "consecutive 100\nfallback {\n respond fallback\n}\nfallback_on_failure",
		"reverse_proxy "+up+" {\n fail_duration 1m\n}"))
	for range 3 { // the first is refused, then the upstream is down
		wantReply(t, do(t, "POST", "http://"+listen, "hello"), 200, "fallback")
	}
}

func TestFailingFallbackOnFailure(t *testing.T) {
	listen := freeport.Address(t)
	for fallback, c := range map[string]struct {
		status int
		text   string
	}{
		"error 418":           {418, "teapot"},
		"header X-Fallback 1": {503, "unavailable"}, // nobody answers: it stays as it was
	} {
		mustLoad(t, t.TempDir(), site(listen, "consecutive 100\nfallback {\n"+fallback+"\n}\nfallback_on_failure", "reverse_proxy "+backend(t, status(503))))
		got := get(t, "http://"+listen)
		wantReply(t, got, c.status, "")
		if !strings.Contains(strings.ToLower(got.text), c.text) {
			t.Errorf("got %q, want %q in it", got.text, c.text)
		}
		stop(t)
	}
}
