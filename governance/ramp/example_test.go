package ramp_test

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/governance/ramp"
)

// A service that starts at a quarter and doubles each minute.
func Example() {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	share := ramp.DefaultShare()
	share.From, share.Follow, share.Factor, share.Interval = 0.25, 1, 2, time.Minute
	warmUp := ramp.New(ramp.Settings{Share: &share}, now)
	for range 4 {
		admitted := 0
		for range 100 {
			if warmUp.Admit(now) {
				admitted++
				warmUp.Record(now, ramp.Result{Outcome: ramp.Success})
			}
		}
		fmt.Println(admitted, "of 100 in", warmUp.Snapshot(now).Phase)
		now = now.Add(time.Minute)
	}
	// Output:
	// 25 of 100 in grow
	// 50 of 100 in grow
	// 100 of 100 in follow
	// 100 of 100 in warm
}
