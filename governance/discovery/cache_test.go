package discovery

// cache_test.go starts watches while Consul is down.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/lease"
)

// cached returns a cache file that has the three instances, as a watch left it at the
// time at which all tests begin.
func cached(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "web.json")
	run(t, func(s *Settings) { s.CacheFile = file }, func(*testing.T, *consul, *watched) {})
	return file
}

func TestTheCacheServesWhileConsulIsDown(t *testing.T) {
	file := cached(t)
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		c.behave(refuse)
		time.Sleep(23 * time.Hour)
		w := watch(t, c, func(s *Settings) { s.CacheFile = file })
		defer w.stop()
		select {
		case <-w.Ready():
		default:
			t.Fatal("it is not ready at once")
		}
		w.expect(instances(1, 3)...)
		confirmed := w.Snapshot().At
		if age := time.Since(confirmed).Round(time.Second); age != 23*time.Hour {
			t.Errorf("the set is told to be of %s ago", age)
		}
		time.Sleep(2 * time.Hour) // it does not become too old while it is in use
		w.expect(instances(1, 3)...)
		if s := w.Status(); s.Up || !s.FromCache || s.Answers != 0 {
			t.Errorf("the status is %+v, want one from the cache", s)
		}
		if got := readContent(t, file); !got.ConfirmedAt.Equal(confirmed) {
			t.Errorf("without an answer, the file is of %s, want %s", got.ConfirmedAt, confirmed)
		}

		// restarted empty: what the cache has is not believed to be gone at once either
		c.wipe()
		c.behave(nil)
		time.Sleep(mostBack)
		w.expect(instances(1, 3)...)
		c.put(instances(1, 3)...)
		time.Sleep(5 * time.Second)
		w.expect(instances(1, 3)...)
		if s := w.Status(); !s.Up || s.FromCache || s.EmptyBelieved != 0 {
			t.Errorf("the status is %+v, want it up", s)
		}
	})
}

// A set of the past is only a stopgap: who is not in the first answer is not held back.
func TestTheFirstAnswerReplacesTheCache(t *testing.T) {
	file := cached(t)
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		c.put(instance(9))
		c.behave(refuse)
		w := watch(t, c, func(s *Settings) { s.CacheFile = file })
		defer w.stop()
		synctest.Wait()
		w.expect(instances(1, 3)...)
		c.behave(nil)
		time.Sleep(time.Second)
		w.expect(instance(9))
		if s := w.Status(); s.FromCache || s.HeldTotal != 0 {
			t.Errorf("the status is %+v, want nobody held", s)
		}
	})
}

func TestWhatTheCacheHasIsCheckedAgain(t *testing.T) {
	file := cached(t)
	for name, test := range map[string]struct {
		change func(*Settings)
		spoil  func(string) string
		want   []lease.Instance // nil for no set
		tells  string
	}{
		"as it was": {nil, nil, instances(1, 3), ""},
		"allow":     {func(s *Settings) { s.Allow = prefixes("10.0.0.3/32") }, nil, instances(2, 1), ""},
		"stage":     {func(s *Settings) { s.Stage = "canary" }, nil, nil, ""},
		"too old":   {func(s *Settings) { s.CacheMaxAge = time.Minute }, nil, nil, "too old"},
		"from the future": {nil, func(text string) string {
			return strings.Replace(text, `"confirmed_at":"2000`, `"confirmed_at":"2031`, 1)
		}, nil, "too old"},
		"of another service": {nil, func(text string) string { return strings.Replace(text, "services/web/", "services/pay/", 1) }, nil, "another source"},
		"cut":                {nil, func(text string) string { return text[:len(text)/2] }, nil, "not readable"},
		"empty":              {nil, func(string) string { return "" }, nil, "not readable"},
		"one malformed":      {nil, func(text string) string { return strings.Replace(text, "10.0.0.3", "http:", 1) }, []lease.Instance{instance(1), instance(3)}, ""},
		"none":               {nil, func(text string) string { return strings.ReplaceAll(text, `"port":8080`, `"port":0`) }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(t.TempDir(), "copy.json")
			changed := string(text)
			if test.spoil != nil {
				if changed = test.spoil(changed); changed == string(text) {
					t.Fatal("the file was not changed")
				}
			}
			if err := os.WriteFile(copied, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(2 * time.Minute)
				c := newConsul()
				c.behave(refuse)
				w := watch(t, c, func(s *Settings) {
					s.CacheFile = copied
					if test.change != nil {
						test.change(s)
					}
				})
				defer w.stop()
				synctest.Wait()
				if test.want != nil {
					w.expect(test.want...)
				} else if set := w.Snapshot(); set != nil {
					t.Errorf("the set has %v, want none", ids(set.Instances))
				}
				if s := w.Status(); !strings.Contains(s.CacheError, test.tells) || (s.CacheError == "") != (test.tells == "") {
					t.Errorf("the cache's error is %q, want %q", s.CacheError, test.tells)
				}
				// and all is well with the first answer
				c.put(instance(9))
				c.behave(nil)
				time.Sleep(time.Minute)
				if s := w.Status(); s.CacheError != "" || !s.Up {
					t.Errorf("the status is %+v", s)
				}
			})
		})
	}
}

func readContent(t *testing.T, file string) content {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c content
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheCacheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.json")
	run(t, func(s *Settings) { s.CacheFile = file }, func(t *testing.T, c *consul, w *watched) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("the file's mode is %s, want that only its owner reads it", info.Mode())
		}
		written := func() string { return fmt.Sprint(len(readContent(t, file).Instances)) }

		// changes in quick succession are written together, the last of them too
		for n := range 5 {
			c.put(instance(4 + n))
			time.Sleep(1500 * time.Millisecond)
		}
		if got := written(); got != "3" {
			t.Errorf("%s instances in the file, want those of 7 s ago", got)
		}
		time.Sleep(4 * time.Second)
		if got := written(); got != "8" {
			t.Errorf("%s instances in the file, want 8", got)
		}

		// while nothing changes, and while only the load does, the file says how new it is
		before := readContent(t, file).ConfirmedAt
		busy := instance(1)
		for n := range 30 {
			busy.Load = float64(n)
			c.put(busy)
			time.Sleep(time.Minute)
		}
		if got := readContent(t, file).ConfirmedAt; got != before {
			t.Errorf("the file was written for the load")
		}
		time.Sleep(12 * time.Hour)
		if age := time.Since(readContent(t, file).ConfirmedAt); age > time.Hour+6*time.Minute {
			t.Errorf("the file says that it is of %s ago", age)
		}

		// an empty set is written when it is believed
		c.change(func() { clear(c.pairs) })
		time.Sleep(25 * time.Second)
		if got := written(); got != "8" {
			t.Errorf("%s instances in the file during the doubt, want 8", got)
		}
		time.Sleep(20 * time.Second)
		if got := written(); got != "0" {
			t.Errorf("%s instances in the file, want none", got)
		}

		c.put(instance(1))
		time.Sleep(2 * time.Second)
		c.put(instance(2))
		time.Sleep(2 * time.Second)
		if got := written(); got != "1" {
			t.Errorf("%s instances in the file, want one as long as the other is not due", got)
		}
		w.stop()
		if got := written(); got != "2" {
			t.Errorf("%s instances in the file after the end, want 2", got)
		}
		left, err := os.ReadDir(filepath.Dir(file))
		if err != nil || len(left) != 1 {
			t.Errorf("the directory has %v, %v; want the file alone", left, err)
		}
	})
}

func TestACacheFileThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	run(t, func(s *Settings) { s.CacheFile = filepath.Join(dir, "web.json") }, func(t *testing.T, c *consul, w *watched) {
		c.questions()
		time.Sleep(10 * time.Minute)
		if s := w.Status(); s.CacheError == "" || !s.Up {
			t.Errorf("the status is %+v, want an error of the cache alone", s)
		}
		if asked := len(c.questions()); asked > 61 {
			t.Errorf("%d questions in 10 minutes", asked)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		if s := w.Status(); s.CacheError != "" {
			t.Errorf("the status is %+v, want no error", s)
		}
		if len(w.log.all()) != 2 {
			t.Errorf("lines %q, want one for each change", w.log.all())
		}
	})
}

// Time that is spent in doubt does not make the set newer.
func TestADoubtDoesNotConfirmTheCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.json")
	run(t, func(s *Settings) { s.CacheFile, s.EmptyAfter = file, 10*time.Hour }, func(t *testing.T, c *consul, w *watched) {
		before := readContent(t, file)
		c.wipe()
		c.change(func() { c.index = 1000 })
		time.Sleep(9 * time.Hour)
		if w.Status().EmptySince.IsZero() {
			t.Fatal("there is no doubt")
		}
		if after := readContent(t, file); !after.ConfirmedAt.Equal(before.ConfirmedAt) {
			t.Errorf("the file is of %s, want %s", after.ConfirmedAt, before.ConfirmedAt)
		}
	})
}

func TestAFailedWriteLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "web.json")
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, func(s *Settings) { s.CacheFile = file }, func(t *testing.T, c *consul, w *watched) {
		if w.Status().CacheError == "" {
			t.Error("a directory is taken for the file")
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 1 {
			t.Errorf("there is %v, %v; want what was there before", left, err)
		}
	})
}
