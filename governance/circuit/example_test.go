package circuit_test

import (
	"errors"
	"fmt"

	"github.com/weirproxy/weir/governance/circuit"
)

func Example() {
	settings := circuit.DefaultSettings()
	settings.Consecutive = 3
	if err := settings.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	breaker := circuit.New(circuit.NewHistory(), settings, func(c circuit.Change) {
		fmt.Printf("%s: %s\n", c.To, c.Why)
	})
	ask := func() error { return errors.New("connection refused") }
	for range 5 {
		call, refusal := breaker.Enter()
		if refusal != nil {
			fmt.Println("not asked:", refusal.Reason)
			continue
		}
		if err := ask(); err != nil {
			call.End(circuit.Failure, 0)
		} else {
			call.End(circuit.Success, 0)
		}
	}
	// Output:
	// open: consecutive
	// not asked: open
	// not asked: open
}
