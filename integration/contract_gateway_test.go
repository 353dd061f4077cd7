package integration

// contract_gateway_test.go runs a gateway with a contract.

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// contractGateway is weir in front of a back end that answers with the body of the request, under a contract.
type contractGateway struct {
	*Gateway
	backend *Backend
	source  string
	url     string
	client  *http.Client
	echoed  atomic.Int64 // requests that came to the back end
	delay   atomic.Int64 // how long answers take at most, in nanoseconds
	site    *site
}

// startContract starts it with a contract of the files, of which the one that comes first by name is the
// document, and with further lines in the block of openapi_contract.
func startContract(t *testing.T, files map[string]string, lines ...string) *contractGateway {
	t.Helper()
	folder := t.TempDir()
	names := make([]string, 0, len(files))
	for name, text := range files {
		names = append(names, name)
		writeFile(t, filepath.Join(folder, name), text)
	}
	slices.Sort(names)
	return startContractOf(t, filepath.Join(folder, names[0]), lines...)
}

// startContractOf starts it with a contract of a file or URL.
func startContractOf(t *testing.T, source string, lines ...string) *contractGateway {
	t.Helper()
	g := &contractGateway{backend: NewBackend(t, "echo"), source: source, client: NewClient(8)}
	g.backend.Handle("POST /", g.echo)
	g.backend.Handle("GET /", g.echo)
	s := newSite(t, g.backend)
	s.Plain = true // no retries and no other directive
	s.NoRetries = true
	s.Lines = append([]string{"trace_context", "request_metrics", "openapi_contract api " + source + " {"}, lines...)
	s.Lines = append(s.Lines, "}")
	s.Transport = []string{"keepalive " + keepalive.String()}
	g.site = s
	g.url = strings.TrimSuffix(s.URL(), "/")
	g.Gateway = startWeir(t, s)
	t.Cleanup(g.client.CloseIdleConnections)
	return g
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// post sends a JSON text.
func (g *contractGateway) post(t *testing.T, path, text string) *Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+path, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	a, err := do(g.client, r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// violations checks that an answer is a problem with this status and returns its errors as "code@pointer".
func (g *contractGateway) violations(t *testing.T, a *Answer, status int) []string {
	t.Helper()
	if a.Status != status || a.MediaType() != "application/problem+json" {
		t.Errorf("got %d %s, want a problem with %d: %s", a.Status, a.MediaType(), status, a.Body)
		return nil
	}
	var problem struct {
		Errors []struct{ In, Name, Pointer, Code, Detail string }
	}
	if err := json.Unmarshal([]byte(a.Body), &problem); err != nil {
		t.Errorf("%v in %s", err, a.Body)
	}
	var violations []string
	for _, e := range problem.Errors {
		if e.Code == "" || e.Detail == "" || e.In == "" {
			t.Errorf("a violation lacks its place, code or detail: %s", a.Body)
		}
		violations = append(violations, e.Code+"@"+e.Pointer)
	}
	return violations
}

// echo answers with the body of the request, as JSON.
func (g *contractGateway) echo(w http.ResponseWriter, r *http.Request) {
	g.echoed.Add(1)
	if most := g.delay.Load(); most > 0 {
		time.Sleep(time.Duration(rand.Int64N(most))) // the work
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the gateway broke off
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}
