package contractdiff

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// specimen is a document that all have loaded.
type specimen struct {
	name string
	doc  *openapi3.T // the corpus is made from it
	weir *weirJudge

	engineOnly *weirJudge // the same without the programs that judge first

	kin *kinJudge
	pb  *pbJudge
}

func load(t testing.TB, name string, text []byte) *specimen {
	t.Helper()
	s := &specimen{name: name}
	s.weir = newWeir(t, name, text, contract.Settings{})
	s.engineOnly = newWeir(t, name, text, contract.Settings{Schema: schema.Settings{EngineOnly: true}})
	s.doc, s.kin = newKin(t, text)
	s.pb = newPB(t, text)
	return s
}

// shared loads a document of the folder shared/openapi beside the checkout.
func shared(t testing.TB, name string) *specimen {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "..", "shared", "openapi", name))
		if err == nil {
			return load(t, name, withoutServersOfOperations(t, text))
		}
	}
	t.Fatalf("this test needs the folder shared/openapi beside the checkout, with %s in it", name)
	return nil
}

// withoutServersOfOperations leaves a JSON document with the servers at its top: the others ignore those of operations
// (TestDefects, K6), and would not judge such operations at all.
func withoutServersOfOperations(t testing.TB, text []byte) []byte {
	t.Helper()
	if text[0] != '{' { // the one in YAML has none
		return text
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var whole map[string]any
	if err := decoder.Decode(&whole); err != nil {
		t.Fatal(err)
	}
	paths, _ := whole["paths"].(map[string]any)
	for _, item := range paths {
		fields, _ := item.(map[string]any)
		for _, field := range fields {
			if operation, ok := field.(map[string]any); ok {
				delete(operation, "servers")
			}
		}
	}
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
