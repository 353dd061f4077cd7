package contract

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// FuzzBody gives any body of any declared type to every operation of a document.
func FuzzBody(f *testing.F) {
	contracts := []*Contract{compile(f, head30+bodies, Settings{}), compile(f, head31+bodies, Settings{}), compile(f, head31+shop, Settings{})}
	f.Add([]byte(product), "application/json")
	f.Add([]byte(`{"name":"rex","tag":null}`), "application/vnd.pet+json")
	f.Add([]byte("[1,2]"), "application/json; version=2")
	f.Add([]byte("7"), "text/plain; charset=utf-8")
	f.Add([]byte("a=1&b=2"), "application/x-www-form-urlencoded")
	f.Add([]byte("--X\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--X--\r\n"), "multipart/form-data; boundary=X")
	f.Fuzz(func(t *testing.T, text []byte, contentType string) {
		for _, c := range contracts {
			for _, op := range c.Operations() {
				r := httptest.NewRequest(op.Method, "/", bytes.NewReader(text))
				r.Header["Content-Type"] = []string{contentType}
				check, verdict := op.RequestBody(r)
				if verdict != Check {
					continue
				}
				var report schema.Report
				check.Check(text, r.Header, &report)
				wellFormed(t, &report)
			}
		}
	})
}

// FuzzHead gives any path, query and headers to an operation.
func FuzzHead(f *testing.F) {
	c := compile(f, parametersDocument, Settings{StrictQuery: true, StrictHeaders: true})
	f.Add("/a/7", "page=last&filter[n]=1&where={}", "X-Tenant", "acme", "session=1")
	f.Add("/a/%2e", "filter[n][0]=1&page=%zz", "X-Other", "", "a=b; c")
	f.Add("/A;x/..\\a//%41.json/", "page[]=1;2", "X_tenant", "", "session =1")
	f.Fuzz(func(t *testing.T, path, query, name, value, cookie string) {
		u := &url.URL{Path: path, RawQuery: query}
		var m Match
		if c.Match("GET", u.EscapedPath(), &m); m.Operation == nil {
			c.MatchLoosely("GET", u.EscapedPath(), &m)
		}
		if m.Operation == nil {
			return
		}
		r := &http.Request{Method: "GET", URL: u, Header: http.Header{http.CanonicalHeaderKey(name): {value}, "Cookie": {cookie}}}
		var report schema.Report
		m.Head(r, &report)
		wellFormed(t, &report)
	})
}

func wellFormed(t *testing.T, report *schema.Report) {
	if len(report.Violations) > schema.DefaultViolations || report.Total < len(report.Violations) {
		t.Errorf("%d violations of %d", len(report.Violations), report.Total)
	}
	for _, v := range report.Violations {
		if v.In == "" || v.Code == "" || v.Detail == "" || v.Pointer != "" && v.Pointer[0] != '/' {
			t.Errorf("a violation without place, code, detail or pointer: %+v", v)
		}
	}
}
