package cli

import (
	"strings"
	"testing"
)

// An invariant that does not hold is told with what to do, and by the exit code.
func TestVerifyFails(t *testing.T) {
	o := newOperated(t)
	o.exec("ALTER TABLE outbox.message DISABLE TRIGGER wake_relay")
	o.waiting(12, "order-2", "retry", "'2120-01-01Z'", 1) // which is dead, too
	for form, want := range map[string][]string{
		"table":  {"\nerror  wakes_relay ", "fix: messages wait up to poll_max: ALTER TABLE outbox.message ENABLE TRIGGER", "\nerror  one_place ", " 1 violations: "},
		"json":   {`"name": "wakes_relay"`, `"ok": false`, `"violations": 1`},
		"ndjson": {`{"name":"wakes_relay","meaning":"A trigger wakes a relay that rests.","ok":false,"violations":1,`},
	} {
		code, out, errOut := o.run("verify", "--output", form)
		for _, text := range want {
			if !strings.Contains("\n"+out, text) {
				t.Errorf("--output %s does not tell %q:\n%s", form, text, out)
			}
		}
		if code != exitError || errOut != "" {
			t.Errorf("exit %d, %s", code, errOut)
		}
	}
}
