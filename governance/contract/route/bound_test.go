package route

import (
	"fmt"
	"strings"
	"testing"
)

// Templates of all combinations of text, mixed and parameter all match one path: the search comes to each of them
// once, in the order of precedence, and gives up.
func TestSearchVisitsEachTemplateOnce(t *testing.T) {
	const depth = 6
	templates := []string{""}
	for level := range depth {
		var longer []string
		for _, template := range templates {
			longer = append(longer, template+"/aa", template+fmt.Sprintf("/a{x%d}", level), template+fmt.Sprintf("/{x%d}", level))
		}
		templates = longer
	}
	tree := treeOf(t, templates...)
	path := strings.Repeat("/aa", depth)
	var seen []string
	_, _, ok := tree.Match(path, nil, func(template string) bool {
		seen = append(seen, template)
		return false
	})
	if ok || len(seen) != len(templates) {
		t.Fatalf("visited %d of %d templates", len(seen), len(templates))
	}
	for i := range seen {
		if seen[i] != templates[i] {
			t.Fatalf("%d. is %s, want %s", i, seen[i], templates[i])
		}
	}
}

// A matcher that goes back inside a segment would take longer than anyone waits for any of these.
func TestHostilePathsTakeNoTime(t *testing.T) {
	var pumping strings.Builder
	for i := range 40 {
		fmt.Fprintf(&pumping, "{x%d}a", i)
	}
	tree := treeOf(t, "/"+pumping.String()+"!", "/-"+pumping.String(), "/{id}/{b}/{c}/{d}/x", "/{id}/b/c/d/{e}/y")
	for _, path := range []string{
		"/" + strings.Repeat("a", 100_000) + "b",
		"/-" + strings.Repeat("a", 100_000) + "b",
		"/" + strings.Repeat("%61", 100_000) + "%21",
		"/" + strings.Repeat("b/", 100_000),
		strings.Repeat("/", 100_000),
		strings.Repeat("/%2e%2e", 100_000),
		"/" + strings.Repeat("../", 100_000),
		"/" + strings.Repeat("%", 100_000),
		"/" + strings.Repeat(".%2f", 100_000),
	} {
		for range 20 {
			tree.Match(path, nil, func(string) bool { return false })
		}
	}
	got, values, ok := tree.Match("/"+strings.Repeat("a", 100_000)+"!", nil, nil)
	if !ok || len(values) != 40 || len(values[0]) != 100_000-79 {
		t.Errorf("got %.20q with %d values", got, len(values))
	}
	if deep := strings.Repeat("/x", 100_000); testing.AllocsPerRun(10, func() { tree.Match(deep, nil, nil) }) != 0 {
		t.Error("a path that is longer than all templates costs memory")
	}
}
