// Package onepass judges JSON texts by compiled schemas while it reads them, without building their values.
//
// A schema becomes a program when it is compiled, and a program has one question to answer: is this text valid? Valid is
// final. Whoever gets another answer asks the engine behind (package schema), which reads the text again and says what is
// wrong with it, so that errors are the same whether there is a program or not. Most texts are valid, and cost one pass
// without an allocation; the others cost one pass more.
//
// # What a program is
//
// A program is a graph of nodes. A node is all that one value must fit: the schema that stands there, what it refers to,
// its allOf, and what several schemas say of the same member, united when it is compiled. So the state of a run is one
// node for each level of the text, never a list of schemas. A node has a part for each type of value, and the first byte
// of the value selects it. What the type alone decides is gone by then. Of
//
//	{"oneOf": [{"type": "string", "maxLength": 5}, {"type": "null"}, {"$ref": "#/$defs/Pet"}],
//	 "$defs": {"Pet": {"allOf": [{"$ref": "#/$defs/Named"}, {"properties": {"name": {"minLength": 1}, "legs": {"minimum": 0}}}]},
//	           "Named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}}
//
// the program is
//
//	node 0  null    allowed
//	        string  at most 5 characters
//	        object  "name", required: node 1; "legs": node 2; others: anything
//	node 1  string  at least 1 character
//	node 2  number  at least 0
//	        others  anything
//
// What a type does not decide (anyOf and oneOf of objects, not, if, dependentSchemas, contains) is a choice: each branch
// is a node, which runs over the bytes of the value again, within a budget. A discriminator is looked up ahead, and the
// branch becomes part of the node. What is left needs the whole value (unevaluatedProperties and unevaluatedItems, const
// and enum of arrays and objects, more than a few patternProperties): that part of the text alone is given to the engine.
// A schema that may lead to a $dynamicRef that moves has no program.
//
//   - compile.go, resolve.go, keywords.go, compile_*.go: from compiled schemas to nodes;
//   - node.go: the nodes; coverage.go: what of them is not judged in the one pass;
//   - seam.go: what extensions of compiled schemas must tell;
//   - run.go, object.go, array.go, choice.go, select.go: the run; value.go: values that are no JSON texts;
//   - unique.go: uniqueItems;
//   - budget.go: the bound on what a run may do;
//   - scan.go, text.go, number.go: the tokens, and what is judged of them alone;
//   - table.go, names.go: the members of an object: which they are, and that none is named twice.
//
// # Why it is built so
//
// Times are those of a body of 760 bytes with 20 properties (BenchmarkProduct), the quickest of many short slices in turn.
//
// The tokenizer is part of the run. Its tokens take 553 ns; those of jsontext, which package strictjson reads with,
// 959 ns, and of go-faster/jx 1,029 ns. jx takes 666 ns if it skips the values, but either way it accepts what is no
// UTF-8 and halves of surrogate pairs. None of them tells the characters of a string, the exact digits of a number or
// names that come twice on the way. Only strings with escapes, which are rare, are left to jsontext.
//
// Of the run loop there were three designs: functions that call each other along the nodes, as it is now; one function
// with a flat array of instructions, a switch and a stack of its own; and a closure for each node, made when it is compiled.
// They took 1,350, 1,334 and 1,308 ns (128 KB of the same: 59.1, 57.5 and 56.5 us), the latter two without choices. So
// tokens, formats and regular expressions take the time, not the loop. The functions are the shortest, and a branch of a
// choice is a call of one of them, where the flat loop needs a second loop.
//
// The package depends on santhosh-tekuri/jsonschema for the compiled schemas, on go-json-experiment/json/jsontext for
// escapes in strings, and on governance/contract/strictjson for the limits.
package onepass

import (
	"sync"
	"unsafe"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weirproxy/weir/governance/contract/strictjson"
)

// Verdict is what a program says of a text. Only Valid is meant to be final.
type Verdict uint8

const (
	Unknown Verdict = iota // it cannot tell
	Valid
	Invalid // not strict JSON, beyond a limit, or not what the schema allows
)

func (v Verdict) String() string { return [...]string{"unknown", "valid", "invalid"}[v] }

// Options are what a Compiler is given.
type Options struct {
	// Limits bound each text. Zero fields take the defaults of package strictjson.
	Limits strictjson.Limits

	// Format returns what judges by a format, by its jsonschema.Format.Name.
	Format func(name string) Format

	// Weight returns how many visits it may take to match a byte with a regular expression.
	Weight func(jsonschema.Regexp) float64

	// Whole returns what judges values by a schema in one piece. It is given the bytes of one value, which is strict
	// JSON within the limits, and how many visits that may take; it returns how many it may have taken. It is called
	// while schemas are compiled, and what it returns by many at a time.
	Whole func(*jsonschema.Schema) func(text []byte, budget int) (Verdict, int)

	// Heavy is held while a text is judged that takes 100,000 visits or more, but not while Whole judges. Default: such
	// texts are judged like others.
	Heavy sync.Locker
}

// Format judges texts and numbers. Where both are nil, what has the format is judged whole.
type Format struct {
	Text, Number func(string) bool
	Weight       float64 // how many visits it may take to judge a byte of a text; 0 for what takes no longer than to read it
}

// Program judges texts by one schema. It never changes and may be used concurrently.
type Program struct {
	root   *node
	limits strictjson.Limits
	heavy  sync.Locker

	whole   []string
	choices int
	decides bool // Value can tell of all values
}

// Whole returns the locations, as package jsonschema has them, of the schemas that are not judged in the pass itself but
// by Options.Whole, sorted. It is empty where all is judged here.
func (p *Program) Whole() []string { return p.whole }

// Choices returns how many keywords there are whose branches run over the bytes of a value again: anyOf and oneOf that
// neither the type of a value nor a discriminator decides, not, if, dependentSchemas and contains.
func (p *Program) Choices() int { return p.choices }

// Judge judges one text, which must not change meanwhile.
func (p *Program) Judge(text []byte) Verdict {
	if p.root == nil || len(text) > maxText || len(text) == 0 {
		return Unknown
	}
	r := runs.Get().(*run)
	v := r.judge(p, text)
	runs.Put(r)
	return v
}

// maxText is where positions end, which are 32-bit.
const maxText = 1<<31 - 1

var runs = sync.Pool{New: func() any { return new(run) }}

// view returns a text as a string without copying it: the run reads strings, and hands parts of the text to formats and
// regular expressions, which take strings.
func view(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }
