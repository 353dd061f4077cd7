package schema

import "slices"

// This file holds what becomes of a schema of OpenAPI 3.0, see the package comment for the reading.

func (c *Compiler) normalise30(e *entry, value any, pointer string) any {
	schema, ok := value.(map[string]any)
	if !ok {
		e.fail(pointer, "a schema must be an object")
		return true
	}
	if reference, ok := schema["$ref"]; ok {
		return map[string]any{"$ref": c.reference(e, reference, child(pointer, "$ref"))}
	}
	normal := c.keywords(e, schema, pointer)
	exclusive(normal, "exclusiveMinimum", "minimum")
	exclusive(normal, "exclusiveMaximum", "maximum")
	c.discriminate(e, schema, normal, pointer)
	nullable, ok := schema["nullable"]
	if _, isFlag := nullable.(bool); ok && !isFlag {
		e.fail(child(pointer, "nullable"), "nullable must be true or false")
	}
	if nullable == true {
		return orNull(normal)
	}
	return normal
}

// exclusive turns a bound with a flag into a bound that is exclusive.
func exclusive(schema map[string]any, flag, bound string) {
	isExclusive := schema[flag] == true
	delete(schema, flag)
	if limit, ok := schema[bound]; ok && isExclusive {
		schema[flag] = limit
		delete(schema, bound)
	}
}

// orNull returns a schema that allows null besides what schema does.
func orNull(schema map[string]any) any {
	for _, keyword := range []string{"allOf", "anyOf", "oneOf", "not"} {
		if _, ok := schema[keyword]; ok {
			return map[string]any{"if": map[string]any{"type": "null"}, "else": schema}
		}
	}
	if name, ok := schema["type"]; ok {
		schema["type"] = []any{name, "null"}
	}
	if values, ok := schema["enum"].([]any); ok && !slices.Contains(values, nil) {
		schema["enum"] = append(slices.Clone(values), nil)
	}
	return schema
}
