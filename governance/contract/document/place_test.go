package document_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/governance/contract/document"
)

func TestPlace(t *testing.T) {
	yaml := files{"/api/main.yaml": head30 + `paths:
  /a~b:
    parameters:
      - name: é
        in: query
        schema: &s {type: string, maxLength: 3}
      - {name: é2, in: query, schema: *s}
    get: {parameters: [], responses: {200: {description: ok}}}
x-merged:
  <<: [{one: 1}, &m {two: 2}]
  three: 3
x-alias: {<<: *m}
`}.mustLoad(t)
	json := files{"/api/main.json": strings.Join([]string{
		`{"openapi": "3.0.3", "info": {"title": "t", "version": "1"},`,
		` "paths": {"/a": {"get": {"responses":`,
		`   {"200": {"description": "\"}]{é"}, "default" : {"description": "é", "x-a~b/c": [ 1, [2,  3], {"\u0064": null} ]}}`,
		` }}}, "x-last": {} }`}, "\n")}.mustLoad(t)
	var asking sync.WaitGroup
	for _, row := range []struct {
		doc      *document.Document
		location string
		want     string
	}{
		{yaml, "file:///api/main.yaml#", "/api/main.yaml:1:1"},
		{yaml, "file:///api/main.yaml", "/api/main.yaml:1:1"},
		{yaml, "file:///api/main.yaml#/paths/~1a~0b", "/api/main.yaml:4:3"},
		{yaml, "file:///api/main.yaml#/paths/~1a~0b/parameters/0", "/api/main.yaml:6:9"},
		{yaml, "file:///api/main.yaml#/paths/~1a~0b/parameters/0/schema/maxLength", "/api/main.yaml:8:35"},
		{yaml, "file:///api/main.yaml#/paths/~1a~0b/parameters/1/schema", "/api/main.yaml:9:31"},
		{yaml, "file:///api/main.yaml#/paths/~1a~0b/parameters/1/schema/type", "/api/main.yaml:8:21"},
		{yaml, "file:///api/main.yaml#/paths/~1a~0b/get/responses/200", "/api/main.yaml:10:39"},
		{yaml, "file:///api/main.yaml#/paths/~1a~0b/get/nothing/at/all", "/api/main.yaml:10:5"},
		{yaml, "file:///api/main.yaml#/x-merged/one", "/api/main.yaml:12:9"},
		{yaml, "file:///api/main.yaml#/x-merged/two", "/api/main.yaml:12:22"},
		{yaml, "file:///api/main.yaml#/x-merged/three", "/api/main.yaml:13:3"},
		{yaml, "file:///api/main.yaml#/x-alias/two", "/api/main.yaml:12:22"},
		{yaml, "https://example.com/other#/a", "https://example.com/other"},
		{json, "file:///api/main.json#", "/api/main.json:1:1"},
		{json, "file:///api/main.json#/info/version", "/api/main.json:1:45"},
		{json, "file:///api/main.json#/paths/~1a/get/responses", "/api/main.json:2:27"},
		{json, "file:///api/main.json#/paths/~1a/get/responses/default", "/api/main.json:3:39"},
		{json, "file:///api/main.json#/paths/~1a/get/responses/default/x-a~0b~1c/1/1", "/api/main.json:3:93"},
		{json, "file:///api/main.json#/paths/~1a/get/responses/default/x-a~0b~1c/2/d", "/api/main.json:3:98"},
		{json, "file:///api/main.json#/paths/~1a/get/responses/default/x-a~0b~1c/9", "/api/main.json:3:72"},
		{json, "file:///api/main.json#/x-last", "/api/main.json:4:7"},
		{json, "file:///api/main.json#/x-last/a", "/api/main.json:4:7"},
	} {
		asking.Go(func() { // at once, as a contract is used
			if got := row.doc.Place(row.location).String(); got != row.want {
				t.Errorf("%s is at %s, want %s", row.location, got, row.want)
			}
		})
	}
	asking.Wait()
}

// Each value is found at its place: the text there is the member's name, or the value.
func TestPlaceOfEachMember(t *testing.T) {
	for _, name := range sharedNames {
		source := shared(t, name)
		doc, err := document.Load(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(source.Data), "\n")
		checked := 0
		paths := doc.Root().Get("paths")
		for _, path := range paths.Keys() {
			for _, method := range paths.Get(path).Keys() {
				place := doc.Place(paths.Get(path).Get(method).Location())
				text := []rune(lines[place.Line-1])[place.Column-1:]
				if got := strings.Trim(string(text[:len(method)+1]), `":`); !strings.HasPrefix(method, got) {
					t.Fatalf("%s %s is at %s, where %q stands", method, path, place, string(text[:min(20, len(text))]))
				}
				checked++
			}
		}
		if checked < 4 {
			t.Errorf("only %d operations in %s", checked, name)
		}
	}
}

func ExampleDocument_Place() {
	doc, err := document.Load(context.Background(), document.Source{Location: "file:///etc/weir/pets.yaml", Data: []byte(`openapi: 3.0.3
info: {title: Pets, version: "1"}
paths:
  /pets:
    get:
      responses: {"200": {description: all pets}}
`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	operation := doc.Root().Get("paths").Get("/pets").Get("get")
	fmt.Println(operation.Location(), "at", doc.Place(operation.Location()))
	// Output:
	// file:///etc/weir/pets.yaml#/paths/~1pets/get at /etc/weir/pets.yaml:5:5
}
