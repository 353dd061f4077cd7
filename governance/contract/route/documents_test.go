package route

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// endpoint is an operation of a document.
type endpoint struct{ method, template string }

// read returns a document that lies beside the checkout.
func read(t testing.TB, name string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above this package")
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "..", "shared", "openapi", name))
	if err != nil {
		t.Fatalf("this test needs the OpenAPI documents in ../shared/openapi beside the checkout: %v", err)
	}
	return text
}

// document reads the operations of a document beside the checkout, those that the tree takes and the paths that no
// request can reach.
func document(t testing.TB, name string) (tree *Tree[map[string]endpoint], reachable []endpoint, unreachable []string) {
	t.Helper()
	text := read(t, name)
	var content struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &content); err != nil {
		t.Fatal(err)
	}
	tree = new(Tree[map[string]endpoint])
	for template, item := range content.Paths {
		byMethod := make(map[string]endpoint)
		for method := range item {
			switch method {
			case "get", "put", "post", "delete", "options", "head", "patch", "trace":
				byMethod[method] = endpoint{method, template}
			}
		}
		switch err := tree.Add(template, byMethod); {
		case errors.Is(err, ErrUnreachable):
			unreachable = append(unreachable, template)
		case err != nil:
			t.Error(err)
		default:
			for _, e := range byMethod {
				reachable = append(reachable, e)
			}
		}
	}
	slices.SortFunc(reachable, func(a, b endpoint) int { return strings.Compare(a.template+a.method, b.template+b.method) })
	return tree, reachable, unreachable
}

// find looks up an operation as a gateway does.
func find(tree *Tree[map[string]endpoint], method, path string, params []string) (endpoint, []string, bool) {
	item, values, ok := tree.Match(path, params, func(item map[string]endpoint) bool {
		_, ok := item[method]
		return ok
	})
	return item[method], values, ok
}

func TestDocuments(t *testing.T) {
	for _, test := range []struct {
		name                   string
		reachable, unreachable int
	}{
		{"box-3.0.json", 277, 19},
		{"adyen-checkout-3.1.json", 28, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree, reachable, unreachable := document(t, test.name)
			if len(reachable) != test.reachable || len(unreachable) != test.unreachable {
				t.Errorf("got %d operations and %d unreachable paths, want %d and %d",
					len(reachable), len(unreachable), test.reachable, test.unreachable)
			}
			for _, template := range unreachable {
				if !strings.Contains(template, "#") {
					t.Errorf("%s was called unreachable", template)
				}
			}
			for _, e := range reachable {
				routesToItself(t, tree, e)
			}
		})
	}
}

// hostile are parameters that must not be mistaken for structure.
var hostile = []string{
	"0", "-1", "a b", "a+b", "content/x", "/", "//", `\`, "a%2Fb", "%", "%00", "%zz", "?x=y", "#f", "{id}", "{", "}",
	"...", ".x", "x.", "a.b", "x.tar.gz", "(7)", ":append", "levels:trim", "é", "日本語", "\u202e", "\x00", "\xff\xfe",
	";a=b", "a,b", "&", "'", `"`, "<script>", "' OR 1=1", "$(id)", strings.Repeat("a", 300), strings.Repeat("%", 100),
}

// routesToItself sends an operation paths with all kinds of parameters, and its text in all kinds of encodings.
func routesToItself(t *testing.T, tree *Tree[map[string]endpoint], e endpoint) {
	t.Helper()
	names := Names(e.template)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range hostile {
		values := make([]string, len(names))
		for i := range values {
			values[i] = hostile[(round+7*i)%len(hostile)]
			if strings.Contains(e.template, ".{") && strings.Contains(values[i], ".") {
				values[i] = fmt.Sprint("v", round) // which dot counts is tested by TestMatch
			}
		}
		some := func(s string) string { return encodeSome(random, s) }
		for _, encode := range []func(string) string{url.PathEscape, encodeAll, some} {
			path := fill(e.template, values, encode)
			got, raw, ok := find(tree, e.method, path, nil)
			if !ok || got != e {
				t.Errorf("%s %s: got %v for %.200q", e.method, e.template, got, path)
				return
			}
			for i := range raw {
				if text, err := url.PathUnescape(raw[i]); err != nil || text != values[i] {
					t.Errorf("%s: got %.200q as %s, want %.200q", e.template, text, names[i], values[i])
				}
			}
			for _, other := range []string{path + "/", "/" + path, path + "%", "/.." + path, path + "/%2e"} {
				if got, _, ok := find(tree, e.method, other, nil); ok {
					t.Errorf("%s: %.200q matches %v", e.template, other, got)
				}
			}
		}
	}
}

// fill builds a path of a template: parameters take values, and everything but slashes is encoded.
func fill(template string, values []string, encode func(string) string) string {
	var path strings.Builder
	next := 0
	for i, segment := range strings.Split(template, "/") {
		if i > 0 {
			path.WriteByte('/')
		}
		for j, piece := range strings.Split(segment, "{") {
			if j > 0 {
				_, piece, _ = strings.Cut(piece, "}")
				path.WriteString(encode(values[next]))
				next++
			}
			path.WriteString(encode(piece))
		}
	}
	return path.String()
}

const hex = "0123456789abCDEF" // of both cases

func encodeAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte('%')
		b.WriteByte(hex[s[i]>>4])
		b.WriteByte(hex[s[i]&15])
	}
	return b.String()
}

// encodeSome encodes what must be and some of the rest.
func encodeSome(random *rand.Rand, s string) string {
	var b strings.Builder
	for i := range len(s) {
		if random.IntN(2) == 0 {
			b.WriteString(encodeAll(s[i : i+1]))
		} else {
			b.WriteString(url.PathEscape(s[i : i+1]))
		}
	}
	return b.String()
}
