package lease

import (
	"testing"
	"time"
)

func TestDelaysDoubleAndDiffer(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for range 1000 {
		var r retry
		for n, most := range []time.Duration{500, 1000, 1500, 1500, 1500, 1500, 1500, 1500} {
			most *= time.Millisecond
			got := r.delay()
			if got < most/2 || got > most {
				t.Fatalf("the delay after %d failures is %s, not %s to %s", n+1, got, most/2, most)
			}
			seen[got] = true
		}
	}
	if len(seen) < 1000 {
		t.Errorf("of 8000 delays %d differ", len(seen))
	}
	r := retry{failures: 1 << 40}
	if got := r.delay(); got > mostDelay || got <= 0 {
		t.Errorf("the delay after many failures is %s", got)
	}
}
