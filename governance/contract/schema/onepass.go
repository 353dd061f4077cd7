package schema

import (
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weirproxy/weir/governance/contract/onepass"
)

// This file holds what package onepass is told of the compiled schemas.

// Selects implements onepass.Discriminator.
func (d *dispatch) Selects() (string, map[string]*jsonschema.Schema, []*jsonschema.Schema) {
	return d.property, d.branches, d.others
}

// Refuses implements onepass.Refuser.
func (r *refused) Refuses() []string { return r.names }

// NameSchema implements onepass.NameJudge.
func (p *propertyNames) NameSchema() *jsonschema.Schema { return p.schema }

// Programs returns the compiler of programs for what has been compiled for one direction.
func (c *Compiler) Programs(d Direction) *onepass.Compiler {
	whole := func(s *jsonschema.Schema) func([]byte) onepass.Verdict {
		v := newValidator(s, c.engines[d].costs.of(s), c.settings.JSON)
		return func(text []byte) onepass.Verdict {
			report := Report{Max: 1}
			switch v.JSON(text, &report); {
			case report.Total == 0:
				return onepass.Valid
			case report.Violations[0].Code == "nodes": // it would take too long
				return onepass.Unknown
			}
			return onepass.Invalid
		}
	}
	format := func(name string) (text, number func(string) bool) { return textChecks[name], numberChecks[name] }
	return onepass.NewCompiler(onepass.Options{Limits: c.settings.JSON.Limits, Format: format, Whole: whole})
}

// Program makes the program of what Compile has returned.
func Program(v Validator, programs *onepass.Compiler) *onepass.Program {
	return programs.Compile(v.(*validator).schema)
}
