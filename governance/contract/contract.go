// Package contract judges HTTP requests and responses by an OpenAPI 3.0 or 3.1 document.
//
// [Compile] turns a loaded document into a [Contract]: a router over the path templates and, for each operation
// and direction, decoders of parameters and validators of bodies. Nothing is compiled while requests are served;
// a Contract never changes and serves any number of requests at once. A newer document is a new Contract.
//
// A service asks in this order, so that what is cheap comes first:
//
//	var m contract.Match
//	c.Match(r.Method, r.URL.EscapedPath(), &m)   // which operation
//	m.Head(r, &report)                           // parameters
//	check, verdict := m.Operation.RequestBody(r) // content type
//	check.Check(text, r.Header, &report)         // body
//
// What is not judged: security requirements, callbacks and webhooks, and bodies in YAML, XML and other formats, of
// which only the content type is looked at. Values are never changed, and defaults never injected.
//
// The package depends on what its parts name: kin-openapi (contract/document), which checks and resolves documents,
// santhosh-tekuri/jsonschema (contract/schema), which implements JSON Schema 2020-12, and decoders of content codings
// (contract/body).
package contract

import (
	"github.com/weirproxy/weir/governance/contract/route"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// Settings are how a document is read as a contract.
type Settings struct {
	// Schema holds limits and leniency of values and JSON texts.
	Schema schema.Settings
	// StripPrefix is what comes before the paths of the document, and before those of its servers, in requests:
	// "/api" when the gateway serves under /api what the document describes without it. Default: "".
	StripPrefix string
	// IgnoreServers drops the base paths of the document's servers.
	IgnoreServers bool
	// StrictQuery and StrictHeaders refuse parameters that the operation does not declare. Headers that HTTP,
	// browsers, proxies and tracing send by themselves are always allowed, see [StandardHeader].
	StrictQuery, StrictHeaders bool
	// MaxIndex is the greatest array index in a deepObject parameter. Default: 1000.
	MaxIndex int
}

// Contract is a compiled document.
type Contract struct {
	settings   Settings
	routes     route.Tree[*pathItem]
	loose      route.Tree[*pathItem] // see MatchLoosely
	operations []*Operation
	notes      []string
}

// Operations are those that a request can reach, sorted by template and method. The caller must not change the slice.
func (c *Contract) Operations() []*Operation { return c.operations }

// Notes are what an operator should know of the document though it is no error, each with its place: paths that no
// request can reach, bodies of which only the content type is judged. The caller must not change the slice.
func (c *Contract) Notes() []string { return c.notes }
