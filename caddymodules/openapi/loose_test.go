package openapi

import (
	"slices"
	"strings"
	"testing"
)

// What passes as unknown must not reach an operation of an upstream that reads paths and methods less exactly.
func TestUnknownPathsThatUpstreamsMayKnow(t *testing.T) {
	const wrong = `{"name":""}`
	g := pets(t, "", echo)
	for _, target := range []string{
		"/pets/", "//pets", "/Pets", "/pets;a=b", "/pets.json", "/x/%2e%2e/pets", "/%2Fpets", "/pets%5C",
	} {
		if a := g.json("POST", target, wrong); a.StatusCode != 422 || !slices.Equal(a.faults(), []string{"body /name min_length"}) {
			t.Errorf("POST %s: status %d with %v", target, a.StatusCode, a.faults())
		}
		if a := g.json("POST", target, `{"name":"Rex"}`); a.StatusCode != 201 || !strings.HasPrefix(a.text, "POST {") {
			t.Errorf("POST %s: status %d: %s", target, a.StatusCode, a.text)
		}
	}
	if a := g.json("post", "/pets", wrong); a.StatusCode != 422 {
		t.Errorf("post: status %d", a.StatusCode)
	}
	if a := g.do("GET", "/pets/x/", nil); a.StatusCode != 400 {
		t.Errorf("a wrong path parameter: status %d", a.StatusCode)
	}
	for _, target := range []string{"/cats", "/pets/1/photos", "/assets/site.css"} {
		if a := g.json("POST", target, wrong); a.StatusCode != 201 {
			t.Errorf("POST %s: status %d", target, a.StatusCode)
		}
	}
	wantMetric(t, 3, "gateway_contract_requests_total", "contract", "pets", "result", "unknown_path")
}

func TestUnknownPathsThatAreRefusedStayUnknown(t *testing.T) {
	g := pets(t, "unknown_path 404\nunknown_method 405", echo)
	for target, status := range map[string]int{"/pets": 201, "/pets/": 404, "/Pets": 404, "//pets": 404, "/pets.json": 404} {
		if a := g.do("GET", target, nil); a.StatusCode != status {
			t.Errorf("%s: status %d, want %d", target, a.StatusCode, status)
		}
	}
	if a := g.do("get", "/pets", nil); a.StatusCode != 405 {
		t.Errorf("get: status %d", a.StatusCode)
	}
}

// An upstream may redirect such a path, or not know it, which no document declares.
func TestAnswersToPathsThatUpstreamsMayKnow(t *testing.T) {
	g := pets(t, "responses enforce", canned)
	for _, tt := range []struct {
		target, status, body string
		want                 int
	}{
		{"/pets/", "301", "", 301},
		{"/pets/", "404", "<html>", 404},
		{"/pets/", "200", `[{"name":"Rex"}]`, 200},
		{"/pets/", "200", `[{"name":""}]`, 502},
		{"/pets", "301", "", 502},
	} {
		a := g.do("GET", tt.target, nil, "X-Status: "+tt.status, "X-Body: "+tt.body, "X-Header: X-Total: 1", "X-Header: Content-Type: application/json")
		if a.StatusCode != tt.want {
			t.Errorf("%s with %s %s: status %d, want %d", tt.target, tt.status, tt.body, a.StatusCode, tt.want)
		}
	}
}

// In the mode report unknown paths pass whatever is said about them, and operations may be enforced all the same.
func TestUnknownPathsBesideEnforcedOperations(t *testing.T) {
	g := pets(t, "mode report\nunknown_path 404\nenforce_only addPet", echo)
	for _, target := range []string{"/pets", "/pets/", "//pets"} {
		if a := g.json("POST", target, `{"name":""}`); a.StatusCode != 422 {
			t.Errorf("POST %s: status %d", target, a.StatusCode)
		}
	}
}
