package rollout_test

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/governance/rollout"
)

// A canary that is as good as stable at 5 %, and fails at 50 %.
func Example() {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	settings := rollout.DefaultSettings()
	settings.Steps = []float64{0.05, 0.5, 1}
	guard := rollout.New(settings, 0.05, now)
	for _, failures := range []int{2, 100} {
		for i := range 1000 {
			guard.Start(rollout.Stable).End(20*time.Millisecond, i < 2)
			guard.Start(rollout.Canary).End(20*time.Millisecond, i < failures)
		}
		now = now.Add(settings.Interval)
		verdict, _ := guard.Advance(now)
		fmt.Println(verdict.Action, "to", guard.Share(), "-", verdict.Text)
	}
	// Output:
	// promote to 0.5 - as good as stable
	// rollback to 0 - the canary fails more often than stable: 10% of 1000 requests, against 0.2% of 1000
}
