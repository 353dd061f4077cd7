package onepass

import "github.com/santhosh-tekuri/jsonschema/v6"

// This file holds what extensions of compiled schemas (jsonschema.SchemaExt) must tell to become part of a program. A
// schema with an extension that is none of these is judged whole.

// Discriminator selects a schema for an object by one of its properties.
type Discriminator interface {
	// Selects returns the property, the schemas by its value (a string, or the text of a number, true or false; any
	// other value is "") and those of which what is no object must fit one.
	Selects() (property string, branches map[string]*jsonschema.Schema, others []*jsonschema.Schema)
}

// Refuser refuses members of objects.
type Refuser interface {
	// Refuses returns the names of members that must not be there.
	Refuses() []string
}

// NameJudge judges the names of all members of an object.
type NameJudge interface {
	NameSchema() *jsonschema.Schema
}

func isUnknown(extension jsonschema.SchemaExt) bool {
	switch extension.(type) {
	case Discriminator, Refuser, NameJudge:
		return false
	}
	return true
}
