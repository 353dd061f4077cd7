package contract

import (
	"net/url"
	"slices"
	"testing"
)

const looseDocument = head31 + `
servers: [{url: /v1}]
paths:
  /pets:
    get: {operationId: listPets, responses: {"200": {description: ok}}}
  /pets/:
    get: {operationId: other, responses: {"200": {description: ok}}}
    post: {operationId: addPet, responses: {"200": {description: ok}}}
  /Pets/{id}/Photo:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    put: {operationId: setPhoto, responses: {"200": {description: ok}}}
  /:
    get: {operationId: home, responses: {"200": {description: ok}}}
`

func TestMatchLoosely(t *testing.T) {
	c := compile(t, looseDocument, Settings{StripPrefix: "/api"})
	for _, row := range []struct{ method, path, name, value string }{
		{"GET", "/api/v1/Pets", "listPets", ""},
		{"GET", "/API/v1//pets///", "listPets", ""},
		{"GET", "/api/v1/pets;v=1", "listPets", ""},
		{"GET", "/api/v1/pets.json", "listPets", ""},
		{"GET", "/api/v1/pets/.", "listPets", ""},
		{"GET", "/x/../api/v1/%2e/pets", "listPets", ""},
		{"GET", "/../api/v1/a/%2E%2e/pets", "listPets", ""},
		{"GET", "/api/v1%2Fpets", "listPets", ""},
		{"GET", "/api/v1%5cpets%5C", "listPets", ""},
		{"GET", "/api%2Fv1/x%5C..%5Cpets", "listPets", ""},
		{"get", "/api/v1/pets", "listPets", ""},
		{"POST", "/api/v1/pets", "addPet", ""}, // which only the template with a slash has
		{"Head", "/api/v1/pets", "listPets", ""},
		{"PUT", "/api/v1/pets/Tom%20Cat/photo", "setPhoto", "Tom Cat"},
		{"PUT", "/api/v1/pets/a%252F%C3%A4;x/photo/", "setPhoto", "a%252Fä"},
		{"GET", "/api/v1", "home", ""},
		{"GET", "/api/v1/pets.html/x", "", ""},
		{"GET", "/api/v1/pets.", "", ""},
		{"GET", "/api/v1/.json", "", ""},
		{"GET", "/api/v1/pets.a-b", "", ""},
		{"GET", "/api/v1/dogs", "", ""},
		{"GET", "/v1/pets", "", ""},
		{"PUT", "/api/v1/pets/x/photo/y", "", ""},
		{"PATCH", "/api/v1/Pets", "", ""},
		{"GET", "", "", ""},
		{"GET", "*", "", ""},
		{"GET", "/%zz", "", ""},
	} {
		var m Match
		c.Match(row.method, row.path, &m)
		if m.Operation != nil {
			t.Errorf("%s %s is exact", row.method, row.path)
		}
		known := m.PathKnown
		c.MatchLoosely(row.method, row.path, &m)
		name, found := "", m.Operation != nil
		if found {
			name = m.Operation.Name()
		}
		if name != row.name || m.Loose != found || m.PathKnown != (known || found) {
			t.Errorf("%s %s: %q, loose %v, path known %v; want %q", row.method, row.path, name, m.Loose, m.PathKnown, row.name)
		}
		if row.value != "" && !slices.Equal(m.values, []string{row.value}) {
			t.Errorf("%s %s: values %q, want %q", row.method, row.path, m.values, row.value)
		}
		if c.Match("GET", "/api/v1/pets", &m); m.Loose || m.Operation == nil {
			t.Errorf("after %s %s: %+v", row.method, row.path, m)
		}
	}
}

// Whatever is found exactly is found loosely too, if it is there by another spelling.
func TestMatchLooselyFindsAllOperations(t *testing.T) {
	c := compile(t, head30+pets, Settings{})
	for _, op := range c.Operations() {
		path := "/v1" + op.Template
		var m Match
		c.Match(op.Method, "/"+path, &m)
		if m.Operation != nil {
			t.Errorf("%s is found exactly", "/"+path)
		}
		c.MatchLoosely(op.Method, (&url.URL{Path: "/" + path}).EscapedPath(), &m)
		if m.Operation != op {
			t.Errorf("%s: %v", op.Name(), m.Operation)
		}
	}
}

// Most requests that are let through are simply for something else.
func TestMatchLooselyAllocatesNothing(t *testing.T) {
	c := compile(t, looseDocument, Settings{})
	var m Match
	for _, path := range []string{"/assets/site.css", "/v1/unknown", "/v1/pets.json"} {
		if n := testing.AllocsPerRun(100, func() {
			c.Match("GET", path, &m)
			c.MatchLoosely("GET", path, &m)
		}); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}
