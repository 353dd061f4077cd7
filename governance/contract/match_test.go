package contract

import (
	"slices"
	"strings"
	"testing"
)

const pets = `
servers: [{url: "https://example.com/v1/"}]
paths:
  /pets:
    get: {operationId: listPets, responses: {"200": {description: ok}}}
    post: {operationId: addPet, responses: {"200": {description: ok}}}
  /pets/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
    get: {responses: {"200": {description: ok}}}
    delete: {operationId: removePet, responses: {"200": {description: ok}}}
  /pets/mine:
    get: {operationId: mine, responses: {"200": {description: ok}}}
  /pets#old:
    get: {operationId: old, responses: {"200": {description: ok}}}
`

func TestMatch(t *testing.T) {
	c := compile(t, head30+pets, Settings{StripPrefix: "/api"})
	var m Match
	for _, row := range []struct{ method, path, name, allow string }{
		{"GET", "/api/v1/pets", "listPets", "GET, HEAD, POST"},
		{"HEAD", "/api/v1/pets", "listPets", "GET, HEAD, POST"},
		{"POST", "/api/v1/%70ets", "addPet", "GET, HEAD, POST"},
		{"PUT", "/api/v1/pets", "", "GET, HEAD, POST"},
		{"get", "/api/v1/pets", "", "GET, HEAD, POST"},
		{"GET", "/api/v1/pets/7", "GET /pets/{id}", "GET, HEAD, DELETE"},
		{"GET", "/api/v1/pets/a%2Fb", "GET /pets/{id}", "GET, HEAD, DELETE"},
		{"GET", "/api/v1/pets/mine", "mine", "GET, HEAD"},
		// The more specific template has no DELETE, so the other one is meant.
		{"DELETE", "/api/v1/pets/mine", "removePet", "GET, HEAD"},
		{"GET", "/api/v1/pets/", "", ""},
		{"GET", "/api/v1/pets/..", "", ""},
		{"GET", "/v1/pets", "", ""},
		{"GET", "/api/pets", "", ""},
		{"GET", "/apiv1/pets", "", ""},
		{"GET", "", "", ""},
		{"GET", "*", "", ""},
	} {
		c.Match(row.method, row.path, &m)
		name := ""
		if m.Operation != nil {
			name = m.Operation.Name()
		}
		if name != row.name || m.Allow != row.allow || m.PathKnown != (row.allow != "") {
			t.Errorf("%s %s: %q, path known %v, allow %q; want %q and %q", row.method, row.path, name, m.PathKnown, m.Allow, row.name, row.allow)
		}
	}
}

func TestOperationsAndNotes(t *testing.T) {
	c := compile(t, head30+pets, Settings{})
	var names []string
	for _, op := range c.Operations() {
		names = append(names, op.Name())
	}
	if want := []string{"listPets", "addPet", "mine", "removePet", "GET /pets/{id}"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if n := c.Notes(); len(n) != 1 || !strings.HasPrefix(n[0], "/test.yaml:15:") {
		t.Errorf("notes: %q", n)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	c := compile(t, head30+pets, Settings{})
	var m Match
	for _, path := range []string{"/v1/pets", "/v1/pets/7", "/v1/unknown"} {
		if n := testing.AllocsPerRun(100, func() { c.Match("GET", path, &m) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}
