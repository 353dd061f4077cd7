package schema

import "github.com/santhosh-tekuri/jsonschema/v6"

// nameSchema implements namer.
func (p *propertyNames) nameSchema() *jsonschema.Schema { return p.schema }
