package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weirproxy/weir/governance/contract/onepass"
	"github.com/weirproxy/weir/governance/contract/strictjson"
)

// heavyVisits is how many visits make a validation a heavy one, of the engine or of a program. Of these, only as many as
// there are processors run at a time: they would not be faster together, and the library may hold 60 MB of errors for each
// million visits.
const heavyVisits = 100_000

var heavy = make(semaphore, runtime.GOMAXPROCS(0))

// semaphore is a sync.Locker that several may hold.
type semaphore chan struct{}

// Lock implements sync.Locker.
func (s semaphore) Lock() { s <- struct{}{} }

// Unlock implements sync.Locker.
func (s semaphore) Unlock() { <-s }

// validator judges values by a compiled schema.
type validator struct {
	schema   *jsonschema.Schema
	settings strictjson.Settings
	bound    *cost
	program  *onepass.Program // nil: the engine judges alone
	coverage Coverage
	location string // in the document
}

func newValidator(schema *jsonschema.Schema, bound *cost, settings strictjson.Settings) *validator {
	settings.Limits = settings.Limits.WithDefaults()
	return &validator{schema: schema, settings: settings, bound: bound}
}

// JSON implements Validator.
func (v *validator) JSON(text []byte, report *Report) {
	if v.program != nil && v.program.Judge(text) == onepass.Valid {
		return
	}
	value, nodes, err := strictjson.Decode(text, &v.settings)
	if err != nil {
		report.Add(err.Pointer, err.Code, err.Detail)
		return
	}
	v.judge(value, nodes, len(text), report)
}

// Value implements Validator. A value that was decoded from something else than JSON is held to the same limits.
func (v *validator) Value(value any, report *Report) {
	if v.program != nil && v.program.Value(value) == onepass.Valid {
		return
	}
	m := meter{limits: v.settings.Limits}
	if code, detail := m.measure(value, 0); code != "" {
		report.Add("", code, detail)
		return
	}
	v.judge(value, m.nodes, m.text, report)
}

func (v *validator) judge(value any, nodes, text int, report *Report) {
	if v.bound.exceeds(value, nodes, text, heavyVisits) {
		if v.bound.exceeds(value, nodes, text, visitsPerNode*v.settings.Nodes) {
			report.Add("", "nodes", "takes more steps to judge than allowed: it is too large for the alternatives of its schema")
			return
		}
		heavy.Lock()
		defer heavy.Unlock()
	}
	err := v.schema.Validate(value)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		reportTo(report, invalid, value)
	}
}

// meter counts what the limits are about in a decoded value.
type meter struct {
	limits      Limits
	nodes, text int
}

// measure returns the code of the limit that a value exceeds, with what it must keep to.
func (m *meter) measure(value any, depth int) (code, detail string) {
	if m.nodes++; m.nodes > m.limits.Nodes {
		return strictjson.CodeNodes, fmt.Sprintf("must have at most %d values", m.limits.Nodes)
	}
	switch value := value.(type) {
	case string:
		m.text += len(value)
	case json.Number:
		if m.text += len(value); !modest(string(value), m.limits.Digits) {
			return strictjson.CodeDigits, fmt.Sprintf("must not have numbers of more than %d digits, exponent included",
				m.limits.Digits)
		}
	case []any:
		if depth++; depth > m.limits.Depth {
			return strictjson.CodeDepth, fmt.Sprintf("must not be nested deeper than %d", m.limits.Depth)
		}
		for _, item := range value {
			if code, detail := m.measure(item, depth); code != "" {
				return code, detail
			}
		}
	case map[string]any:
		return m.members(value, depth+1)
	}
	return "", ""
}

func (m *meter) members(object map[string]any, depth int) (code, detail string) {
	if depth > m.limits.Depth {
		return strictjson.CodeDepth, fmt.Sprintf("must not be nested deeper than %d", m.limits.Depth)
	}
	if len(object) > m.limits.Properties {
		return strictjson.CodeProperties, fmt.Sprintf("must not have objects of more than %d properties", m.limits.Properties)
	}
	for name, member := range object {
		m.text += len(name)
		if code, detail := m.measure(member, depth); code != "" {
			return code, detail
		}
	}
	return "", ""
}
