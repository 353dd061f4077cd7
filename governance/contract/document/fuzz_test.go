package document_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/document"
)

// Whatever the text, Load does not panic, and what it returns is either a document that can be walked over or errors
// with their places.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "{", head30 + everything, head31 + everything,
		head30 + "paths: {/a/{b}: {$ref: 'other.yaml#/item', parameters: [{$ref: '#/components/parameters/P'}]}}\n" +
			"components: {parameters: {P: {name: b, in: path, required: true, schema: {$ref: other.yaml}}}}\n",
		head31 + "components: {schemas: {A: {$ref: '#b', $id: x, discriminator: {propertyName: t, mapping: {a: '#/x'}}}, B: {$anchor: b, $dynamicRef: '#b'}}}\n",
		head30 + "x-a: &a {b: [1, 0x1, .5, ~, 1e9, yes]}\nx-b: {<<: *a, c: *a}\npaths: {}\n",
		`{"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": {"/a": {"get": {"responses": {"200": {"description": "\u00e9"}}}}}}`,
		"swagger: '2.0'\n", "\xff\xfe", "a: *b\n", head30 + "paths:\n  /a:\n    get:\n      parameters: [{name: 3}]\n",
		head30 + "paths: {}\ncomponents: {headers: {H: {content: {a/b: {encoding: {p: {headers: {X: {$ref: '#/components/headers/H'}}}}}}}}}\n",
	} {
		f.Add([]byte(seed))
	}
	other := "item: {get: {responses: {'200': {$ref: 'third.json#/r'}}}}\ntype: object\nproperties: {self: {$ref: ''}}\n"
	read := func(_ context.Context, location *url.URL) ([]byte, error) {
		if strings.HasSuffix(location.Path, ".json") {
			return []byte(`{"r": {"description": "ok", "content": {"a/b": {"schema": {"$ref": "other.yaml"}}}}}`), nil
		}
		return []byte(other), nil
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 {
			return
		}
		doc, err := document.Load(t.Context(), document.Source{Location: "file:///api/main.yaml", Data: text, Read: read})
		if err == nil {
			seen := 0
			walk(t, doc, doc.Root(), &seen)
			return
		}
		for _, err := range unjoin(err) {
			fault, ok := errors.AsType[*document.Error](err)
			if !ok || fault.Reason == "" || fault.File == "" || !strings.HasPrefix(fault.Reason, "and ") && (fault.Line < 1 || fault.Column < 1) {
				t.Errorf("%#v is no error with a place", err)
			}
			if ok && strings.Contains(fault.Reason, "failed: ") {
				t.Errorf("a parser panics: %v", err)
			}
		}
	})
}

func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// walk visits nodes, following references, until it has seen enough.
func walk(t *testing.T, doc *document.Document, n document.Node, seen *int) {
	if *seen++; *seen > 500 {
		return
	}
	if !n.Exists() {
		t.Fatal("a child that does not exist")
	}
	if place := doc.Place(n.Location()); place.Line < 1 || place.Column < 1 {
		t.Fatalf("%s has no place", n.Location())
	}
	for _, name := range n.Keys() {
		walk(t, doc, n.Get(name), seen)
	}
	for i := range n.Len() {
		walk(t, doc, n.Item(i), seen)
	}
}
