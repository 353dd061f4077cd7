package circuit

import "testing"

func TestAskingAllocatesNothing(t *testing.T) {
	for name, s := range benched() {
		b := New(NewHistory(), s, nil)
		c, _ := b.Enter()
		c.End(Success, 0)
		if n := testing.AllocsPerRun(500, func() { b.Enter() }); n != 0 {
			t.Errorf("%s: Enter allocates %v times", name, n)
		}
		if n := testing.AllocsPerRun(100, func() { b.Ready(); b.State(); b.Attempt() }); n != 0 {
			t.Errorf("%s: Ready, State and Attempt allocate %v times", name, n)
		}
		forget(b)
	}
}
