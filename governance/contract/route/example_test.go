package route_test

import (
	"fmt"

	"github.com/weirproxy/weir/governance/contract/route"
)

func Example() {
	var tree route.Tree[[]string] // of the methods of a path
	for template, methods := range map[string][]string{
		"/users/me":          {"GET"},
		"/users/{id}":        {"GET", "DELETE"},
		"/reports/{n}.{ext}": {"GET"},
	} {
		if err := tree.Add(template, methods); err != nil {
			fmt.Println(err)
		}
	}
	for _, path := range []string{"/users/me", "/users/a%2Fb", "/reports/2030.q1.pdf", "/users/"} {
		methods, values, ok := tree.Match(path, nil, nil)
		fmt.Println(path, ok, methods, values)
	}
	// Output:
	// /users/me true [GET] []
	// /users/a%2Fb true [GET DELETE] [a%2Fb]
	// /reports/2030.q1.pdf true [GET] [2030.q1 pdf]
	// /users/ false [] []
}
