package spelling

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		n    int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if n := Distance(c.a, c.b); n != c.n {
			t.Errorf("from %q to %q there are %d edits, want %d", c.a, c.b, n, c.n)
		}
	}
}
