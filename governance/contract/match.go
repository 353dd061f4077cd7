package contract

// match.go finds the operation of a request.

import (
	"net/http"
	"slices"
	"strings"

	"github.com/weirproxy/weir/governance/contract/param"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// Match is the outcome of looking up a request. It may be used again for a next request, which saves allocations.
type Match struct {
	// Operation is nil where the document has none for the request.
	Operation *Operation
	// PathKnown tells that the document has the path, whatever the method.
	PathKnown bool
	// Loose tells that MatchLoosely has found the operation: the service may as well see something else in the request,
	// and answer with a redirect or an error that the operation does not declare.
	Loose bool
	// Allow lists the methods of the path for an Allow header, "GET, HEAD, POST", where the path is known.
	Allow string

	settings *Settings
	values   []string // of the template's parameters, as they were sent
	query    param.Query
	cookies  param.Cookies
}

// pathItem is what stands behind a template in the routing tree.
type pathItem struct {
	operations [len(methods)]*Operation
	allow      string
}

// finish lets HEAD use what GET declares, which RFC 9110 section 9.3.2 makes the same, and names the methods.
func (p *pathItem) finish() {
	get, head := slices.Index(methods[:], "GET"), slices.Index(methods[:], "HEAD")
	if p.operations[head] == nil {
		p.operations[head] = p.operations[get]
	}
	var names []string
	for i, op := range p.operations {
		if op != nil {
			names = append(names, methods[i])
		}
	}
	p.allow = strings.Join(names, ", ")
}

func (p *pathItem) operation(method string) *Operation {
	for i, name := range methods {
		if name == method {
			return p.operations[i]
		}
	}
	return nil
}

// Match looks up the operation for a method and the escaped path of a URL ([net/url.URL.EscapedPath]). Where several
// templates match, the most specific that has the method wins.
func (c *Contract) Match(method, escapedPath string, m *Match) {
	m.Operation, m.PathKnown, m.Loose, m.Allow, m.settings = nil, false, false, "", &c.settings
	item, values, ok := c.routes.Match(escapedPath, m.values, func(p *pathItem) bool {
		m.allow(p)
		return p.operation(method) != nil
	})
	m.values = values
	if ok {
		m.Operation = item.operation(method)
	}
}

// allow notes the methods of a template that matches; of the most specific one, where there are several.
func (m *Match) allow(p *pathItem) {
	if !m.PathKnown {
		m.PathKnown, m.Allow = true, p.allow
	}
}

// Head judges what comes before the body: parameters in path, query, headers and cookies, and with
// Settings.StrictQuery and StrictHeaders also what is not declared. m.Operation must not be nil.
func (m *Match) Head(r *http.Request, rep *schema.Report) {
	op := m.Operation
	for i := range op.path {
		if rep.Full() {
			return
		}
		op.path[i].decoder.Path(m.values[op.path[i].index], rep)
	}
	m.judgeQuery(r, rep)
	for _, decoder := range op.header {
		decoder.Header(r.Header, rep)
	}
	if m.settings.StrictHeaders || len(op.header) > 0 {
		op.judgeHeaderNames(r.Header, m.settings.StrictHeaders, rep)
	}
	if len(op.cookie) > 0 {
		m.cookies.Parse(r.Header, rep)
		for _, decoder := range op.cookie {
			decoder.Cookie(&m.cookies, rep)
		}
	}
}

// judgeQuery parses the query only where something asks for it.
func (m *Match) judgeQuery(r *http.Request, rep *schema.Report) {
	if len(m.Operation.query) == 0 && (!m.settings.StrictQuery || r.URL.RawQuery == "") {
		return
	}
	m.query.Parse(r.URL.RawQuery, rep)
	for _, decoder := range m.Operation.query {
		decoder.Query(&m.query, rep)
	}
	if !m.Operation.reserved {
		m.query.Semicolons(rep)
	}
	m.query.Lookalikes(m.Operation.queryNames, rep)
	if m.settings.StrictQuery {
		m.query.Undeclared(rep)
	}
}

// judgeHeaderNames refuses headers that neither the operation nor a standard declares; if it is not strict, only those
// that CGI and its heirs (RFC 3875, section 4.1.18) take for a declared one: X_Tenant for X-Tenant.
func (op *Operation) judgeHeaderNames(h http.Header, strict bool, rep *schema.Report) {
	var unknown []string
	for name := range h {
		if !strict && strings.IndexByte(name, '_') < 0 {
			continue
		}
		_, declared := op.headerNames[name]
		_, lookalike := op.headerNames[http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))]
		if !declared && (lookalike || strict && !StandardHeader(name)) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		rep.At("header", name[:min(len(name), 100)])
		rep.Add("", "undeclared", "is not a parameter of this operation")
	}
}
