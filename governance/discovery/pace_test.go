package discovery

// pace_test.go has servers with odd indexes, and those that do not wait.

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
)

func TestTheIndexGoesBack(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		time.Sleep(time.Minute)
		c.change(func() { c.index = 1000 })
		time.Sleep(time.Minute)
		c.questions()
		c.restore(50)
		time.Sleep(10 * time.Minute)
		c.put(instance(4)) // at the index 51
		time.Sleep(500 * time.Millisecond)
		w.expect(instances(1, 4)...)
		asked := c.questions()
		if asked[0].index != "" || asked[1].index != "50" || asked[len(asked)-1].index != "51" {
			t.Errorf("asked %+v, want no index after the one that went back, and then the new one", asked)
		}
		if len(asked) > 14 {
			t.Errorf("%d questions in 10 minutes", len(asked))
		}
	})
}

// always answers at once, with an index of each question's.
func always(index func(question int, asked string) string, body string) func(*http.Request) (*http.Response, error) {
	n := 0
	return func(r *http.Request) (*http.Response, error) {
		n++
		response := reply(200, nil, body)
		if value := index(n, r.URL.Query().Get("index")); value != "" {
			response.Header.Set("X-Consul-Index", value)
		}
		return response, nil
	}
}

// Servers that do not block, whatever index they give, must not be asked all the time.
func TestNoBusyLoop(t *testing.T) {
	pairs := jsonOf([]map[string]any{{"Key": web + "web-0001", "Session": "s", "Value": []byte(jsonOf(instance(1)))}})
	for name, test := range map[string]struct {
		index func(n int, asked string) string
		most  int // questions in ten minutes
	}{
		"no index":          {func(int, string) string { return "" }, 50},
		"index 0":           {func(int, string) string { return "0" }, 50},
		"a bad index":       {func(int, string) string { return "-1" }, 50},
		"the same":          {func(int, string) string { return "7" }, 50},
		"goes back":         {func(n int, _ string) string { return fmt.Sprint(100000 - n) }, 100},
		"back and forth":    {func(n int, _ string) string { return fmt.Sprint(7 + n%2) }, 602},
		"grows all the way": {func(n int, _ string) string { return fmt.Sprint(n) }, 602},
		"the largest":       {func(int, string) string { return "18446744073709551615" }, 50},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newConsul()
				c.behave(always(test.index, pairs))
				w := watch(t, c, nil)
				defer w.stop()
				<-w.Ready()
				time.Sleep(10 * time.Minute)
				asked := c.questions()
				if len(asked) > test.most {
					t.Errorf("%d questions in 10 minutes, want at most %d", len(asked), test.most)
				}
				for _, q := range asked {
					if q.index == "0" {
						t.Error("asked for the index 0, which never blocks")
					}
				}
				w.expect(instance(1))
				// a change is seen all the same, if only when the wait for an index that
				// will not come is over
				c.behave(nil)
				c.put(instance(1), instance(2))
				time.Sleep(6 * time.Minute)
				w.expect(instances(1, 2)...)
			})
		})
	}
}

func TestAnAnswerWithoutAnIndexIsAskedForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		c.behave(always(func(int, string) string { return "0" }, jsonOf([]api.KVPair{{Key: web, Session: ""}})))
		w := watch(t, c, nil)
		defer w.stop()
		began := time.Now()
		<-w.Ready()
		if took := time.Since(began); took > 0 {
			t.Errorf("the answer was taken after %s, want at once", took)
		}
		time.Sleep(time.Second)
		for i, q := range c.questions() {
			if want := map[bool]string{true: "", false: "1"}[i == 0]; q.index != want {
				t.Errorf("question %d is for the index %q, want %q", i, q.index, want)
			}
		}
	})
}

func TestAnAnswerWithTheSameIndexIsNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		c.put(instances(1, 3)...)
		w := watch(t, c, nil)
		defer w.stop()
		<-w.Ready()
		time.Sleep(time.Second)
		c.mu.Lock()
		delete(c.pairs, web+"web-0001") // what is told when the wait is over
		c.mu.Unlock()
		time.Sleep(70 * time.Second)
		if s := w.Status(); s.Answers != 2 {
			t.Fatalf("the status is %+v, want a second answer", s)
		}
		w.expect(instances(1, 3)...)
	})
}

// Without a wait, Consul takes its own, which is long.
func TestEveryQuestionForAnIndexSaysHowLongToWait(t *testing.T) {
	now := time.Now()
	settings := Settings{}.WithDefaults()
	w := &Watcher{settings: settings, guard: guard{settings: settings}, pace: pace{index: 1}}
	if got := w.wait(now); got != time.Minute {
		t.Errorf("the wait is %s, want the one that is set", got)
	}
	for _, past := range []time.Duration{0, time.Second, time.Hour} {
		w.guard.emptySince = now.Add(-settings.EmptyAfter - past)
		if got := w.wait(now); got != time.Second {
			t.Errorf("with something due %s ago, the wait is %s, want a second", past, got)
		}
	}
}
