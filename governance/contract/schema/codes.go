package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// This file holds how the engine's tree of errors becomes a list of violations.

// finding is a violation before it is reported.
type finding struct {
	at           []string // tokens of the pointer
	code, detail string
	value        bool // whether there is a value at this place that may be shown
}

func (f finding) same(g finding) bool { return f.compare(g) == 0 }

// compare orders findings by their place, and those of one place so that causes follow what they are causes of. The
// engine finds them in the order of Go's maps, which is another one each time.
func (f finding) compare(g finding) int {
	return cmp.Or(slices.CompareFunc(f.at, g.at, compareTokens), cmp.Compare(f.rank(), g.rank()),
		cmp.Compare(f.code, g.code), cmp.Compare(f.detail, g.detail))
}

func (f finding) rank() int {
	if f.code == "any_of" || f.code == "one_of" {
		return 0
	}
	return 1
}

// findings are the first violations of a value in their order, as far as a report may keep them, and how many more
// there are.
type findings struct {
	list        []finding
	limit, more int
	ordered     int // as many of the list are in order, none or limit
}

func (f *findings) add(found finding) {
	if f.ordered > 0 && f.list[f.ordered-1].compare(found) <= 0 {
		f.more++
		return
	}
	if f.list = append(f.list, found); len(f.list) >= 2*f.limit {
		f.order()
		f.ordered = len(f.list)
	}
}

// order puts the list in order and leaves out what is beyond the limit.
func (f *findings) order() {
	slices.SortFunc(f.list, finding.compare)
	if beyond := len(f.list) - f.limit; beyond > 0 {
		f.list, f.more = f.list[:f.limit], f.more+beyond
	}
}

const (
	// maxCauses is how many violations of the branch that fits best are shown for an anyOf or oneOf.
	maxCauses = 3

	// spare times Report.Max is how many violations are looked at, as the same may be found several times. There may
	// be a hundred thousand.
	spare = 10
)

// reportTo adds what the engine found in a value to a report, in the order of the pointers.
func reportTo(report *Report, err *jsonschema.ValidationError, value any) {
	found := findings{limit: spare * report.max()}
	found.collect(err)
	found.order()
	for _, f := range slices.CompactFunc(found.list, finding.same) { // parts of an allOf may demand the same
		detail := f.detail
		if report.Values && f.value && !report.Full() {
			detail += shown(value, f.at)
		}
		report.Add(pointerOf(f.at), f.code, detail)
	}
	report.Total += found.more
}

func pointerOf(tokens []string) string {
	var pointer strings.Builder
	for _, token := range tokens {
		pointer.WriteString("/")
		_, _ = escaper.WriteString(&pointer, token)
	}
	return pointer.String()
}

// compareTokens orders indexes of arrays as numbers, and before names.
func compareTokens(a, b string) int {
	i, okA := integral(a)
	j, okB := integral(b)
	switch {
	case okA && okB:
		return cmp.Or(cmp.Compare(i, j), cmp.Compare(a, b))
	case okA:
		return -1
	case okB:
		return 1
	}
	return cmp.Compare(a, b)
}

// collect adds what an error says.
func (f *findings) collect(err *jsonschema.ValidationError) {
	at := err.InstanceLocation
	switch k := err.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range meaningful(err.Causes) {
			f.collect(cause)
		}
	case *kind.AnyOf:
		f.add(finding{at, "any_of", fmt.Sprintf("fits none of the %d schemas that it may fit", len(err.Causes)), true})
		f.nearest(err)
	case *kind.OneOf:
		if k.Subschemas != nil {
			f.add(finding{at, "one_of", fmt.Sprintf("fits schemas %d and %d, but must fit exactly one",
				k.Subschemas[0]+1, k.Subschemas[1]+1), true})
			return
		}
		f.add(finding{at, "one_of", fmt.Sprintf("fits none of the %d schemas of which it must fit one",
			len(err.Causes)), true})
		f.nearest(err)
	case *badName:
		detail := "has a name that is not allowed"
		causes := findings{limit: 1}
		if causes.collect(err.Causes[0]); len(causes.list) > 0 {
			detail += ": it " + causes.list[0].detail
		}
		f.add(finding{below(at, k.name), "property_names", detail, false})
	default:
		f.leaf(err)
	}
}

func below(at []string, name string) []string { return append(slices.Clone(at), name) }

// meaningful leaves out what is unevaluated where something else is wrong: a part of the schema that fails has
// evaluated nothing, so that all it describes would be reported.
func meaningful(causes []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	if !slices.ContainsFunc(causes, isUnevaluated) {
		return causes
	}
	others := slices.DeleteFunc(slices.Clone(causes), isUnevaluated)
	if len(others) == 0 {
		return causes
	}
	return others
}

func isUnevaluated(err *jsonschema.ValidationError) bool {
	_, ok := err.ErrorKind.(*kind.FalseSchema)
	return ok && falseSchema(nil, err.SchemaURL).code == "unevaluated"
}

// nearest adds what the branch lacks that fits best: the one that is of the right type and has the right constants,
// and of those the one with the fewest violations. It adds nothing if all are of another type.
func (f *findings) nearest(err *jsonschema.ValidationError) {
	const otherType, otherConstant = 2, 1
	var best *findings
	bestMismatch := otherType
	for _, branch := range err.Causes {
		candidate := findings{limit: maxCauses * spare}
		candidate.collect(branch)
		candidate.order()
		mismatch := 0
		for _, found := range candidate.list {
			depth := len(found.at) - len(err.InstanceLocation)
			switch isConstant := found.code == "const" || found.code == "enum"; {
			case depth == 0 && (isConstant || found.code == "type" || found.code == "false_schema"):
				mismatch = otherType
			case depth == 1 && isConstant:
				mismatch = max(mismatch, otherConstant)
			}
		}
		fewer := best != nil && len(candidate.list)+candidate.more < len(best.list)+best.more
		if mismatch < bestMismatch || mismatch == bestMismatch && fewer {
			best, bestMismatch = &candidate, mismatch
		}
	}
	if best != nil {
		for _, found := range best.list[:min(len(best.list), maxCauses)] {
			f.add(found)
		}
	}
}
