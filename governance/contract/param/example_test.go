package param_test

import (
	"fmt"

	"github.com/weirproxy/weir/governance/contract/param"
	"github.com/weirproxy/weir/governance/contract/schema"
)

func Example() {
	limit, err := param.New(param.Spec{In: "query", Name: "limit", Shape: &schema.Shape{Types: schema.Integer}, Required: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, raw := range []string{"limit=20", "limit=0x14", "limit=20&limit=30", "page=2"} {
		var report schema.Report
		var query param.Query
		query.Parse(raw, &report)
		limit.Query(&query, &report)
		query.Undeclared(&report)
		fmt.Println(raw)
		for _, v := range report.Violations {
			fmt.Printf("  %s %s: %s (%s)\n", v.In, v.Name, v.Detail, v.Code)
		}
	}
	// Output:
	// limit=20
	// limit=0x14
	//   query limit: must be an integer in decimal digits, such as 42 (type)
	// limit=20&limit=30
	//   query limit: must not be sent more than once (repeated)
	// page=2
	//   query limit: is required (required)
	//   query page: is not a parameter of this operation (undeclared)
}
