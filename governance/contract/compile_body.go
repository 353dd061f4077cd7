package contract

// compile_body.go compiles the content of request bodies and responses.

import (
	"fmt"
	"strings"

	"github.com/weirproxy/weir/governance/contract/body"
	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// content compiles a map of media types. required tells whether an empty body is a violation.
func (c *compiler) content(declared document.Node, d schema.Direction, required bool) *content {
	var ranges []mediaRange
	for _, name := range declared.Keys() {
		node := declared.Get(name)
		r, ok := parseRange(name)
		if !ok {
			c.fail(node.Location(), fmt.Sprintf("%q is no media type or range such as application/json or image/*", name))
			continue
		}
		for k := opaque; k < kinds; k++ {
			if !r.exact || k == kindOf(r.name) {
				r.checks[k] = c.bodyCheck(node, k, d)
				r.checks[k].required = required
			}
		}
		if why := r.checks[kindOf(r.name)].why; r.exact && why != "" {
			c.note(node.Location(), fmt.Sprintf("%s: %s", name, why))
		}
		ranges = append(ranges, r)
	}
	compiled := newContent(ranges)
	for i := range ranges {
		for _, check := range ranges[i].checks {
			if check != nil {
				check.Accepted = compiled.accepted.Accepted
			}
		}
	}
	return compiled
}

// bodyCheck compiles a Media Type Object for bodies that are read as k.
func (c *compiler) bodyCheck(node document.Node, k kind, d schema.Direction) *BodyCheck {
	check := &BodyCheck{kind: k, trivial: true}
	declared := node.Get("schema")
	if !declared.Exists() || c.schemas.Trivial(declared.Location()) {
		return check
	}
	validator, err := c.schemas.Compile(declared.Location(), d)
	if err != nil {
		c.failWith(declared.Location(), err)
		return check
	}
	check.validator = validator
	if k == jsonText { // needs no shape, and there are many
		check.trivial = false
		return check
	}
	err = c.reader(check, body.Spec{
		Shape: c.schemas.Shape(declared.Location()), Validator: validator,
		Encodings: c.encodings(node.Get("encoding"), k, d),
		Settings:  c.settings.Schema, MaxIndex: c.settings.MaxIndex,
	})
	if err != nil {
		check.why = err.Error()
	}
	check.trivial = err != nil
	return check
}

// reader compiles what reads a body of the check's kind. An error is why that cannot be.
func (c *compiler) reader(check *BodyCheck, spec body.Spec) (err error) {
	switch check.kind {
	case opaque:
		return body.ErrNotJudged
	case form:
		check.form, err = body.NewForm(spec)
	case multipart:
		check.multipart, err = body.NewMultipart(spec)
	case plainText:
		check.text, err = body.NewText(spec)
	case octets:
		if !spec.Shape.May(schema.String) {
			return body.ErrNotJudged
		}
	}
	return err
}

// encodings compiles the Encoding Objects of a form or multipart body.
func (c *compiler) encodings(declared document.Node, k kind, d schema.Direction) map[string]body.Encoding {
	if k != form && k != multipart {
		return nil
	}
	encodings := make(map[string]body.Encoding)
	for _, name := range declared.Keys() {
		node := declared.Get(name)
		e := body.Encoding{ContentType: node.Get("contentType").String(), Style: node.Get("style").String()}
		if explode := node.Get("explode"); explode.Exists() {
			value := explode.Bool()
			e.Explode = &value
		}
		headers := node.Get("headers")
		for _, header := range headers.Keys() {
			if strings.EqualFold(header, "Content-Type") { // contentType says it
				continue
			}
			if decoder := c.decoder(headers.Get(header).Follow(), "header", header, d); decoder != nil {
				e.Headers = append(e.Headers, decoder)
			}
		}
		encodings[name] = e
	}
	return encodings
}
