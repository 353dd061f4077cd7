package metrics

// errors_test.go looks at what errors become: who answers them, with what, and how
// they are counted and logged.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const problemType = "application/problem+json"

func TestErrorsAreRenderedAndCountedOnce(t *testing.T) {
	const plain = "http://site.test:$PORT {\n\trequest_metrics api\n\tfault %s\n}\n"
	const handled = plain + "http://other.test:$PORT {\n\thandle_errors {\n\t\trespond \"the other site's\" 418\n\t}\n}\n"
	withErrors := func(args string) string {
		return "http://site.test:$PORT {\n\trequest_metrics api\n\tfault %s\n\thandle_errors " + args +
			" {\n\t\trespond \"sorry: {err.status_code}\" 502\n\t}\n}\n"
	}
	tests := []struct {
		name, sites, fault string
		status             int
		body               string // a part of it
		problem            bool
	}{
		{"HandlerError without handle_errors", plain, "unavailable", 503, `"status":503`, true},
		{"other error", plain, "error", 500, `"status":500`, true},
		{"refusal", plain, "refuse", 429, `"detail":"slow down"`, true},
		{"status that cannot be sent", plain, `"no status"`, 500, `"status":500`, true},
		{"handle_errors", withErrors(""), "unavailable", 502, "sorry: 503", false},
		{"handle_errors of another site", handled, "unavailable", 503, `"status":503`, true},
		{"handle_errors of another status", withErrors("404"), "unavailable", 503, `"status":503`, true},
		{"handle_errors of this status", withErrors("404"), `"not found"`, 502, "sorry: 404", false},
		{"error after a part of the answer", withErrors(""), "partial", 200, "begun", false},
		{"error after a flush", withErrors(""), "flush", 200, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, fmt.Sprintf(tt.sites, tt.fault))
			response, body := g.do("GET", "/", nil)
			if response.StatusCode != tt.status {
				t.Errorf("status %d, want %d", response.StatusCode, tt.status)
			}
			if !strings.Contains(body, tt.body) || strings.Contains(body, "secret") {
				t.Errorf("body %q, want a part %q and no secrets", body, tt.body)
			}
			if got := response.Header.Get("Content-Type") == problemType; got != tt.problem {
				t.Errorf("content type %q", response.Header.Get("Content-Type"))
			}
			if !tt.problem && tt.status == 200 && body != tt.body {
				t.Errorf("something was appended to the answer: %q", body)
			}
			g.wantCounts(map[string]float64{fmt.Sprintf("api GET %d", tt.status): 1})
		})
	}
}

func TestTwoSitesHaveTheirOwnErrors(t *testing.T) {
	g := start(t, `http://a.test:$PORT {
	request_metrics a
	fault unavailable
	handle_errors {
		respond "from a" 500
	}
}
http://b.test:$PORT {
	request_metrics b
	fault unavailable
	handle_errors 503 {
		respond "from b" 501
	}
}
`)
	for site, want := range map[string]string{"a.test/": "from a", "b.test/": "from b"} {
		if _, body := g.do("GET", site, nil); body != want {
			t.Errorf("%s answers %q, want %q", site, body, want)
		}
	}
	g.wantCounts(map[string]float64{"a GET 500": 1, "b GET 501": 1})
}

// Where a site does not answer an error, its client gets the problem document also if
// another site on the port takes all hosts, and also if its error routes did
// something else before they fell through.
func TestErrorsThatASiteDoesNotAnswer(t *testing.T) {
	const site = "http://a.site.test:$PORT {\n\trequest_metrics site\n\tfault unavailable\n\t%s\n}\n"
	const not404 = "handle_errors 404 {\n\t\trespond \"site\"\n\t}"
	const other = "http://%s:$PORT {\n\trequest_metrics all\n\tfault unavailable\n\thandle_errors {\n\t\trespond \"catch-all\" 418\n\t}\n}\n"
	tests := []struct {
		name, sites string
		header      string
	}{
		{"beside a catch-all", fmt.Sprintf(site, not404) + fmt.Sprintf(other, ""), ""},
		{"beside a wildcard", fmt.Sprintf(site, not404) + fmt.Sprintf(other, "*.site.test"), ""},
		{"after a header", fmt.Sprintf(site, "handle_errors {\n\t\theader X-Seen yes\n\t\t@nf expression {err.status_code} == 404\n\t\thandle @nf {\n\t\t\trespond nf\n\t\t}\n\t}"), "yes"},
		{"inside encode", fmt.Sprintf(site, "handle_errors {\n\t\tencode gzip\n\t\thandle /x {\n\t\t\trespond nf\n\t\t}\n\t}"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, tt.sites)
			response, body := g.do("GET", "a.site.test/", nil)
			if response.StatusCode != 503 || response.Header.Get("Content-Type") != problemType || !strings.Contains(body, `"status":503`) {
				t.Errorf("status %d, %v, body %q", response.StatusCode, response.Header, body)
			}
			if got := response.Header.Get("X-Seen"); got != tt.header {
				t.Errorf("header %q, want %q", got, tt.header)
			}
			want := map[string]float64{"site GET 503": 1}
			if strings.Contains(tt.sites, "catch-all") {
				response, body := g.do("GET", "b.site.test/", nil)
				if response.StatusCode != 418 || body != "catch-all" {
					t.Errorf("the catch-all's own error: status %d, body %q", response.StatusCode, body)
				}
				want["all GET 418"] = 1
			}
			g.wantCounts(want)
		})
	}
}

// As in Caddy, whose error routes have no entry for a site without handle_errors.
func TestASiteWithoutHandleErrorsGetsTheCatchAllsPage(t *testing.T) {
	g := start(t, `http://site.test:$PORT {
	request_metrics site
	fault unavailable
}
http://plain.test:$PORT {
	fault unavailable
}
http://:$PORT {
	handle_errors {
		respond "catch-all" 418
	}
}
`)
	for _, site := range []string{"site.test/", "plain.test/"} { // with weir and without
		if response, body := g.do("GET", site, nil); response.StatusCode != 418 || body != "catch-all" {
			t.Errorf("%s: status %d, body %q", site, response.StatusCode, body)
		}
	}
	g.wantCounts(map[string]float64{"site GET 418": 1})
}

// A handler that is not weir's, between two that are, may answer what the inner one
// only returns.
func TestAFallbackBetweenTwoHandlers(t *testing.T) {
	g := start(t, `http://site.test:$PORT {
	route {
		request_metrics outer
		fault fall back
		request_metrics inner
		fault unavailable
	}
	handle_errors {
		respond "sorry"
	}
}
`)
	if response, body := g.do("GET", "/", nil); response.StatusCode != 200 || body != "from the cache" {
		t.Errorf("status %d, body %q", response.StatusCode, body)
	}
	g.wantCounts(map[string]float64{"inner GET 200": 1})
}

// log is what was logged to a file.
func (g *gateway) log(file string) string {
	g.t.Helper()
	content, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		g.t.Fatal(err)
	}
	return string(content)
}

// errorEntries are what was logged about errors of requests, once there are as many:
// a request is logged after its client has the answer.
func (g *gateway) errorEntries(n int) []map[string]any {
	g.t.Helper()
	var text string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if text = g.log("errors.log"); strings.Count(text, "\n") >= n {
			break
		}
	}
	var entries []map[string]any
	for line := range strings.Lines(text) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			g.t.Fatalf("%v in %s", err, line)
		}
		entries = append(entries, entry)
	}
	return entries
}

// Weir's entries have the logger's name that Caddy's have, and reach the same logs.
func TestErrorsAreLoggedWhereCaddyLogsThem(t *testing.T) {
	const sites = `http://plain.test:$PORT {
	%[1]s
	fault unavailable
}
http://named.test:$PORT, http://*.named.test:$PORT {
	log mine {
		output file $DIR/access.log
	}
	%[1]s
	fault unavailable
}
http://chosen.test:$PORT {
	log_name one two
	%[1]s
	fault unavailable
}
`
	loggers := func(directive string) []string {
		g := start(t, fmt.Sprintf(sites, directive))
		for _, site := range []string{"plain.test/", "named.test/", "A.named.test/", "chosen.test/"} {
			g.do("GET", site, nil)
		}
		var names []string
		for _, entry := range g.errorEntries(5) {
			names = append(names, fmt.Sprint(entry["logger"], " ", entry["level"], " ", entry["msg"]))
		}
		return names
	}
	want := loggers("")
	if len(want) != 5 {
		t.Fatalf("Caddy logs %q", want)
	}
	if got := loggers("request_metrics"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("logged\n%s\nCaddy logs\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The failure of error routes is logged once, with the error that they were to answer.
func TestErrorRoutesThatFailAreLoggedOnce(t *testing.T) {
	g := start(t, `http://site.test:$PORT {
	request_metrics api
	fault not found
	handle_errors {
		@broken expression {http.error.nothing} > 400
		respond @broken "never"
	}
}
`)
	if response, body := g.do("GET", "/", nil); response.StatusCode != 404 || !strings.Contains(body, `"status":404`) {
		t.Errorf("status %d, body %q", response.StatusCode, body)
	}
	g.wantCounts(map[string]float64{"api GET 404": 1})
	entries := g.errorEntries(1)
	if len(entries) != 1 || entries[0]["level"] != "error" || entries[0]["msg"] != "secret" ||
		!strings.Contains(fmt.Sprint(entries[0]["handle_errors"]), "no such overload") {
		t.Errorf("logged %v", entries)
	}
	if n := strings.Count(g.log("default.log"), "evaluating expression"); n != 1 { // the matcher logs by itself
		t.Errorf("the matcher was asked %d times", n)
	}
}
