package schema

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// schemasIn calls visit for the location of each schema in an OpenAPI document that stands in a parameter, header or
// media type, with its direction.
func schemasIn(value any, location string, d Direction, visit func(string, Direction)) {
	switch value := value.(type) {
	case map[string]any:
		if _, ok := value["schema"].(map[string]any); ok && !strings.HasSuffix(location, "/properties") {
			visit(location+"/schema", d)
		}
		for name, member := range value {
			switch name {
			case "example", "examples", "schema":
			case "responses":
				schemasIn(member, child(location, name), Response, visit)
			default:
				schemasIn(member, child(location, name), d, visit)
			}
		}
	case []any:
		for i, item := range value {
			schemasIn(item, location+"/"+strconv.Itoa(i), d, visit)
		}
	}
}

// All schemas of the large documents compile, in reasonable time and memory, which the log shows.
func TestLargeDocuments(t *testing.T) {
	for name, dialect := range map[string]Dialect{"box-3.0.json": OpenAPI30, "adyen-checkout-3.1.json": OpenAPI31} {
		t.Run(name, func(t *testing.T) {
			document := shared(t, name)
			before := heap()
			start := time.Now()
			c := NewCompiler(Files{"file:///" + name: document}, dialect, Settings{})
			var validators []Validator
			schemasIn(document, "file:///"+name+"#", Request, func(location string, d Direction) {
				v, err := c.Compile(location, d)
				if err != nil {
					t.Error(err)
				}
				validators = append(validators, v)
			})
			took := time.Since(start)
			all := heap() - before
			runtime.KeepAlive(c)
			t.Logf("%d schemas of operations compiled in %v; they keep %d KB, %d KB with the compiler", len(validators), took,
				(heap()-before)>>10, all>>10)
			if len(validators) < 100 {
				t.Errorf("only %d schemas were found", len(validators))
			}
			runtime.KeepAlive(document)
			runtime.KeepAlive(validators)
		})
	}
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
