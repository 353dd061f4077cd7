package cputime

import (
	"testing"
	"time"
)

// failures notes that a test has failed.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Helper()               {}
func (f *failures) Errorf(string, ...any) { f.n++ }

func TestWithin(t *testing.T) {
	var f failures
	busy := func() {
		for before := ofProcess(); ofProcess()-before < 50*time.Millisecond; {
		}
	}
	if took := Within(&f, 10*time.Second, busy); took < 50*time.Millisecond || f.n != 0 {
		t.Errorf("%v, failed %d times", took, f.n)
	}
	if Within(&f, time.Millisecond, busy); f.n != 1 {
		t.Errorf("50 ms are more than 1, ten times as many too, but it failed %d times", f.n)
	}
}

// Waiting takes no CPU time.
func TestWaitingIsFree(t *testing.T) {
	Within(t, 100*time.Millisecond, func() { <-time.After(200 * time.Millisecond) })
}
