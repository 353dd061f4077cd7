package contract

// compile_operation.go compiles operations: parameters, responses and their headers.

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/param"
	"github.com/weirproxy/weir/governance/contract/route"
	"github.com/weirproxy/weir/governance/contract/schema"
)

func (c *compiler) operation(method, template string, item, node document.Node) *Operation {
	op := &Operation{
		ID: node.Get("operationId").String(), Method: method, Template: template,
		queryNames:  make(map[string]struct{}),
		headerNames: make(map[string]struct{}),
		responses:   make(map[int]*Response),
	}
	for _, p := range parameters(item.Get("parameters"), node.Get("parameters")) {
		c.parameter(op, p)
	}
	c.apiKeys(op)
	// What takes the rest of a query must come last.
	slices.SortStableFunc(op.query, func(a, b *param.Decoder) int {
		return order(a.TakesRest()) - order(b.TakesRest())
	})
	if requestBody := node.Get("requestBody"); requestBody.Exists() {
		op.bodyRequired = requestBody.Get("required").Bool()
		op.body = c.content(requestBody.Get("content"), schema.Request, op.bodyRequired)
	}
	for _, status := range node.Get("responses").Keys() {
		c.response(op, status, node.Get("responses").Get(status))
	}
	return op
}

func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

// framing are headers that a server takes from a request before anybody sees it.
var framing = map[string]bool{
	"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Connection": true, "Trailer": true,
}

// apiKeys lets API keys pass StrictQuery and StrictHeaders: security schemes declare them, if not as parameters.
func (c *compiler) apiKeys(op *Operation) {
	schemes := c.doc.Root().Get("components").Get("securitySchemes")
	for _, scheme := range schemes.Keys() {
		in, name := schemes.Get(scheme).Get("in").String(), schemes.Get(scheme).Get("name").String()
		switch {
		case schemes.Get(scheme).Get("type").String() != "apiKey":
		case in == "header":
			op.headerNames[http.CanonicalHeaderKey(name)] = struct{}{}
		case in == "query" && c.settings.StrictQuery:
			if decoder := c.newDecoder(schemes.Get(scheme), ofPresence(in, name, false)); decoder != nil {
				op.query = append(op.query, decoder)
			}
		}
	}
}

// ofPresence makes a parameter of which only the presence is judged.
func ofPresence(in, name string, required bool) param.Spec {
	return param.Spec{In: in, Name: name, Required: required, MediaType: "application/octet-stream"}
}

// parameters merges those of a path item and of its operation, where the latter override by place and name.
func parameters(ofItem, ofOperation document.Node) []document.Node {
	var merged []document.Node
	at := make(map[[2]string]int)
	for _, list := range []document.Node{ofItem, ofOperation} {
		for i := range list.Len() {
			p := list.Item(i).Follow()
			key := [2]string{p.Get("in").String(), p.Get("name").String()}
			if n, ok := at[key]; ok {
				merged[n] = p
				continue
			}
			at[key] = len(merged)
			merged = append(merged, p)
		}
	}
	return merged
}

func (c *compiler) parameter(op *Operation, p document.Node) {
	in, name := p.Get("in").String(), p.Get("name").String()
	if param.Ignored(in, name) {
		return
	}
	if in == "header" && framing[http.CanonicalHeaderKey(name)] {
		c.note(p.Location(), fmt.Sprintf("the header %s is not judged: it belongs to HTTP, and a server takes it off", name))
		return
	}
	decoder := c.decoder(p, in, name, schema.Request)
	if decoder == nil {
		return
	}
	switch in {
	case "path":
		index := slices.Index(route.Names(op.Template), name)
		if index < 0 {
			c.fail(p.Location(), fmt.Sprintf("the path %s has no {%s}; add it there, or remove the parameter", op.Template, name))
			return
		}
		op.path = append(op.path, pathParam{decoder, index})
	case "query":
		op.query = append(op.query, decoder)
		for _, name := range decoder.Names() {
			op.queryNames[name] = struct{}{}
		}
		op.reserved = op.reserved || p.Get("allowReserved").Bool()
	case "header":
		op.header = append(op.header, decoder)
		op.headerNames[http.CanonicalHeaderKey(name)] = struct{}{}
	case "cookie":
		op.cookie = append(op.cookie, decoder)
	default:
		c.fail(p.Location(), fmt.Sprintf("a parameter is in path, query, header or cookie, not in %q", in))
	}
}

// decoder compiles a Parameter Object or a Header Object; nil if that fails.
func (c *compiler) decoder(p document.Node, in, name string, d schema.Direction) *param.Decoder {
	spec := param.Spec{
		In: in, Name: name,
		Style:         p.Get("style").String(),
		Required:      p.Get("required").Bool(),
		AllowEmpty:    p.Get("allowEmptyValue").Bool(),
		MaxIndex:      c.settings.MaxIndex,
		MaxProperties: c.settings.Schema.JSON.Properties,
		MaxDigits:     c.settings.Schema.JSON.Digits,
	}
	if explode := p.Get("explode"); explode.Exists() {
		value := explode.Bool()
		spec.Explode = &value
	}
	node := p.Get("schema")
	if content := p.Get("content"); content.Exists() {
		for _, mediaType := range content.Keys() { // there is exactly one
			spec.MediaType = mediaType
			node = content.Get(mediaType).Get("schema")
		}
	}
	if node.Exists() {
		validator, err := c.schemas.Compile(node.Location(), d)
		if err != nil {
			c.failWith(node.Location(), err)
			return nil
		}
		spec.Shape, spec.Validator = c.schemas.Shape(node.Location()), validator
	}
	return c.newDecoder(p, spec)
}

// newDecoder makes the decoder. Where only the schema is beyond what the style can express, OpenAPI leaves open what is
// sent (3.1.1, section 4.8.12.4), and real documents have it: then only the parameter's presence is judged.
func (c *compiler) newDecoder(p document.Node, spec param.Spec) *param.Decoder {
	decoder, err := param.New(spec)
	if err == nil {
		return decoder
	}
	ofAnything := spec
	ofAnything.Shape = nil
	if _, styleErr := param.New(ofAnything); styleErr != nil {
		c.fail(p.Location(), err.Error())
		return nil
	}
	c.note(p.Location(), "only the presence of this parameter is judged: "+err.Error())
	if decoder, err = param.New(ofPresence(spec.In, spec.Name, spec.Required)); err != nil {
		c.fail(p.Location(), err.Error())
	}
	return decoder
}

// response compiles a response and puts it where its status is looked up.
func (c *compiler) response(op *Operation, status string, node document.Node) {
	code, err := strconv.Atoi(status)
	switch {
	case status == "default":
		op.fallback = c.sharedResponse(node)
	case err == nil && code >= 100 && code <= 599:
		op.responses[code] = c.sharedResponse(node)
	case len(status) == 3 && status[0] >= '1' && status[0] <= '5' && strings.EqualFold(status[1:], "XX"):
		op.classes[status[0]-'0'] = c.sharedResponse(node)
	case strings.HasPrefix(status, "x-"):
	default:
		c.fail(node.Location(), fmt.Sprintf("a response is for a status (404), a class (4XX) or default, not for %q", status))
	}
}

// sharedResponse compiles a response, once for all that refer to it.
func (c *compiler) sharedResponse(node document.Node) *Response {
	node = node.Follow()
	if resp := c.responses[node.Location()]; resp != nil {
		return resp
	}
	resp := new(Response)
	c.responses[node.Location()] = resp
	headers := node.Get("headers")
	for _, name := range headers.Keys() {
		if strings.EqualFold(name, "Content-Type") { // "SHALL be ignored": OpenAPI, Response Object
			continue
		}
		if decoder := c.decoder(headers.Get(name).Follow(), "header", name, schema.Response); decoder != nil {
			resp.headers = append(resp.headers, responseHeader{http.CanonicalHeaderKey(name), decoder})
		}
	}
	if declared := node.Get("content"); len(declared.Keys()) > 0 {
		resp.content = c.content(declared, schema.Response, true)
	}
	return resp
}
