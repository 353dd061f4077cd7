package schema

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/contract/onepass"
	"github.com/weirproxy/weir/governance/contract/strictjson"
)

// closed is a schema that is judged whole and doubles its work with each level of a value.
const closed = `{"unevaluatedProperties": false, "anyOf": [
	{"type": "object", "properties": {"a": {"$ref": "#/components/schemas/C"}, "x": true}, "required": ["x"]},
	{"type": "object", "properties": {"a": {"$ref": "#/components/schemas/C"}, "y": true}, "required": ["y"]},
	{"type": "integer"}]}`

// Many parts of a text that are judged whole share one budget: each of them alone would be well within it.
func TestPartsShareABudget(t *testing.T) {
	c := compilerFor(t, OpenAPI31, `{"A": {"items": {"$ref": "#/components/schemas/C"}}, "C": `+closed+`}`, Settings{})
	v := compile(t, c, atA, Request)
	item := strings.Repeat(`{"x":1,"a":`, 8) + "1" + strings.Repeat("}", 8)
	for _, test := range []struct {
		items   int
		verdict onepass.Verdict
		want    string
	}{{1, onepass.Valid, ""}, {10, onepass.Valid, ""}, {5000, onepass.Unknown, " nodes"}} {
		text := costAlike(test.items, item)
		if got := ProgramOf(v).Judge([]byte(text)); got != test.verdict {
			t.Errorf("%d items: the program says %v, want %v", test.items, got, test.verdict)
		}
		if got := strings.Join(judge(v, text), ","); got != test.want {
			t.Errorf("%d items: %q, want %q", test.items, got, test.want)
		}
	}
}

// With and without programs, the reports are the same: also where only leniency makes a text valid.
func TestEngineOnly(t *testing.T) {
	const schemas = `{"A": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer", "maximum": 10},
		"name": {"type": "string", "minLength": 2}, "c": {"$ref": "#/components/schemas/C"}}}, "C": ` + closed + `}`
	texts := []string{`{"id":1}`, `{"id":1.0,"name":"ab"}`, `{"id":11,"name":"a"}`, `{"name":1}`, `[]`, ``, `{"id":1`, `{"id":1}2`,
		`{"id":1,"id":2}`, "{\"id\":1,\"name\":\"a\xff\"}", `{"id":1,"c":{"x":1}}`, `{"id":1,"c":{"x":1,"z":1}}`, `{"\u0069d":1}`, `{"id":1e999}`}
	for _, lenient := range []bool{false, true} {
		settings := Settings{JSON: strictjson.Settings{DuplicateKeys: lenient, TrailingData: lenient, InvalidUTF8: lenient}}
		alone := settings
		alone.EngineOnly = true
		both := compile(t, compilerFor(t, OpenAPI31, schemas, settings), atA, Request)
		engine := compile(t, compilerFor(t, OpenAPI31, schemas, alone), atA, Request)
		if ProgramOf(both) == nil || ProgramOf(engine) != nil {
			t.Fatal("the programs are not where they should be")
		}
		for _, text := range texts {
			got, want := Report{Max: 100, Values: true}, Report{Max: 100, Values: true}
			both.JSON([]byte(text), &got)
			if engine.JSON([]byte(text), &want); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, lenient %v: %+v, the engine alone: %+v", text, lenient, got, want)
			}
		}
	}
}

// What the engine alone would not begin, because it might take too long, may be judged by a program that just does it.
func TestProgramsNeedNoBound(t *testing.T) {
	alternatives := costNumbered(40, `{"properties": {"kind": {"const": "kind%d"}, "v": {"items": {"type": ["integer", "string"]}}}}`)
	schemas := `{"A": {"items": {"anyOf": [` + alternatives + `]}}}`
	both := compile(t, compilerFor(t, OpenAPI31, schemas, Settings{}), atA, Request)
	engine := compile(t, compilerFor(t, OpenAPI31, schemas, Settings{EngineOnly: true}), atA, Request)
	text := costAlike(1500, `{"kind":"kind0","v":[`+strings.Repeat("1,", 50)+`"a"]}`)
	if found := judge(engine, text); len(found) != 1 || found[0] != " nodes" {
		t.Errorf("the engine alone: %q", found)
	}
	if found := judge(both, text); len(found) > 0 {
		t.Errorf("with a program: %q", found)
	}
}

// A text that takes a program long counts as a heavy validation, whatever takes long, once. What the engine judges of it
// counts by itself. Light ones wait for nobody.
func TestHeavyPrograms(t *testing.T) {
	before := heavy
	heavy = make(semaphore) // without room: who wants it waits for this test
	defer func() { heavy = before }()
	const schemas = `{"A": {"properties": {"p": {"items": {"pattern": "(a[ab]{30}){9}|^a"}}, "q": {"$ref": "#/components/schemas/A/properties/p"},
		"n": {"items": {"type": "integer"}}, "c": {"$ref": "#/components/schemas/C"}}}, "C": ` + closed + `}`
	v := compile(t, compilerFor(t, OpenAPI31, schemas, Settings{}), atA, Request)
	many := `"p":[` + strings.Repeat(`"`+strings.Repeat("ab", 500)+`",`, 20) + `"a"]`
	whole := `"c":` + strings.Repeat(`{"x":1,"a":`, 13) + "1" + strings.Repeat("}", 13)
	for name, test := range map[string]struct {
		text string
		held int
	}{
		"light":           {`{"p":["` + strings.Repeat("ab", 100) + `"],"c":{"x":1}}`, 0},
		"by expressions":  {`{` + many + `}`, 1},
		"by numbers":      {`{"n":[` + strings.Repeat("12345678901234567890000000e374,", 10_000) + `1]}`, 1},
		"by the engine":   {`{` + whole + `}`, 1},
		"by both":         {`{` + many + `,` + whole + `}`, 2},
		"by both in turn": {`{` + many + `,` + whole + `,"q"` + many[3:] + `}`, 3},
	} {
		judged := make(chan onepass.Verdict)
		go func() { judged <- ProgramOf(v).Judge([]byte(test.text)) }()
		held, holding := 0, false
		for done := false; !done; {
			give, take := (chan struct{})(heavy), (chan struct{})(nil)
			if holding {
				give, take = nil, heavy
			}
			select {
			case <-give:
				held, holding = held+1, true
			case take <- struct{}{}:
				holding = false
			case verdict := <-judged:
				if done = true; verdict != onepass.Valid || holding {
					t.Errorf("%s: the program says %v, holding is %v at the end", name, verdict, holding)
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("%s: nobody is waited for", name)
			}
		}
		if held != test.held {
			t.Errorf("%s: held %d times, want %d", name, held, test.held)
		}
	}
}
