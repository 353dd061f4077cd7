package discovery

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/lease"
)

// run runs a test whose time is its own, with a Consul that has three instances.
func run(t *testing.T, change func(*Settings), f func(t *testing.T, c *consul, w *watched)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		c.put(instances(1, 3)...)
		w := watch(t, c, change)
		defer w.stop()
		<-w.Ready()
		synctest.Wait()
		w.expect(instances(1, 3)...)
		f(t, c, w)
	})
}

func TestTheSetFollowsTheLeases(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		time.Sleep(time.Minute)
		c.put(instance(4))
		time.Sleep(250 * time.Millisecond)
		w.expect(instances(1, 4)...)

		c.putRaw("weir/services/web2/web-0009", jsonOf(instance(9)), "s")
		time.Sleep(5 * time.Second)
		w.expect(instances(1, 4)...)

		c.remove("web-0001")
		time.Sleep(250 * time.Millisecond)
		w.expect(instances(2, 3)...)
		set := w.Snapshot()
		if set.Index != 104 || time.Since(set.At) > time.Second {
			t.Errorf("the set is of index %d at %s, want 104 just now", set.Index, set.At)
		}

		slower := instance(2)
		slower.Weight = 0.5
		c.put(slower)
		time.Sleep(250 * time.Millisecond)
		if got := w.Snapshot().Instances[0]; got != slower {
			t.Errorf("the instance is %+v, want %+v", got, slower)
		}
		if s := w.Status(); !s.Up || s.Errors != 0 || s.Error != "" || s.Held != 0 {
			t.Errorf("the status is %+v, want nothing wrong", s)
		}
	})
}

// What reads the set may keep what it made of it as long as the pointer is the same.
func TestTheSetStaysTheSameWhileNothingChanges(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		set := w.Snapshot()
		c.questions()
		time.Sleep(time.Hour)
		c.put(instances(1, 3)...) // written again, with the same values
		time.Sleep(time.Second)
		if w.Snapshot() != set {
			t.Error("there is another set though nothing changed")
		}
		asked := c.questions()
		if len(asked) < 55 || len(asked) > 60 {
			t.Errorf("%d questions in an hour, want one in 1m4s", len(asked))
		}
		for _, q := range asked[1:] {
			if q.wait != time.Minute || q.index == "" {
				t.Errorf("asked for index %q with a wait of %s", q.index, q.wait)
			}
		}
		s := w.Status()
		if age := time.Since(s.AnsweredAt); age > time.Second {
			t.Errorf("the latest answer is told to be of %s ago", age)
		}
		if up := time.Since(s.Since); !s.Up || up < time.Hour {
			t.Errorf("the status is %+v, want it up for more than an hour", s)
		}
		if len(w.log.all()) != 0 {
			t.Errorf("lines though nothing happened: %q", w.log.all())
		}
	})
}

func TestTheFirstAnswerMayBeEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		c.behave(refuse)
		w := watch(t, c, nil)
		defer w.stop()
		synctest.Wait()
		if w.Snapshot() != nil {
			t.Error("there is a set before the first answer")
		}
		c.behave(nil)
		<-w.Ready()
		synctest.Wait()
		w.expect()
		c.put(instance(1))
		time.Sleep(time.Second)
		w.expect(instance(1))
		if n := w.log.count("there are no instances"); n != 1 {
			t.Errorf("%d lines tell that there are no instances, want 1", n)
		}
	})
}

func TestManyInstancesThatChangeAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		all := instances(1, 500)
		c.put(all...)
		w := watch(t, c, nil)
		defer w.stop()
		<-w.Ready()
		c.questions()
		const seconds, perSecond = 20, 50
		for n := range seconds * perSecond {
			i := &all[n*7%len(all)]
			i.Weight = 1 + float64(n)/1000
			c.put(*i)
			time.Sleep(time.Second / perSecond)
		}
		asked := len(c.questions())
		if asked < seconds || asked > seconds+burst+1 {
			t.Errorf("%d questions in %d s, want one a second", asked, seconds)
		}
		time.Sleep(1100 * time.Millisecond)
		if got := w.Snapshot().Instances; !slices.Equal(got, all) {
			t.Error("a second after the last change, the set does not have it")
		}
		if n := c.atOnce(); n != 1 {
			t.Errorf("%d questions at the same time, want 1", n)
		}
	})
}

func TestInstancesThatDrainGoAtOnce(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		leaving := instances(1, 3)
		for i := range leaving {
			leaving[i].Draining = true
		}
		c.put(leaving...)
		time.Sleep(time.Second)
		w.expect(leaving...)
		for _, i := range w.Snapshot().Instances {
			if i.Weight != 0 || !i.Draining {
				t.Errorf("an instance that drains is %+v, want a weight of 0", i)
			}
		}
		c.remove(ids(leaving)...)
		time.Sleep(time.Second)
		w.expect()
	})
}

// A crashed instance's lease lives on for a while beside that of the process that was
// started in its place.
func TestTheLatestStartAtAnAddressCounts(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		again := instance(2)
		again.ID, again.StartedAt = "again", again.StartedAt.Add(time.Hour)
		c.put(again)
		time.Sleep(time.Second)
		w.expect(again, instance(1), instance(3))
		if n := w.Status().Superseded; n != 1 {
			t.Errorf("%d instances are superseded, want 1", n)
		}
		// and is no removal when it ends
		c.remove("web-0002")
		time.Sleep(time.Second)
		w.expect(again, instance(1), instance(3))
		if s := w.Status(); s.Superseded != 0 || s.HeldTotal != 0 {
			t.Errorf("the status is %+v, want nobody superseded or held", s)
		}
	})
}

func TestWatchRefusesWhatMakesNoSense(t *testing.T) {
	if _, err := Watch(t.Context(), nil, Settings{}); err == nil {
		t.Error("no source is accepted")
	}
	source, err := KV(newConsul().client(t), "", "web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Watch(t.Context(), source, Settings{MaxRemoval: 2}); err == nil {
		t.Error("settings that make no sense are accepted")
	}
}

// A watch ends with its context, also one that waits for an answer.
func TestTheWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		c.put(instance(1))
		w := watch(t, c, nil)
		<-w.Ready()
		time.Sleep(time.Minute)
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("ending took %s", took)
		}
		w.expect(instance(1))
		if s := w.Status(); s.Errors != 0 {
			t.Errorf("ending counts as an error: %+v", s)
		}
	})
}

// Source can be anything: the set does not depend on its doing all that it should.
type listOf []lease.Instance

func (l listOf) Name() string { return "list" }

func (l listOf) Ask(ctx context.Context, index uint64, _ time.Duration) (Answer, error) {
	if index > 0 {
		<-ctx.Done()
		return Answer{}, ctx.Err()
	}
	return Answer{Instances: l, Index: 1}, nil
}

func TestSourcesOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchSource(t, listOf{instance(2), instance(1), instance(2)}, nil)
		defer w.stop()
		<-w.Ready()
		synctest.Wait()
		w.expect(instance(1), instance(2))
	})
}

func BenchmarkSnapshot(b *testing.B) {
	w := &Watcher{ready: make(chan struct{})}
	w.publish(&Set{Instances: instances(1, 500)})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if len(w.Snapshot().Instances) != 500 {
				b.Error("the set is another")
			}
		}
	})
}

// What one answer costs, of which there is at most one a second.
func BenchmarkAnswer(b *testing.B) {
	for _, count := range []int{10, 500} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			c := newConsul()
			all := instances(1, count)
			c.put(all...)
			source, err := KV(c.client(b), "", "web")
			if err != nil {
				b.Fatal(err)
			}
			settings := Settings{}.WithDefaults()
			w := &Watcher{source: source, settings: settings, log: settings.Logger, ready: make(chan struct{}), guard: guard{settings: settings}}
			b.ReportAllocs()
			for b.Loop() {
				all[0].Weight++
				c.put(all[0])
				answer, err := w.ask(b.Context(), 0)
				if err != nil {
					b.Fatal(err)
				}
				w.heard = answer
				w.succeed(answer.Index, true, time.Now())
			}
			if w.Snapshot().Instances[0].Weight != all[0].Weight {
				b.Error("the set is another")
			}
		})
	}
}
