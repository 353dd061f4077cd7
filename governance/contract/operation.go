package contract

// operation.go is an operation of the document, compiled.

import (
	"net/http"

	"github.com/weirproxy/weir/governance/contract/param"
)

// Operation is one operation of a document: a method on a path template.
type Operation struct {
	// ID is the operationId; "" where the document gives none.
	ID string
	// Method is in capital letters.
	Method string
	// Template is the path as the document writes it, without the base path of a server: "/pets/{id}".
	Template string

	path        []pathParam
	query       []*param.Decoder
	queryNames  map[string]struct{} // those that query is sent under
	reserved    bool                // semicolons may stand in the query as they are
	header      []*param.Decoder
	headerNames map[string]struct{} // canonical, of header
	cookie      []*param.Decoder

	body         *content // nil: none is declared
	bodyRequired bool

	responses map[int]*Response
	classes   [6]*Response // by the first digit: 2XX, 4XX
	fallback  *Response    // default
}

// pathParam is a path parameter, which is the index-th of the template.
type pathParam struct {
	decoder *param.Decoder
	index   int
}

// Name is the operationId, or "GET /pets/{id}" where there is none.
func (op *Operation) Name() string {
	if op.ID != "" {
		return op.ID
	}
	return op.Method + " " + op.Template
}

// Verdict says what to do with a body.
type Verdict uint8

const (
	// NoBody: nothing is to be checked, because no body is declared, none is there or anything is allowed. A body
	// that is there may stream.
	NoBody Verdict = iota
	// Check: read the body, take off its Content-Encoding and give it to BodyCheck.Check.
	Check
	// Unsupported: the content type is not declared, or it is missing. For a request that is a 415, and
	// BodyCheck.Accepted tells what to send.
	Unsupported
	// Missing: a body is required and there is none.
	Missing
)

// RequestBody tells by the headers of a request whether its body is to be checked. The BodyCheck is nil with NoBody.
//
// Where the document declares a body, it is judged whatever the method, though OpenAPI 3.0 ignores those of GET, HEAD
// and DELETE. Where it declares none, nothing is said about it and it streams; so does one whose schema is absent,
// allows anything or is a string of format binary, even if it should be JSON.
func (op *Operation) RequestBody(r *http.Request) (*BodyCheck, Verdict) {
	if op.body == nil {
		return nil, NoBody
	}
	empty := r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody
	check, verdict := op.body.judge(r.Header, empty)
	if verdict == Missing && !op.bodyRequired {
		return nil, NoBody
	}
	return check, verdict
}

// Response is what the document declares for a status: for exactly this one, for its class (4XX) or by default.
// declared is false where it says nothing of the status; then resp is nil.
func (op *Operation) Response(status int) (resp *Response, declared bool) {
	if resp = op.responses[status]; resp != nil {
		return resp, true
	}
	if class := status / 100; class > 0 && class < len(op.classes) && op.classes[class] != nil {
		return op.classes[class], true
	}
	return op.fallback, op.fallback != nil
}
