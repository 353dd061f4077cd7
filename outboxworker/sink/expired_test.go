package sink

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done, cancel := context.WithCancel(t.Context())
		cancel()
		now := time.Now()
		for _, test := range []struct {
			name  string
			ctx   context.Context
			until time.Time
			want  bool
		}{
			{"no limit", t.Context(), time.Time{}, false},
			{"before Until", t.Context(), now.Add(1), false},
			{"at Until", t.Context(), now, true},
			{"after Until", t.Context(), now.Add(-1), true},
			{"done without a limit", done, time.Time{}, true},
			{"done before Until", done, now.Add(time.Hour), true},
		} {
			if got := (&Batch{Until: test.until}).Expired(test.ctx); got != test.want {
				t.Errorf("%s: %t", test.name, got)
			}
		}
	})
}
