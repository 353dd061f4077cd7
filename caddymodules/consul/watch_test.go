package consul

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/discovery"
)

func TestTheWatchIsAsTheLeaderHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(member(1, nil), member(2, nil))
		w := newWatch()
		old := newSource(w, r, "same")
		old.Lead()
		wantUpstreams(t, "at first", old, 2)
		first := w.current.Load()

		// reloaded, and nothing is another: the watch goes on
		next := newSource(w, r, "same")
		w.leave(old)
		next.Lead()
		synctest.Wait()
		if asked, _ := r.questions(); w.current.Load() != first || asked != 1 {
			t.Errorf("a reload that changes nothing made another watch; there were %d questions", asked)
		}
		// with other settings, and while nobody answers
		r.is(true)
		time.Sleep(time.Minute)
		before := w.status()
		other := newSource(w, r, "other")
		other.settings.Allow = append(other.settings.Allow, mustPrefix(t, "10.0.0.2"))
		w.leave(next)
		wantUpstreams(t, "before the new one leads", other, 2)
		other.Lead()
		wantUpstreams(t, "where only one is allowed", other, 1)
		<-first.Done()
		time.Sleep(time.Minute)
		wantUpstreams(t, "later", other, 1)
		if s := w.status(); s.Errors <= before.Errors || s.Answers != before.Answers || s.Up {
			t.Errorf("the status was %+v and is %+v: what is counted must go on", before, s)
		}
		r.is(false)
		time.Sleep(time.Minute)
		if s := w.status(); s.Answers <= before.Answers || !s.Up || s.Refused != 1 {
			t.Errorf("the status is %+v, want it up with one refused", s)
		}
		if _, most := r.questions(); most != 1 {
			t.Errorf("%d questions at the same time, want 1", most)
		}
		w.leave(other)
		<-w.current.Load().Done()
	})
}

func mustPrefix(t *testing.T, text string) netip.Prefix {
	t.Helper()
	p, err := parsePrefix(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A configuration that ended before it was in force begins nothing.
func TestWhoHasLeftDoesNotLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		w := newWatch()
		s := newSource(w, r, "a")
		w.leave(s)
		s.Lead()
		synctest.Wait()
		if asked, _ := r.questions(); asked != 0 {
			t.Errorf("%d questions of a source that has left", asked)
		}
		// nor ends it what others have
		runs := newSource(w, newRegistry(member(1, nil)), "b")
		runs.Lead()
		failed := newSource(w, r, "c")
		w.leave(failed)
		failed.Lead()
		w.leave(s)
		wantUpstreams(t, "after others have left", runs, 1)
		if asked, _ := r.questions(); w.status().Answers != 1 || asked != 0 {
			t.Errorf("the status is %+v, and a source that has left asked %d times", w.status(), asked)
		}
		w.leave(runs)
	})
}

// A watch that has ended can be taken up again as long as the registry has it.
func TestTheWatchBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(member(1, nil))
		w := newWatch()
		s := newSource(w, r, "same")
		s.Lead()
		wantUpstreams(t, "at first", s, 1)
		w.leave(s)
		<-w.current.Load().Done()
		r.change(func() { r.list = append(r.list, member(2, nil)) })
		again := newSource(w, r, "same")
		again.Lead()
		time.Sleep(time.Second)
		wantUpstreams(t, "after it began again", again, 2)
		w.leave(again)
	})
}

func TestRequestsWaitForTheFirstSet(t *testing.T) {
	for name, test := range map[string]struct {
		leads, answers, leaves time.Duration // after provisioning; 0 never
		static                 bool
		wait                   time.Duration
		want                   int
		tells                  string // of the error; empty if there is none
	}{
		"soon":                  {leads: 100 * time.Millisecond, answers: 200 * time.Millisecond, wait: 200 * time.Millisecond, want: 1},
		"at once when it leads": {leads: 100 * time.Millisecond, answers: time.Nanosecond, wait: 100 * time.Millisecond, want: 1},
		"late":                  {leads: time.Second, answers: time.Minute, wait: firstWithin},
		"never":                 {wait: firstWithin},
		"the client leaves":     {leads: time.Second, leaves: 2 * time.Second, wait: 2 * time.Second},
		"late, others there":    {leads: time.Second, answers: time.Minute, static: true, wait: firstWithin, tells: "there was no answer yet: connection refused"},
		"never, others there":   {static: true, wait: firstWithin, tells: "there was no answer yet"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegistry(member(1, nil))
				r.down = true
				w := newWatch()
				s := newSource(w, slow{r, test.answers, time.Now()}, "")
				s.static = test.static
				defer w.leave(s)
				if test.leads > 0 {
					time.AfterFunc(test.leads, s.Lead)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.leaves > 0 {
					time.AfterFunc(test.leaves, cancel)
				}
				began := time.Now()
				upstreams, err := s.GetUpstreams(httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
				if took := time.Since(began); took != test.wait {
					t.Errorf("it took %s, want %s", took, test.wait)
				}
				if len(upstreams) != test.want || (err == nil) != (test.tells == "") || err != nil && !strings.Contains(err.Error(), test.tells) {
					t.Errorf("there are %d upstreams, %v; want %d and an error %q", len(upstreams), err, test.want, test.tells)
				}
				if test.wait < firstWithin {
					return
				}
				// no request waits once that time is over
				began = time.Now()
				if _, _ = s.GetUpstreams(httptest.NewRequest(http.MethodGet, "/", nil)); time.Since(began) != 0 {
					t.Errorf("another request waited for %s", time.Since(began))
				}
			})
		})
	}
}

// slow is down until after since.
type slow struct {
	*registry
	after time.Duration
	since time.Time
}

func (s slow) Ask(ctx context.Context, index uint64, wait time.Duration) (discovery.Answer, error) {
	if s.after > 0 && s.after < time.Second {
		time.Sleep(time.Until(s.since.Add(s.after)))
		s.is(false)
	}
	return s.registry.Ask(ctx, index, wait)
}

// With static upstreams the proxy is told why it must use those.
func TestNobodyIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, secured := newWatch(), newWatch()
		empty, unfit := newSource(w, newRegistry(), ""), newSource(secured, newRegistry(member(1, secure)), "")
		for s, want := range map[*source]string{empty: "there are no instances", unfit: "none of the 1 instances has a scheme"} {
			s.Lead()
			wantUpstreams(t, "without static ones", s, 0)
			s.static = true
			if _, err := s.GetUpstreams(httptest.NewRequest(http.MethodGet, "/", nil)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the error is %v, want %q", err, want)
			}
			s.watch.leave(s)
		}
	})
}

// Lines go to the log of the configuration that runs, with the attributes of before.
func TestTheLogFollowsTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, second strings.Builder
		r := newRegistry(member(1, nil))
		w := newWatch()
		old := newSource(w, r, "same")
		old.log = slog.New(slog.NewTextHandler(&first, nil)).With("of", "old")
		old.Lead()
		synctest.Wait()
		next := newSource(w, r, "same")
		next.log = slog.New(slog.NewTextHandler(&second, nil)).WithGroup("new")
		w.leave(old)
		next.Lead()
		r.is(true)
		time.Sleep(time.Minute)
		w.leave(next)
		synctest.Wait()
		if first.Len() > 0 {
			t.Errorf("a line in the log of the old one: %s", first.String())
		}
		if got := second.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "new.source=registry") {
			t.Errorf("the log of the new one has %q, want one line with the source", got)
		}
	})
}
