package contract

// response.go is a declared response of an operation, compiled.

import (
	"net/http"
	"strings"

	"github.com/weirproxy/weir/governance/contract/param"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// Response is a declared response of an operation.
type Response struct {
	headers []responseHeader
	content *content // nil: none is declared
}

// responseHeader judges a declared header.
type responseHeader struct {
	name    string // canonical
	decoder *param.Decoder
}

// Head judges the declared headers of a response. Content-Type is judged by Body.
func (resp *Response) Head(h http.Header, rep *schema.Report) {
	for _, header := range resp.headers {
		header.judge(h, rep)
	}
}

// judge takes a header that is sent in several lines as RFC 9110 section 5.3 has it, which for requests would be too
// lenient: as one line with commas. Each line of Set-Cookie stands for itself.
func (header *responseHeader) judge(h http.Header, rep *schema.Report) {
	lines := h[header.name]
	switch {
	case len(lines) < 2:
		header.decoder.Header(h, rep)
	case header.name == "Set-Cookie":
		for i := range lines {
			header.decoder.Header(http.Header{header.name: lines[i : i+1]}, rep)
		}
	default:
		header.decoder.Header(http.Header{header.name: {strings.Join(lines, ", ")}}, rep)
	}
}

// Body tells by the headers of a response whether its body is to be checked. Whether a response to this request and
// with this status has a body at all (HEAD, 204, 304, ...) is for the caller to know. Missing means that content is
// declared and the answer says that it has none. The BodyCheck is nil with NoBody.
func (resp *Response) Body(h http.Header) (*BodyCheck, Verdict) {
	if resp.content == nil {
		return nil, NoBody
	}
	return resp.content.judge(h, h.Get("Content-Length") == "0")
}
