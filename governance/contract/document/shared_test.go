package document_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/contract/document"
)

// shared reads one of the documents that lie beside the checkout.
func shared(t testing.TB, name string) document.Source {
	t.Helper()
	file := filepath.Join(checkout(t), "..", "shared", "openapi", name)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("this test needs the folder ../shared/openapi beside the checkout: %v", err)
	}
	return document.Source{Location: "file://" + file, Data: text}
}

var sharedNames = []string{"petstore-expanded-3.0.yaml", "adyen-checkout-3.1.json", "box-3.0.json"}

func TestTheSharedDocumentsLoad(t *testing.T) {
	for _, name := range sharedNames {
		t.Run(name, func(t *testing.T) {
			source := shared(t, name)
			before := heap()
			begin := time.Now()
			doc, err := document.Load(t.Context(), source)
			took := time.Since(begin)
			if err != nil {
				t.Fatal(err)
			}
			kept := heap() - before
			t.Logf("%d KB in %v, keeps %d KB: %s, %d paths", len(source.Data)>>10, took.Round(time.Millisecond), kept>>10,
				doc.Version(), len(doc.Root().Get("paths").Keys()))
			// The raw tree and the text; that of kin-openapi would be as much again.
			if most := int64(5*len(source.Data) + 256<<10); kept > most {
				t.Errorf("%d bytes are kept of a document of %d", kept, len(source.Data))
			}
			runtime.KeepAlive(doc)
		})
	}
}

// What is loaded and dropped must leave nothing behind, in kin-openapi's caches or elsewhere.
func TestLoadsInALoopKeepNothing(t *testing.T) {
	load := func(i int) {
		text := fmt.Sprintf("%spaths: {}\ncomponents: {schemas: {A%d: {type: string, pattern: '^x%d$', description: d%0*d}}}\n",
			head30, i, i, 64<<10, i)
		if _, err := document.Load(t.Context(), document.Source{Location: "file:///a.yaml", Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		load(i)
	}
	before := heap()
	for i := range 50 {
		load(100 + i)
	}
	if grown := heap() - before; grown > 256<<10 {
		t.Errorf("50 loads of 64 KB leave %d KB behind", grown>>10)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkLoad(b *testing.B) {
	for _, name := range sharedNames {
		b.Run(name, func(b *testing.B) {
			source := shared(b, name)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := document.Load(context.Background(), source); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A note of a compiler asks for a place; it must not cost a second each in a large document.
func BenchmarkPlace(b *testing.B) {
	doc, err := document.Load(context.Background(), shared(b, "box-3.0.json"))
	if err != nil {
		b.Fatal(err)
	}
	paths := doc.Root().Get("paths")
	keys := paths.Keys()
	at := paths.Get(keys[len(keys)-1]).Location()
	for b.Loop() {
		if doc.Place(at).Line == 0 {
			b.Fatal("no place")
		}
	}
}
