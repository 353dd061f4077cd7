package circuit

import (
	"testing"
	"time"
)

// What is not enforced is told with each call, whatever the state.
func TestEnforced(t *testing.T) {
	dry := recovering()
	dry.DryRun = true
	for name, c := range map[string]struct {
		settings Settings
		mode     Mode
		want     bool
	}{
		"enforced":          {recovering(), Auto, true},
		"closed for good":   {recovering(), ForcedClosed, true},
		"disabled":          {recovering(), Disabled, false},
		"dry run":           {dry, Auto, false},
		"dry run, forced":   {dry, ForcedOpen, false},
		"dry run, disabled": {dry, Disabled, false},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, c.settings, func(f *fixture) {
				check := func() {
					f.Helper()
					call, refusal := f.Enter()
					if refusal != nil && refusal.DryRun != f.history.settings.DryRun {
						f.Errorf("refused: %+v", *refusal)
					}
					if refusal == nil || refusal.DryRun {
						if got := call.Enforced(); got != c.want {
							f.Errorf("enforced: %v, want %v", got, c.want)
						}
					}
					call.End(Failure, 0)
				}
				f.history.Decide(Decision{Mode: c.mode})
				check()
				check() // open by now, if it is to open
				if state, left := f.State(); state == Open && c.mode == Auto {
					time.Sleep(left + 2)
					check()
				}
			})
		})
	}
}
