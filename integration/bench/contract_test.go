package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// The order is of the size that is told, it is judged, and it is right: a refusal would be faster than a request that
// is passed on.
func TestTheOrderKeepsItsContract(t *testing.T) {
	if n := len(orderBody); n < 1000 || n > 1048 {
		t.Errorf("the body has %d bytes, want about 1 KB", n)
	}
	doc, err := document.Load(t.Context(), document.Source{Location: "file:///orders.yaml", Data: []byte(orderDocument)})
	if err != nil {
		t.Fatal(err)
	}
	orders, err := contract.Compile(doc, contract.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path, body string
		violations int
	}{
		{"/orders/17", orderBody, 0},
		{"/orders/0", orderBody, 1},
		{"/orders/17", strings.Replace(orderBody, "EUR", "XXX", 1), 1},
		{"/orders/17", strings.Replace(orderBody, `"country":"DE"`, `"country":"GER"`, 1), 1},
	} {
		r := httptest.NewRequest("POST", test.path, strings.NewReader(test.body))
		r.Header.Set("Content-Type", "application/json")
		var match contract.Match
		if orders.Match(r.Method, r.URL.EscapedPath(), &match); match.Operation == nil {
			t.Fatalf("%s is no operation", test.path)
		}
		report := schema.Report{Max: 10}
		match.Head(r, &report)
		check, verdict := match.Operation.RequestBody(r)
		if verdict != contract.Check {
			t.Fatalf("verdict %d: the body is not judged", verdict)
		}
		check.Check([]byte(test.body), r.Header, &report)
		if report.Total != test.violations {
			t.Errorf("%s: violations %v, want %d", test.path, report.Violations, test.violations)
		}
	}
}
