package contract_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/schema"
)

const petstore = `
openapi: 3.1.0
info: {title: Petstore, version: "1"}
paths:
  /pets:
    post:
      operationId: addPet
      parameters:
      - {name: dry_run, in: query, schema: {type: boolean}}
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [name]
              properties: {name: {type: string, minLength: 1}, age: {type: integer}}
      responses: {"201": {description: created}}
`

// checked lets requests through to next that keep the contract.
func checked(c *contract.Contract, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m contract.Match
		var report schema.Report
		c.Match(r.Method, r.URL.EscapedPath(), &m)
		switch {
		case m.Operation == nil && m.PathKnown:
			w.Header().Set("Allow", m.Allow)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		case m.Operation == nil:
			w.WriteHeader(http.StatusNotFound)
			return
		}
		m.Head(r, &report)
		check, verdict := m.Operation.RequestBody(r)
		switch verdict {
		case contract.Check:
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
			if err != nil {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			check.Check(body, r.Header, &report)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
		case contract.Unsupported:
			w.Header().Set("Accept", check.Accepted)
			w.WriteHeader(http.StatusUnsupportedMediaType)
			return
		case contract.Missing:
			report.At("body", "")
			report.Add("", "required", "a body is required")
		}
		if report.Total > 0 {
			w.WriteHeader(http.StatusUnprocessableEntity)
			for _, v := range report.Violations {
				fmt.Fprintln(w, v.In, v.Name+v.Pointer, v.Detail)
			}
			return
		}
		next.ServeHTTP(w, r)
	})
}

// A service of net/http that accepts only what its OpenAPI document allows.
func Example() {
	doc, err := document.Load(context.Background(), document.Source{Location: "file:///petstore.yaml", Data: []byte(petstore)})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := contract.Compile(doc, contract.Settings{})
	if err != nil {
		fmt.Println(err)
		return
	}
	service := checked(c, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }))

	for _, request := range []struct{ target, body string }{
		{"/pets?dry_run=true", `{"name":"Rex","age":3}`},
		{"/pets?dry_run=yes", `{"name":"","age":3.5}`},
	} {
		r := httptest.NewRequest("POST", request.target, strings.NewReader(request.body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		fmt.Println(w.Code)
		fmt.Print(w.Body)
	}
	// Output:
	// 201
	// 422
	// query dry_run must be true or false
	// body /age must be an integer, not number
	// body /name must be at least 1 character long
}
