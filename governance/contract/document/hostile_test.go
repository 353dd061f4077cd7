package document_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/internal/cputime"
)

// Documents that grow when they are followed, or that are chains without end, take a time in proportion to their
// length, whether they load or not.
func TestHostileDocuments(t *testing.T) {
	const n = 8000
	var chain, ring, all, wide strings.Builder
	for i := range n {
		fmt.Fprintf(&chain, `"S%d": {"$ref": "#/components/schemas/S%d"}, `, i, i+1)
		fmt.Fprintf(&ring, `"S%d": {"properties": {"a": {"$ref": "#/components/schemas/S%d"}}}, `, i, (i+1)%n)
		fmt.Fprintf(&all, `"S%d": {"allOf": [{"$ref": "#/components/schemas/S%d"}, {"$ref": "#/components/schemas/S%[2]d"}]}, `, i, i+1)
		fmt.Fprintf(&wide, `"P%d": {"$ref": "#/components/parameters/Q"}, `, i)
	}
	tree := ""
	for i := range 60 {
		use := fmt.Sprintf(`{"$ref": "#/x-h/H%d"}`, i+1)
		tree += fmt.Sprintf(`"H%d": {"content": {"a/b": {"encoding": {"p": {"headers": {"X": %s, "Y": %[2]s}}}}}}, `, i, use)
	}
	var wrong, long strings.Builder
	for i := range n {
		fmt.Fprintf(&wrong, `"S%d": {"unknown": 1}, "T%[1]d": {"unknown": 1}, `, i)
		fmt.Fprintf(&long, `"p%d": {}, `, i)
	}
	const head = `{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}, `
	for _, row := range []struct{ name, text, says string }{
		{"a chain of schemas", head + `"components": {"schemas": {` + chain.String() + fmt.Sprintf(`"S%d": {}}}}`, n), ""},
		{"a ring of schemas", head + `"components": {"schemas": {` + strings.TrimSuffix(ring.String(), ", ") + `}}}`, ""},
		{"schemas that double", head + `"components": {"schemas": {` + all.String() + fmt.Sprintf(`"S%d": {}}}}`, n), ""},
		{"a reference used often", head + `"components": {"parameters": {` + wide.String() + `"Q": {"name": "q", "in": "query", "schema": {}}}}}`, ""},
		{"headers that double", head + `"components": {"headers": {"H": {"$ref": "#/x-h/H0"}}}, "x-h": {` + tree + `"H60": {"schema": {}}}}`, "times longer"},
		{"brackets", "openapi: " + strings.Repeat("[", 200_000), "not correct YAML"},
		{"braces", "openapi: " + strings.Repeat("{a: ", 200_000), "not correct YAML"},
		{"indents", "a:\n" + strings.Repeat(" - ", 100_000), "not correct YAML"},
		{"question marks", strings.Repeat("? ", 100_000), "not correct YAML"},
		{"anchors", "a: " + strings.Repeat("&a ", 100_000), "not correct YAML"},
		{"nested parameters", head + `"components": {"parameters": {` + nestedParameters(3000) + `}}}`, "more than 1000 objects"},
		{"errors by the thousand", head + `"components": {"schemas": {` + wrong.String() + `"A": {}}}}`, "and 15980 more errors"},
		{"a long name around many", head + `"components": {"schemas": {"A": {"properties": {"` + strings.Repeat("x", 100_000) +
			`": {"properties": {` + long.String() + `"z": {}}}}}}}}`, "shorten the names"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var err error
			took := cputime.Within(t, 2*time.Second, func() {
				_, err = document.Load(t.Context(), document.Source{Location: "file:///a.yaml", Data: []byte(row.text)})
			})
			told := fmt.Sprint(err)
			if row.says == "" && err != nil || row.says != "" && !strings.Contains(told, row.says) {
				t.Errorf("%.300s, want %q", told, row.says)
			}
			t.Logf("%d KB in %v", len(row.text)>>10, took.Round(time.Millisecond))
		})
	}
}

// What is kept of a document that is gone, such as an operation's name, does not keep its text.
func TestANameKeepsNoText(t *testing.T) {
	const n, size = 20, 1 << 20
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var kept []string
	for i := range n {
		text := fmt.Sprintf(`{"openapi": "3.0.3", "info": {"title": "t%d", "version": "1"}, "paths": {}, "x-long": %q}`, i, strings.Repeat("x", size))
		doc, err := document.Load(t.Context(), document.Source{Location: "file:///a.json", Data: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, doc.Version(), doc.Root().Get("info").Get("title").String())
		kept = append(kept, doc.Root().Get("info").Keys()...)
	}
	if after := heap(); after > before+n*size/4 {
		t.Errorf("%d short strings keep %d KB", len(kept), (after-before)>>10)
	}
	runtime.KeepAlive(kept)
}

// nestedParameters are parameters of which each refers to the next.
func nestedParameters(n int) string {
	text := ""
	for i := range n {
		text += fmt.Sprintf(`"P%05d": {"$ref": "#/components/parameters/P%05d"}, `, i, i+1)
	}
	return text + fmt.Sprintf(`"P%05d": {"name": "q", "in": "query", "schema": {}}`, n)
}
