package schema

import (
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/message"
)

// This file holds what extensions of the engine find, as kinds of errors of the engine. codes.go says them.

// ownKind has the methods that the engine wants of a kind; its texts are not used.
type ownKind struct{}

func (ownKind) KeywordPath() []string                   { return nil }
func (ownKind) LocalizedString(*message.Printer) string { return "" }

// hidden is a property that is not for a direction.
type hidden struct {
	ownKind
	name      string
	direction Direction
}

// badName is a property whose name is not allowed; the causes say why.
type badName struct {
	ownKind
	name string
}

// unselected is an object whose discriminator names no branch. The code says whether it is missing.
type unselected struct {
	ownKind
	dispatch *dispatch
	code     string
}

// noObject is a value that must be an object, so that a discriminator can select a branch.
type noObject struct{ ownKind }

// propertyNames is the extension of a schema with propertyNames. The engine has that keyword too, but says of nested
// objects in the wrong place what it found.
type propertyNames struct{ schema *jsonschema.Schema }

// Validate implements jsonschema.SchemaExt.
func (p *propertyNames) Validate(context *jsonschema.ValidatorContext, value any) {
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for name := range object {
		if err := context.Validate(p.schema, name, []string{name}); err != nil {
			context.AddErrors([]*jsonschema.ValidationError{err.(*jsonschema.ValidationError)}, &badName{name: name})
		}
	}
}
