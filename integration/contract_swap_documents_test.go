package integration

// contract_swap_documents_test.go holds the documents that are swapped, and where they come from.

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// swapDocument is a document with a version of its own. By flavour, "a" or "b", it differs in
//
//   - the values of kind that an operation, postEither, accepts and answers with, and
//   - the violations that it finds in the requests and answers of another, postProbe.
//
// Operations that are not called make it as large as documents are.
func swapDocument(version int, flavour string) string {
	probe := map[string][3]string{
		"a": {`{"enum": ["a"]}`, `{"type": "integer"}`, `{"const": "a"}`},
		"b": {`{"type": "string", "maxLength": 1}`, `{"pattern": "^b$"}`, `{"minLength": 100}`},
	}[flavour]
	either := `{"type": "object", "required": ["kind"],
		"properties": {"kind": {"enum": ["` + flavour + `", "both"]}}}`
	paths := []string{
		swapPath("postOrder", `{"$ref": "#/components/schemas/Order"}`, `{"$ref": "#/components/schemas/Order"}`, ""),
		swapPath("postEither", either, either, ""),
		swapPath("postProbe", `{"properties": {"probe": `+probe[1]+`}}`, `{"properties": {"probe": `+probe[2]+`}}`,
			`{"name": "X-Probe", "in": "header", "schema": `+probe[0]+`}`),
	}
	for i := range 40 {
		paths = append(paths, swapPath(fmt.Sprintf("other%d", i), fmt.Sprintf(`{"type": "object", "properties": {
			"order": {"$ref": "#/components/schemas/Order"},
			"text": {"type": "string", "pattern": "^%s%d[a-z]{3,}$"}}}`, flavour, i), `{}`, ""))
	}
	return fmt.Sprintf(`{"openapi": "3.1.0", "info": {"title": "swap", "version": "%d"}, "paths": {%s},
		"components": {"schemas": {
		"Order": {"type": "object", "required": ["id"], "properties": {
			"id": {"type": "integer", "maximum": %d}, "name": {"type": "string"}}, "additionalProperties": false}}}}`,
		version, strings.Join(paths, ",\n"), 1000+version)
}

func swapPath(operation, request, response, parameter string) string {
	return fmt.Sprintf(`"/%s": {"post": {"operationId": %[1]q, "parameters": [%s],
		"requestBody": {"required": true, "content": {"application/json": {"schema": %s}}},
		"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": %s}}}}}}`,
		operation, parameter, request, response)
}

// breakDocument makes a document one that does not load, in one of some ways.
func breakDocument(text string, way int) string {
	switch way % 5 {
	case 0: // half-written
		return text[:len(text)/2]
	case 1:
		return strings.Replace(text, "#/components/schemas/Order", "#/components/schemas/Odrer", 1)
	case 2:
		return strings.Replace(text, `"pattern": "^`, `"pattern": "(?!x)^`, 1) // RE2 has no lookahead
	case 3:
		return strings.Replace(text, `"openapi": "3.1.0"`, `"swagger": "2.0"`, 1)
	default:
		return ""
	}
}

// swapLines are the settings of the contract.
var swapLines = []string{"report_only postProbe", "responses enforce", "refresh 1h"}

// fromFile is a gateway with a document in a file, which is replaced by renaming another one.
func fromFile(t *testing.T) *swapped {
	folder := t.TempDir()
	file := filepath.Join(folder, "api.json")
	writeFile(t, file, swapDocument(0, "a"))
	s := &swapped{contractGateway: startContractOf(t, file, swapLines...)}
	s.put = func(text string) {
		next := filepath.Join(folder, "next")
		writeFile(t, next, text)
		if err := os.Rename(next, file); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// documentServer serves a document with an ETag.
type documentServer struct {
	*httptest.Server
	text        atomic.Pointer[string]
	notModified atomic.Int64
}

func (d *documentServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text := *d.text.Load()
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(text))))
	if r.Header.Get("If-None-Match") == w.Header().Get("ETag") {
		d.notModified.Add(1)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write([]byte(text))
}

// fromURL is a gateway with a document behind a URL, which is told to look.
func fromURL(t *testing.T) (*swapped, *documentServer) {
	d := new(documentServer)
	text := swapDocument(0, "a")
	d.text.Store(&text)
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	s := &swapped{contractGateway: startContractOf(t, d.URL+"/api.json", swapLines...)}
	s.put = func(text string) {
		d.text.Store(&text)
		s.Post("/governance/contracts/api/reload", "{}")
	}
	return s, d
}
