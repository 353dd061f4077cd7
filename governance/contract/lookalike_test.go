package contract

import (
	"net/http"
	"testing"
)

// See the test of the same name in package param; CGI has headers with underscores for those with hyphens.
func TestWhatOtherServersReadOtherwise(t *testing.T) {
	const document = head31 + `
paths:
  /a:
    get:
      parameters:
      - {name: id, in: query, schema: {type: integer}}
      - {name: X-Tenant-Id, in: header, schema: {type: integer}}
      - {name: Old_name, in: header, schema: {type: integer}}
      - {name: session, in: cookie, schema: {type: integer}}
      responses: {"200": {description: ok}}
  /b:
    get:
      parameters: [{name: id, in: query, allowReserved: true, schema: {type: string}}]
      responses: {"200": {description: ok}}
`
	for _, row := range []struct {
		target string
		header http.Header
		want   []string
	}{
		{"/a?id=1&other[]=1", http.Header{"X_other": {"a"}, "Old_name": {"1"}, "Cookie": {"session=1; other =x"}}, nil},
		{"/a?id[]=x", nil, []string{"query id[] undeclared"}},
		{"/a?x=1;id=x", nil, []string{"query x syntax"}},
		{"/a", http.Header{"X_tenant-Id": {"x"}, "X_tenant_id": {"y"}}, []string{"header X_tenant-Id undeclared", "header X_tenant_id undeclared"}},
		{"/a", http.Header{"Old_name": {"x"}}, []string{"header Old_name type"}},
		{"/a", http.Header{"Cookie": {"session =x"}}, []string{"cookie session type"}},
		{"/b?id=1;2", nil, nil},
		{"/b?id[]=1;2", nil, []string{"query id[] undeclared"}},
	} {
		got := judge(t, compile(t, document, Settings{}), message{method: "GET", target: row.target, header: row.header})
		want(t, row.target, got, row.want...)
	}
	strict := compile(t, document, Settings{StrictQuery: true, StrictHeaders: true})
	want(t, "strict", judge(t, strict, message{method: "GET", target: "/a?id[]=x&y", header: http.Header{"X_tenant_id": {"x"}}}),
		"query id[] undeclared", "query y undeclared", "header X_tenant_id undeclared")
}
