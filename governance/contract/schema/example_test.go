package schema_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// A schema of an OpenAPI 3.0 document judges the body of a request.
func Example() {
	const document = `{"components": {"schemas": {"Pet": {
		"type": "object",
		"required": ["id", "name"],
		"properties": {
			"id": {"type": "integer", "readOnly": true},
			"name": {"type": "string", "maxLength": 20},
			"tag": {"type": "string", "nullable": true}
		}
	}}}}`
	decoder := json.NewDecoder(strings.NewReader(document))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		fmt.Println(err)
		return
	}
	const file = "file:///etc/weir/petstore.json"
	compiler := schema.NewCompiler(schema.Files{file: tree}, schema.OpenAPI30, schema.Settings{})
	pet, err := compiler.Compile(file+"#/components/schemas/Pet", schema.Request)
	if err != nil {
		fmt.Println(err)
		return
	}

	var report schema.Report
	report.At("body", "")
	pet.JSON([]byte(`{"name": "Rex", "tag": null}`), &report)
	pet.JSON([]byte(`{"tag": 7}`), &report)
	for _, v := range report.Violations {
		fmt.Println(v.In, v.Pointer, v.Code, "-", v.Detail)
	}
	// Output:
	// body /name required - is required
	// body /tag type - must be null or a string, not number
}
