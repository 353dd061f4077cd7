package discovery

// initial_test.go begins watches with the set of others.

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/lease"
)

func TestTheInitialSetServesUntilThereIsAnAnswer(t *testing.T) {
	file := cached(t) // with three others
	synctest.Test(t, func(t *testing.T) {
		told := time.Now().Add(-time.Minute)
		c := newConsul()
		c.behave(refuse)
		w := watch(t, c, func(s *Settings) {
			s.CacheFile, s.Initial = file, &Set{Instances: instances(5, 2), Index: 42, At: told}
		})
		defer w.stop()
		select {
		case <-w.Ready():
		default:
			t.Fatal("it is not ready at once")
		}
		time.Sleep(time.Hour)
		w.expect(instances(5, 2)...)
		if set := w.Snapshot(); set.Index != 42 || !set.At.Equal(told) {
			t.Errorf("the set is of index %d at %s, want what it was", set.Index, set.At)
		}
		if s := w.Status(); s.Up || s.FromCache || s.CacheError != "" || s.Instances != 2 {
			t.Errorf("the status is %+v, want two instances that are not the cache's", s)
		}

		// restarted empty: not believed at once, as with any set
		c.behave(nil)
		c.wipe()
		time.Sleep(mostBack)
		w.expect(instances(5, 2)...)

		// who is not in the first answer is not held back
		c.put(instance(9))
		time.Sleep(2 * time.Second)
		w.expect(instance(9))
		if s := w.Status(); !s.Up || s.HeldTotal != 2 || s.Held != 0 {
			t.Errorf("the status is %+v, want it up with nobody held", s)
		}
	})
}

func TestTheInitialSetIsCheckedAgain(t *testing.T) {
	file := cached(t)
	for name, test := range map[string]struct {
		change func(*Settings)
		want   []lease.Instance // nil for no set
	}{
		"one is allowed": {func(s *Settings) { s.Allow = prefixes("10.0.0.7/32") }, instances(6, 1)},
		"none is":        {func(s *Settings) { s.Allow = prefixes("192.0.2.0/24") }, nil},
		"another stage":  {func(s *Settings) { s.Stage = "canary" }, nil},
		"none is, but of those in the cache": {func(s *Settings) {
			s.Allow, s.CacheFile = prefixes("10.0.0.3/32"), file
		}, instances(2, 1)},
		"it is empty": {func(s *Settings) { s.Initial = new(Set) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newConsul()
				c.behave(refuse)
				w := watch(t, c, func(s *Settings) {
					s.Initial = &Set{Instances: instances(5, 3)}
					test.change(s)
				})
				defer w.stop()
				synctest.Wait()
				if test.want != nil {
					w.expect(test.want...)
				} else if set := w.Snapshot(); set != nil {
					t.Errorf("the set has %v, want none", ids(set.Instances))
				}
			})
		})
	}
}

// Whoever compares settings compares what they come to.
func TestDefaults(t *testing.T) {
	d := (Settings{}).WithDefaults()
	if d.EmptyAfter != 30*time.Second || d.MaxRemoval != 0.5 || d.RemovalInterval != 10*time.Second ||
		d.CacheMaxAge != 24*time.Hour || d.Wait != time.Minute || d.Logger == nil {
		t.Errorf("the defaults are %+v", d)
	}
	if again := d.WithDefaults(); again.Logger != d.Logger || again.Wait != d.Wait || again.Debounce != d.Debounce {
		t.Errorf("filled in twice they are %+v, want %+v", again, d)
	}
}
