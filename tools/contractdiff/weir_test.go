package contractdiff

import (
	"net/http"
	"testing"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// weirJudge is governance/contract.
type weirJudge struct{ contract *contract.Contract }

func newWeir(t testing.TB, name string, text []byte, settings contract.Settings) *weirJudge {
	t.Helper()
	doc, err := document.Load(t.Context(), document.Source{Location: "file:///" + name, Data: text})
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Compile(doc, settings)
	if err != nil {
		t.Fatal(err)
	}
	return &weirJudge{c}
}

func (w *weirJudge) judge(x *exchange) []finding {
	r, err := x.request()
	if err != nil {
		return []finding{{in: "request", code: "url", text: err.Error()}}
	}
	var m contract.Match
	w.contract.Match(r.Method, r.URL.EscapedPath(), &m)
	switch {
	case m.Operation == nil && m.PathKnown:
		return []finding{{in: "method", code: "unknown_method"}}
	case m.Operation == nil:
		return []finding{{in: "path", code: "unknown_path"}}
	}
	report := schema.Report{Max: 1000}
	if x.response {
		w.response(m.Operation, x, &report)
	} else {
		m.Head(r, &report)
		check, verdict := m.Operation.RequestBody(r)
		body(check, verdict, x.body, r.Header, &report)
	}
	var found []finding
	for _, v := range report.Violations {
		found = append(found, finding{v.In, v.Name, v.Pointer, v.Code, v.Detail})
	}
	return found
}

func (w *weirJudge) response(op *contract.Operation, x *exchange, report *schema.Report) {
	resp, declared := op.Response(x.status)
	if !declared {
		report.At("status", "")
		report.Add("", "undeclared", "the status is not declared")
		return
	}
	resp.Head(x.responseHeader, report)
	check, verdict := resp.Body(x.responseHeader)
	body(check, verdict, x.responseBody, x.responseHeader, report)
}

func body(check *contract.BodyCheck, verdict contract.Verdict, text []byte, h http.Header, report *schema.Report) {
	switch verdict {
	case contract.Check:
		check.Check(text, h, report)
	case contract.Unsupported:
		report.At("body", "")
		report.Add("", "content_type", "not one of "+check.Accepted)
	case contract.Missing:
		report.At("body", "")
		report.Add("", "required", "a body is required")
	}
}
