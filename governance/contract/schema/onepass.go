package schema

import (
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weirproxy/weir/governance/contract/onepass"
	"github.com/weirproxy/weir/governance/contract/strictjson"
)

// This file holds the programs that judge before the engine does, and what package onepass is told of compiled schemas.

// Coverage tells what is judged otherwise than in one pass.
type Coverage struct {
	// Whole are the locations of schemas whose values, or many of them, the engine judges in one piece, sorted: "<file
	// URL>#<JSON pointer>", not percent-encoded.
	Whole []string

	// Choices is how many keywords have branches that judge a value in turn, as of oneOf: see onepass.Program.Choices.
	Choices int
}

// Add adds what holds besides.
func (c *Coverage) Add(other Coverage) {
	c.Whole = append(c.Whole, other.Whole...)
	slices.Sort(c.Whole)
	c.Whole = slices.Compact(c.Whole)
	c.Choices += other.Choices
}

// CoverageOf returns the coverage of JSON texts by what Compile has returned.
func CoverageOf(v Validator) Coverage {
	if own, ok := v.(*validator); ok {
		return own.coverage
	}
	return Coverage{}
}

// CoverageOfValues returns that of values which do not come from a JSON text: they may be objects if they have members.
// Programs judge them if there are no choices and no uniqueItems.
func CoverageOfValues(v Validator, members bool) Coverage {
	own, ok := v.(*validator)
	if !ok || own.program != nil && own.program.DecidesValues(members) {
		return Coverage{}
	}
	return Coverage{Whole: []string{own.location}}
}

// ProgramOf returns the program of what Compile has returned, nil with Settings.EngineOnly.
func ProgramOf(v Validator) *onepass.Program { return v.(*validator).program }

// addProgram gives a validator its program.
func (c *Compiler) addProgram(v *validator, e *engine) {
	v.location = c.original(v.schema.Location)
	if c.settings.EngineOnly {
		v.coverage.Whole = []string{v.location}
		return
	}
	if e.programs == nil {
		e.programs = c.newPrograms(e)
	}
	v.program = e.programs.Compile(v.schema)
	v.coverage.Choices = v.program.Choices()
	whole := make(map[string]bool)
	for _, location := range v.program.Whole() {
		whole[c.original(location)] = true
	}
	v.coverage.Whole = slices.Sorted(maps.Keys(whole))
}

// newPrograms returns the compiler of programs for what has been compiled for one direction.
func (c *Compiler) newPrograms(e *engine) *onepass.Compiler {
	return onepass.NewCompiler(onepass.Options{
		Limits: c.settings.JSON.Limits,
		Format: func(name string) onepass.Format {
			f := onepass.Format{Text: textChecks[name], Number: numberChecks[name]}
			if name == regexName {
				f.Weight = regexWeight
			}
			return f
		},
		Weight: patternWeight,
		Heavy:  heavy,
		Whole: func(s *jsonschema.Schema) func([]byte, int) (onepass.Verdict, int) {
			return newValidator(s, e.costs.of(s), c.settings.JSON).part
		},
	})
}

// part judges a part of a text for a program, if that takes at most so many visits. It returns how many it may have
// taken.
func (v *validator) part(text []byte, budget int) (onepass.Verdict, int) {
	value, nodes, err := strictjson.Decode(text, &v.settings)
	if err != nil { // only the program knows how deep the part is
		return onepass.Unknown, nodes
	}
	visits := v.bound.visits(value, nodes, len(text), budget)
	if visits > float64(budget) {
		return onepass.Unknown, budget
	}
	if visits > heavyVisits {
		heavy.Lock()
		defer heavy.Unlock()
	}
	if v.schema.Validate(value) != nil {
		return onepass.Invalid, int(visits)
	}
	return onepass.Valid, int(visits)
}

// Selects implements onepass.Discriminator.
func (d *dispatch) Selects() (string, map[string]*jsonschema.Schema, []*jsonschema.Schema) {
	return d.property, d.branches, d.others
}

// Refuses implements onepass.Refuser.
func (r *refused) Refuses() []string { return r.names }

// NameSchema implements onepass.NameJudge.
func (p *propertyNames) NameSchema() *jsonschema.Schema { return p.schema }
