package circuit

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// quick are settings of which tests turn on what they are about.
func quick() Settings {
	return Settings{
		Window: 10 * time.Second, MinCalls: 20, Consecutive: 1,
		OpenFor: 10 * time.Second, OpenForMax: 40 * time.Second,
		Probes: 1, ProbeTimeout: 5 * time.Second,
	}
}

// fixture is a breaker that notes its changes.
type fixture struct {
	*testing.T
	*Breaker
	history *History
	changes []Change
}

// run runs a test of a breaker in a time of its own.
func run(t *testing.T, s Settings, test func(f *fixture)) {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{T: t, history: NewHistory()}
		f.reload(s)
		test(f)
	})
}

// reload has a new breaker go on with the history.
func (f *fixture) reload(s Settings) {
	f.Breaker = New(f.history, s, func(c Change) { f.changes = append(f.changes, c) })
	f.Adopt()
}

func (f *fixture) enter() Call {
	f.Helper()
	c, refusal := f.Enter()
	if refusal != nil {
		f.Fatalf("a call was refused: %+v", *refusal)
	}
	return c
}

// call makes calls that end at once.
func (f *fixture) call(n int, o Outcome) {
	f.Helper()
	for range n {
		c := f.enter()
		c.End(o, 0)
	}
}

func (f *fixture) refuses(r Reason) time.Duration {
	f.Helper()
	c, refusal := f.Enter()
	if refusal == nil {
		f.Fatalf("a call was let in, want it refused for %s", r)
	}
	if refusal.Reason != r {
		f.Fatalf("refused for %s, want %s", refusal.Reason, r)
	}
	c.End(Failure, 0) // what was refused means nothing
	return refusal.RetryAfter
}

func (f *fixture) is(want State) {
	f.Helper()
	if got, _ := f.State(); got != want {
		f.Fatalf("it is %s, want %s; changes: %v", got, want, f.whys())
	}
}

// open opens it and returns for how long.
func (f *fixture) open() time.Duration {
	f.Helper()
	f.call(1, Failure)
	f.is(Open)
	_, left := f.State()
	return left
}

// wait waits until the open time is over.
func (f *fixture) wait() {
	f.Helper()
	_, left := f.State()
	time.Sleep(left + 2)
	f.is(HalfOpen)
}

func (f *fixture) whys() (whys []string) {
	synctest.Wait() // for the timer, which tells of changes too
	for _, c := range f.changes {
		whys = append(whys, c.To.String()+" "+c.Why)
	}
	return whys
}

func (f *fixture) told(want ...string) {
	f.Helper()
	if got := f.whys(); !slices.Equal(got, want) {
		f.Errorf("changes %q, want %q", got, want)
	}
}

func within(d, least, most time.Duration) bool { return d >= least && d <= most }
