package contract

// bodycheck.go judges bodies.

import (
	"net/http"

	"github.com/weirproxy/weir/governance/contract/body"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// BodyCheck judges bodies of one media type. It never changes and may be used concurrently.
type BodyCheck struct {
	// Accepted lists the declared media types, for a person and for the Accept header of a 415 (RFC 9110 section
	// 15.5.16).
	Accepted string

	kind      kind
	required  bool
	trivial   bool   // nothing to check
	why       string // why a schema is not checked
	validator schema.Validator
	text      *body.Text
	form      *body.Form
	multipart *body.Multipart
}

// judge tells what to do with a message that has these headers; empty means that it says it has no body. An empty
// text, form or file may be what the sender means, if it says what it is; no JSON text is empty.
func (c *content) judge(h http.Header, empty bool) (*BodyCheck, Verdict) {
	types := h["Content-Type"]
	if empty && len(types) == 0 {
		return c.accepted, Missing
	}
	if len(types) != 1 { // of two, the one who reads it next may take the other
		return c.accepted, Unsupported
	}
	check, ok := c.find(types[0])
	switch {
	case !ok:
		if empty {
			return c.accepted, Missing
		}
		return check, Unsupported
	case empty && (check.kind == jsonText || check.kind == multipart):
		return check, Missing
	case check.trivial:
		return nil, NoBody
	}
	return check, Check
}

// Check judges a body, which must be decompressed. h are the headers of the message.
func (b *BodyCheck) Check(text []byte, h http.Header, rep *schema.Report) {
	rep.At("body", "")
	if len(text) == 0 && (b.kind == jsonText || b.kind == multipart) {
		if b.required {
			rep.Add("", "required", "a body is required")
		}
		return
	}
	switch b.kind {
	case jsonText:
		b.validator.JSON(text, rep)
	case form:
		b.form.Check(text, rep)
	case multipart:
		b.multipart.Check(text, h.Get("Content-Type"), rep)
	case plainText:
		b.text.Check(text, rep)
	case octets:
		b.validator.Value(body.Octets(text), rep)
	}
}
