package onepass_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/contract/onepass"
	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/internal/cputime"
)

// Schemas that overlap in a new way at each level, half a million ways in all, end at a bound, and are judged whole from
// there on.
func TestManyOverlaps(t *testing.T) {
	var parts, schemas []string
	for _, length := range []int{2, 3, 5, 7, 11, 13, 17} {
		for i := range length {
			schemas = append(schemas, fmt.Sprintf(`"c%d_%d": {"type": "object", "properties": {"l": {"$ref": "#/components/schemas/c%d_%d"},
				"m": {"$ref": "#/components/schemas/c%d_%d"}, "n%d": {"type": "integer"}}}`,
				length, i, length, (i+1)%length, length, i*i%length, i))
		}
		parts = append(parts, fmt.Sprintf(`{"$ref": "#/components/schemas/c%d_0"}`, length))
	}
	var p pair
	took := cputime.Within(t, time.Second, func() {
		p = compile(t, schema.OpenAPI31, `{"A": {"allOf": [`+strings.Join(parts, ",")+`]}, `+strings.Join(schemas, ",")+"}",
			schema.Settings{}, schema.Request)
	})
	t.Logf("compiled in %v, %d schemas are judged whole", took, len(p.program.Whole()))
	if len(p.program.Whole()) == 0 {
		t.Error("none is judged whole")
	}
	nested := func(depth int, item string) []byte {
		return []byte(strings.Repeat(`{"l":`, depth) + item + strings.Repeat("}", depth))
	}
	for _, depth := range []int{0, 1, 16, 50} {
		if v := p.agree(t, nested(depth, `{"n99": "x"}`), "overlaps"); v != onepass.Valid {
			t.Errorf("depth %d: %v", depth, v)
		}
		if v := p.agree(t, nested(depth, fmt.Sprintf(`{"n%d": "x"}`, depth%17)), "overlaps"); v != onepass.Invalid {
			t.Errorf("depth %d: %v", depth, v)
		}
	}
}
