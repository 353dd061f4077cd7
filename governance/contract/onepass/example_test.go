package onepass_test

import (
	"testing"

	"github.com/weirproxy/weir/governance/contract/onepass"
)

// The program of the package comment: the type of a value decides its oneOf.
func TestProgramOfThePackageComment(t *testing.T) {
	p := schema31(t, `{"oneOf": [{"type": "string", "maxLength": 5}, {"type": "null"}, {"$ref": "#/components/schemas/A/$defs/Pet"}],
		"$defs": {"Pet": {"allOf": [{"$ref": "#/components/schemas/A/$defs/Named"},
				{"properties": {"name": {"minLength": 1}, "legs": {"minimum": 0}}}]},
			"Named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}}`)
	if len(p.program.Whole()) > 0 || p.program.Choices() > 0 {
		t.Errorf("judged whole: %q, %d choices", p.program.Whole(), p.program.Choices())
	}
	for text, want := range map[string]onepass.Verdict{
		`null`: onepass.Valid, `"abcde"`: onepass.Valid, `{"name": "a", "legs": 4, "x": []}`: onepass.Valid,
		`{"name": "a", "legs": "four"}`: onepass.Valid,
		`1`:                             onepass.Invalid, `[]`: onepass.Invalid, `"abcdef"`: onepass.Invalid, `{}`: onepass.Invalid,
		`{"name": ""}`: onepass.Invalid, `{"name": "a", "legs": -1}`: onepass.Invalid, `{"name": 1}`: onepass.Invalid,
	} {
		if v := p.agree(t, []byte(text), "the package comment"); v != want {
			t.Errorf("%s: %v, want %v", text, v, want)
		}
	}
}
