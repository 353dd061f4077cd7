package openapi

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/exchange"
)

// canned answers as a request's header says: X-Status, and X-Header in lines "Name: value", with X-Body.
func canned(w http.ResponseWriter, r *http.Request) {
	for _, header := range r.Header.Values("X-Header") {
		name, value, _ := strings.Cut(header, ": ")
		w.Header().Add(name, value)
	}
	var status int
	fmt.Sscan(r.Header.Get("X-Status"), &status)
	body := r.Header.Get("X-Body")
	if n, _ := fmt.Sscanf(body, "large %d", new(int)); n == 1 {
		body = `[{"name":"` + strings.Repeat("a", 5000) + `"}]`
	}
	if strings.HasPrefix(body, "gzip ") {
		body = gzipped(body[5:])
	}
	w.WriteHeader(status)
	if r.Header.Get("X-Chunked") != "" {
		http.NewResponseController(w).Flush()
	}
	io.WriteString(w, body)
}

func TestResponses(t *testing.T) {
	const jsonType, total = "Content-Type: application/json", "X-Total: 1"
	tests := []struct {
		name, method, target, body string
		status                     int
		headers                    []string
		result                     string // "invalid" where the contract is enforced is "reported" where it is not
		code                       string
	}{
		{"good", "GET", "/pets", `[{"name":"Rex"}]`, 200, []string{jsonType, total}, "ok", ""},
		{"wrong body", "GET", "/pets", `[{"name":""}]`, 200, []string{jsonType, total}, "invalid", "min_length"},
		{"no JSON", "GET", "/pets", `[`, 200, []string{jsonType, total}, "invalid", "syntax"},
		{"missing header", "GET", "/pets", `[]`, 200, []string{jsonType}, "invalid", "required"},
		{"wrong header", "GET", "/pets", `[]`, 200, []string{jsonType, "X-Total: many"}, "invalid", "type"},
		{"another type", "GET", "/pets", `[]`, 200, []string{"Content-Type: text/html", total}, "invalid", "content_type"},
		{"undeclared status", "GET", "/pets", `{"secret":1}`, 500, []string{jsonType, "Set-Cookie: a=b"}, "invalid", "undeclared"},
		{"declared without a body", "POST", "/pets", ``, 204, nil, "ok", ""},
		{"undeclared without a body", "GET", "/pets/1", ``, 204, nil, "invalid", "undeclared"},
		{"to HEAD", "HEAD", "/pets", ``, 200, []string{jsonType, total}, "ok", ""},
		{"to HEAD, wrong header", "HEAD", "/pets", ``, 200, []string{jsonType}, "invalid", "required"},
		{"not modified", "GET", "/pets", ``, 304, nil, "skipped", ""},
		{"partial", "GET", "/pets", `[{`, 206, []string{jsonType}, "skipped", ""},
		{"event stream", "GET", "/live", "data: x", 200, []string{"Content-Type: text/event-stream"}, "skipped", ""},
		{"gRPC", "GET", "/live", "x", 200, []string{"Content-Type: application/grpc"}, "skipped", ""},
		{"any status", "PUT", "/pets/1", `whatever`, 418, []string{"Content-Type: text/plain"}, "ok", ""},
		{"compressed", "GET", "/pets", `gzip [{"name":"Rex"}]`, 200, []string{jsonType, total, "Content-Encoding: gzip"}, "ok", ""},
		{"compressed and wrong", "GET", "/pets", `gzip [{"name":""}]`, 200, []string{jsonType, total, "Content-Encoding: gzip"}, "invalid", "min_length"},
		{"not compressed as it says", "GET", "/pets", `[{"name":"Rex"}]`, 200, []string{jsonType, total, "Content-Encoding: gzip"}, "invalid", "content_encoding"},
		{"a coding nobody knows", "GET", "/pets", `abc`, 200, []string{jsonType, total, "Content-Encoding: lzw"}, "skipped", ""},
		{"too large", "GET", "/pets", `large 1`, 200, []string{jsonType, total}, "skipped", ""},
		{"too large with a wrong header", "GET", "/pets", `large 1`, 200, []string{jsonType}, "invalid", "required"},
	}
	for _, mode := range []string{modeReport, modeEnforce} {
		t.Run(mode, func(t *testing.T) {
			g := pets(t, "max_body 1KiB\nresponses "+mode, canned)
			counted, before := make(map[string]float64), 0
			for _, tt := range tests {
				for _, chunked := range []string{"", "yes"} {
					t.Run(tt.name+chunked, func(t *testing.T) {
						headers := []string{fmt.Sprintf("X-Status: %d", tt.status), "X-Body: " + tt.body, "X-Chunked: " + chunked,
							"Accept-Encoding: gzip"} // else the proxy's transport would ask for it, and take it off
						for _, header := range tt.headers {
							headers = append(headers, "X-Header: "+header)
						}
						var body io.Reader
						if tt.method == "POST" {
							body = strings.NewReader(`{"name":"Rex"}`)
							headers = append(headers, jsonType)
						}
						a := g.do(tt.method, tt.target, body, headers...)
						result, status := tt.result, tt.status
						switch {
						case result == "invalid" && mode == modeReport:
							result = "reported"
						case result == "invalid":
							status = http.StatusBadGateway
						}
						if a.StatusCode != status {
							t.Errorf("status %d, want %d: %.300s", a.StatusCode, status, a.text)
						}
						if refused := status == http.StatusBadGateway; refused {
							if a.Header.Get("Set-Cookie") != "" || strings.Contains(a.text, "secret") || len(a.faults()) > 0 || a.Header.Get("X-Total") != "" ||
								a.Header.Get("Content-Encoding") != "" {
								t.Errorf("it tells what the upstream said: %v %s", a.Header, a.text)
							}
						} else if want := tt.body; !strings.HasPrefix(want, "gzip ") && !strings.HasPrefix(want, "large ") && a.text != want {
							t.Errorf("body %q, want %q", a.text, want)
						}
						counted[result]++
						wantMetric(t, counted[result], "gateway_contract_responses_total", "result", result)
						list := handlerOf(t).live.ring.list()
						if tt.code != "" && (len(list) == before || list[0].Code != tt.code || list[0].Direction != "response") {
							t.Errorf("the ring has %+v, want %s", list, tt.code)
						} else if tt.code == "" && len(list) != before {
							t.Errorf("the ring has %+v", list[0])
						}
						before = len(list)
					})
				}
			}
		})
	}
}

// What is refused of an operation that is only reported is not refused of its answers either.
func TestResponsesOfReportedOperations(t *testing.T) {
	g := pets(t, "responses enforce\nreport_only listPets\nskip getPet", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) })
	for _, target := range []string{"/pets", "/pets/1", "/live"} {
		want := 418
		if target == "/live" {
			want = 502
		}
		if a := g.do("GET", target, nil); a.StatusCode != want {
			t.Errorf("%s: %d, want %d", target, a.StatusCode, want)
		}
	}
	wantMetric(t, 1, "gateway_contract_responses_total", "operation", "listPets", "result", "reported")
	wantMetric(t, 0, "gateway_contract_responses_total", "operation", "getPet")
	if lines := g.log.lines("response does not keep the contract", `"refused":true`); len(lines) != 1 {
		t.Errorf("%v", lines)
	}
}

func TestShareOfResponses(t *testing.T) {
	g := pets(t, "responses report 25%", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) })
	const requests = 400
	h := handlerOf(t)
	n := 0
	for range requests {
		if h.sampled() {
			n++
		}
	}
	if n < requests/8 || n > requests/2 { // 7 standard deviations
		t.Errorf("%d of %d are sampled", n, requests)
	}
	for range 40 {
		g.do("GET", "/pets", nil)
	}
	if n, _ := metric(t, "gateway_contract_responses_total"); n == 0 || n == 40 {
		t.Errorf("%v of 40 answers were judged", n)
	}
}

// Answers made up by weir are no upstream's.
func TestAnswersOfWeirAreNotJudged(t *testing.T) {
	g := serve(t, contractOf(fileWith(t, petsDocument), "responses enforce")+"reverse_proxy 127.0.0.1:1")
	if a := g.do("GET", "/pets", nil); a.StatusCode != 502 || !strings.Contains(a.text, "valid answer") {
		t.Errorf("the proxy's own answer: %d %s", a.StatusCode, a.text)
	}
	h := standalone(t, petsDocument, "responses enforce")
	inside(httptest.NewRequest("GET", "/pets", nil), func(_ http.ResponseWriter, r *http.Request) {
		w := httptest.NewRecorder()
		err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			exchange.From(r).RefusedBy = "breaker pets" // which has a fallback
			w.WriteHeader(418)
			return nil
		}))
		if err != nil || w.Code != 418 {
			t.Errorf("%v, %d", err, w.Code)
		}
	})
	if n, _ := metric(t, "gateway_contract_violations_total"); n != 0 || len(h.live.ring.list()) > 0 {
		t.Errorf("%v violations", n)
	}
}

// An answer that the upstream breaks off is broken off, and not judged.
func TestBrokenAnswers(t *testing.T) {
	for _, mode := range []string{modeReport, modeEnforce} {
		t.Run(mode, func(t *testing.T) {
			document := fileWith(t, petsDocument)
			upstream := backend(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Total", "1")
				w.Header().Set("Content-Length", "100")
				io.WriteString(w, `[{`)
				http.NewResponseController(w).Flush()
				conn, _, _ := http.NewResponseController(w).Hijack()
				conn.Close()
			})
			for _, next := range []string{"reverse_proxy " + upstream, "panicking"} {
				g := serve(t, contractOf(document, "responses "+mode)+next)
				res, err := client.Get("http://" + g.address + "/pets")
				if err == nil {
					_, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				if next != "panicking" && err == nil || next == "panicking" && mode == modeEnforce && res != nil && res.StatusCode != 502 {
					t.Errorf("%s: the client does not see that it broke off: %v", next, res)
				}
				for _, v := range handlerOf(t).live.ring.list() {
					if v.In == "body" {
						t.Errorf("%s: a part was judged: %+v", next, v)
					}
				}
			}
		})
	}
}
