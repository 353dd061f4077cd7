package schema

// Trivial tells whether nothing of a value needs to be checked for the schema at location: it allows anything, or a
// string of format binary, which is any sequence of bytes.
func (c *Compiler) Trivial(location string) bool {
	value, ok := c.files.value(c.aliased(location))
	if isTrue, isFlag := value.(bool); isFlag {
		return isTrue && c.dialect == OpenAPI31
	}
	schema, isObject := value.(map[string]any)
	if !ok || !isObject {
		return false
	}
	for keyword, value := range schema {
		if !c.saysNothing(keyword, value, schema) {
			return false
		}
	}
	return true
}

// saysNothing tells whether a keyword restricts nothing where it stands.
func (c *Compiler) saysNothing(keyword string, value any, schema map[string]any) bool {
	switch keyword {
	case "readOnly", "writeOnly", "$anchor", "$dynamicAnchor", "$defs", "definitions":
		return true
	case "type":
		return value == "string" && schema["format"] == "binary"
	case "format":
		name, _ := value.(string)
		return formats[name] == nil || c.settings.IgnoreFormats
	case "$ref", "$dynamicRef", "$schema":
		return false
	}
	return c.dialect.keyword(keyword) == unknown
}
