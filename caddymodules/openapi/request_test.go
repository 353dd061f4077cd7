package openapi

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// echo answers with what came in.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
	w.Header().Set("X-Encoding", strings.Join(r.TransferEncoding, ","))
	w.Header().Set("X-Trailer", r.Trailer.Get("X-Sum"))
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, "%s %s %v", r.Method, body, err)
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

func TestRequests(t *testing.T) {
	const jsonType = "Content-Type: application/json"
	const good, bad = `{"name":"Rex","age":3}`, `{"name":"","age":-1}`
	var reached atomic.Int64
	g := pets(t, "unknown_path 404\nunknown_method 405\nmax_body 1KiB\nmax_body 30 putPet\nstrict_query", func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		echo(w, r)
	})
	tests := []struct {
		name, method, target, body string
		headers                    []string
		status                     int
		result                     string
		faults                     []string
	}{
		{"good", "POST", "/pets", good, []string{jsonType}, 201, "ok", nil},
		{"no parameters needed", "GET", "/pets", "", nil, 201, "ok", nil},
		{"all parameters", "GET", "/pets?limit=7", "", []string{"X-Tenant: ab"}, 201, "ok", nil},
		{"all wrong parameters at once", "GET", "/pets?limit=0x1F&no=1", "", []string{"X-Tenant: a"}, 400, "invalid",
			[]string{"query limit type", "query no undeclared", "header X-Tenant min_length"}},
		{"path parameter", "GET", "/pets/7", "", nil, 201, "ok", nil},
		{"wrong path parameter", "GET", "/pets/x", "", nil, 400, "invalid", []string{"path petId type"}},
		{"encoded path parameter", "GET", "/pets/%37", "", nil, 201, "ok", nil},
		{"wrong body", "POST", "/pets", bad, []string{jsonType}, 422, "invalid", []string{"body /age minimum", "body /name min_length"}},
		{"no JSON", "POST", "/pets", `{`, []string{jsonType}, 422, "invalid", []string{"body syntax"}},
		{"JSON twice", "POST", "/pets", good + good, []string{jsonType}, 422, "invalid", []string{"body trailing_data"}},
		{"wrong parameters hide the body", "PUT", "/pets/x", bad, []string{jsonType}, 400, "invalid", []string{"path petId type"}},
		{"no body where one is required", "POST", "/pets", "", nil, 422, "invalid", []string{"body required"}},
		{"no body where none is required", "PUT", "/pets/1", "", nil, 201, "ok", nil},
		{"another type", "POST", "/pets", "a: b", []string{"Content-Type: text/yaml"}, 415, "unsupported", []string{"body content_type"}},
		{"no type", "POST", "/pets", good, nil, 415, "unsupported", []string{"body content_type"}},
		{"type with parameters", "POST", "/pets", good, []string{jsonType + `; charset=UTF-8`}, 201, "ok", nil},
		{"form", "PUT", "/pets/1", "name=Rex&age=3", []string{"Content-Type: application/x-www-form-urlencoded"}, 201, "ok", nil},
		{"wrong form", "PUT", "/pets/1", "name=Rex&age=x", []string{"Content-Type: application/x-www-form-urlencoded"}, 422, "invalid", []string{"body /age type"}},
		{"compressed", "POST", "/pets", gzipped(good), []string{jsonType, "Content-Encoding: gzip"}, 201, "ok", nil},
		{"compressed and wrong", "POST", "/pets", gzipped(bad), []string{jsonType, "Content-Encoding: gzip"}, 422, "invalid", []string{"body /age minimum", "body /name min_length"}},
		{"not compressed as it says", "POST", "/pets", good, []string{jsonType, "Content-Encoding: gzip"}, 422, "invalid", []string{"body content_encoding"}},
		{"compressed too much", "POST", "/pets", gzipped(`{"name":"` + strings.Repeat("a", 2000) + `"}`), []string{jsonType, "Content-Encoding: gzip"}, 413, "too_large", []string{"body too_large"}},
		{"unknown coding", "POST", "/pets", good, []string{jsonType, "Content-Encoding: compress"}, 415, "unsupported", []string{"body content_encoding"}},
		{"too large", "POST", "/pets", `"` + strings.Repeat("a", 2000) + `"`, []string{jsonType}, 413, "too_large", []string{"body too_large"}},
		{"too large for the operation", "PUT", "/pets/1", `{"name":"a long name for a pet"}`, []string{jsonType}, 413, "too_large", []string{"body too_large"}},
		{"large where nothing is to be judged", "POST", "/files", strings.Repeat("a", 2000), []string{"Content-Type: application/octet-stream"}, 201, "ok", nil},
		{"unknown path", "GET", "/cats", "", nil, 404, "unknown_path", nil},
		{"unknown method", "DELETE", "/pets", "", nil, 405, "unknown_method", nil},
		{"preflight", "OPTIONS", "/pets", "", []string{"Origin: https://a.example", "Access-Control-Request-Method: POST"}, 201, "skipped", nil},
		{"options without being a preflight", "OPTIONS", "/pets", "", nil, 405, "unknown_method", nil},
		{"preflight of an unknown path", "OPTIONS", "/cats", "", []string{"Origin: https://a.example", "Access-Control-Request-Method: POST"}, 404, "unknown_path", nil},
		{"gRPC", "POST", "/live", "\x00\x00\x00\x00\x00", []string{"Content-Type: application/grpc"}, 201, "ok", nil},
		{"JSON that passes itself off as gRPC", "POST", "/pets", bad, []string{"Content-Type: application/grpc"}, 415, "unsupported", []string{"body content_type"}},
		{"an upgrade with a body", "POST", "/pets", good, []string{jsonType, "Connection: Upgrade", "Upgrade: other"}, 201, "ok", nil},
		{"an upgrade with a wrong body", "POST", "/pets", bad, []string{jsonType, "Connection: Upgrade", "Upgrade: other"}, 422, "invalid", []string{"body /age minimum", "body /name min_length"}},
	}
	counted := make(map[string]float64)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := reached.Load()
			var body io.Reader
			if tt.body != "" {
				body = strings.NewReader(tt.body)
			}
			a := g.do(tt.method, tt.target, body, tt.headers...)
			if a.StatusCode != tt.status || !slices.Equal(a.faults(), tt.faults) {
				t.Errorf("status %d with %v, want %d with %v: %s", a.StatusCode, a.faults(), tt.status, tt.faults, a.text)
			}
			passes := tt.status == http.StatusCreated
			if passes != (reached.Load() == before+1) {
				t.Errorf("the upstream was reached %d times", reached.Load()-before)
			}
			if passes && a.text != tt.method+" "+tt.body+" <nil>" {
				t.Errorf("the upstream got %q", a.text)
			}
			if !passes && a.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("refused with %v", a.Header)
			}
			counted[tt.result]++
			wantMetric(t, counted[tt.result], "gateway_contract_requests_total", "contract", "pets", "result", tt.result)
		})
	}
}

func TestHeadersOfRefusals(t *testing.T) {
	g := pets(t, "unknown_method 405", echo)
	if a := g.do("DELETE", "/pets", nil); a.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("405 with Allow %q", a.Header.Get("Allow"))
	}
	if a := g.do("POST", "/pets", strings.NewReader("x"), "Content-Type: text/plain"); a.Header.Get("Accept") != "application/json" {
		t.Errorf("415 with Accept %q", a.Header.Get("Accept"))
	}
	a := g.json("POST", "/pets", "{}", "Content-Encoding: lzw")
	if a.StatusCode != 415 || a.Header.Get("Accept-Encoding") == "" {
		t.Errorf("%d with Accept-Encoding %q", a.StatusCode, a.Header.Get("Accept-Encoding"))
	}
}

// Texts of problems show neither values nor more than they should.
func TestProblems(t *testing.T) {
	const secret = "hunter2-secret"
	body := `{"name":"` + secret + strings.Repeat("x", 20) + `","age":"` + secret + `"}`
	t.Run("default", func(t *testing.T) {
		a := pets(t, "body_status 400\nlimits {\n violations 1\n}", echo).json("POST", "/pets", body)
		if a.StatusCode != 400 || len(a.faults()) != 1 || strings.Contains(a.text, secret) {
			t.Errorf("%d: %s", a.StatusCode, a.text)
		}
		if !strings.Contains(a.text, "The first 1 of at least 2 violations are listed.") {
			t.Errorf("it does not tell that there are more: %s", a.text)
		}
	})
	t.Run("echo_values", func(t *testing.T) {
		g := pets(t, "parameter_status 404\necho_values", echo)
		if a := g.json("POST", "/pets", body); !strings.Contains(a.text, secret) {
			t.Errorf("the values are not shown: %s", a.text)
		}
		if a := g.do("GET", "/pets?limit="+secret, nil); a.StatusCode != 404 {
			t.Errorf("status %d", a.StatusCode)
		}
		for _, v := range handlerOf(t).live.ring.list() {
			if v.Detail != "" {
				t.Errorf("the ring has a value: %+v", v)
			}
		}
	})
}

func TestReportMode(t *testing.T) {
	g := pets(t, "mode report\nenforce_only listPets\nunknown_path 404\nunknown_method 405\nmax_body 1KiB", echo)
	large := `{"name":"` + strings.Repeat("a", 5000) + `"}`
	tests := []struct {
		name, method, target, body, result string
		chunked                            bool
	}{
		{"good", "POST", "/pets", `{"name":"Rex"}`, "ok", false},
		{"wrong body", "POST", "/pets", `{}`, "reported", false},
		{"wrong parameter and body", "PUT", "/pets/x", `{}`, "reported", false},
		{"too large", "POST", "/pets", large, "too_large", false},
		{"too large, and not known before", "POST", "/pets", large, "too_large", true},
		{"another coding", "POST", "/pets", `{}`, "unsupported", false},
		{"unknown path", "POST", "/cats", `{}`, "unknown_path", false},
		{"unknown method", "DELETE", "/pets", `{}`, "unknown_method", false},
	}
	counted := make(map[string]float64)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var body io.Reader = strings.NewReader(tt.body)
			if tt.chunked {
				body = io.MultiReader(body)
			}
			headers := []string{"Content-Type: application/json"}
			if tt.result == "unsupported" {
				headers = append(headers, "Content-Encoding: lzw")
			}
			a := g.do(tt.method, tt.target, body, headers...)
			if a.StatusCode != 201 || a.text != tt.method+" "+tt.body+" <nil>" {
				t.Errorf("%d %.200s", a.StatusCode, a.text)
			}
			counted[tt.result]++
			wantMetric(t, counted[tt.result], "gateway_contract_requests_total", "result", tt.result)
		})
	}
	if a := g.do("GET", "/pets?limit=x", nil); a.StatusCode != 400 {
		t.Errorf("an operation of enforce_only: %d", a.StatusCode)
	}
	if lines := g.log.lines("request does not keep the contract", `"operation":"addPet"`); len(lines) == 0 {
		t.Errorf("nothing is logged: %s", g.log)
	}
	list := handlerOf(t).live.ring.list()
	if len(list) == 0 || list[0].Operation != "listPets" || list[0].Code != "type" || list[0].Direction != "request" || list[0].In != "query" {
		t.Errorf("the ring has %+v", list)
	}
}

func TestOperationsApart(t *testing.T) {
	g := pets(t, `report_only addPet "GET /pets/{petId}"
skip listPets`, echo)
	for target, want := range map[string]int{"/pets?limit=x": 201, "/pets/x": 201} {
		if a := g.do("GET", target, nil); a.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", target, a.StatusCode, want)
		}
	}
	if a := g.json("PUT", "/pets/1", "{}"); a.StatusCode != 422 {
		t.Errorf("another operation: %d", a.StatusCode)
	}
	wantMetric(t, 1, "gateway_contract_requests_total", "operation", "listPets", "result", "skipped")
	wantMetric(t, 1, "gateway_contract_requests_total", "operation", "getPet", "result", "reported")
	wantMetric(t, 1, "gateway_contract_violations_total", "operation", "getPet", "direction", "request", "code", "type")
}

func TestPlaceholdersAndAccessLog(t *testing.T) {
	g := serve(t, contractOf(fileWith(t, petsDocument), "mode report")+`header X-Operation "{http.openapi.operation_id}, {http.openapi.path_template}"
respond ok`)
	for target, want := range map[string]string{"/pets/1": "getPet, /pets/{petId}", "/live": ", /live"} {
		if a := g.do("GET", target, nil); a.Header.Get("X-Operation") != want {
			t.Errorf("%s: %q, want %q", target, a.Header.Get("X-Operation"), want)
		}
	}
	g.do("GET", "/pets/x", nil)
	if !within(func() bool { return len(g.log.lines("handled request")) == 3 }) {
		t.Fatalf("%s", g.log)
	}
	lines := g.log.lines("handled request", "/pets/x")
	if len(lines) != 1 || lines[0]["openapi_operation"] != "getPet" || lines[0]["openapi_violations"] != 1.0 || lines[0]["openapi_generation"] == nil {
		t.Errorf("%v", lines)
	}
}
