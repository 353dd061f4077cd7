package integration

// canary_load_test.go plays the clients of a release, and looks at what they saw.

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/rollout"
)

// visit is one request as its client saw it.
type visit struct {
	user      int
	sent, got time.Time
	stage     string
	version   string
	status    int
	bad       string // the version that says the failure is its own
	failure   string // of the connection, before any answer
}

// visitors are users who come again and again, each with an id of its own.
type visitors struct {
	t      testing.TB
	target string
	client *http.Client
	stop   context.CancelFunc
	ended  sync.WaitGroup

	mu   sync.Mutex
	seen []visit
}

// visitSite has users, that many, send rate requests a second between them, whether answers
// come or not, until they are stopped, at the end of the test at the latest.
func visitSite(t testing.TB, target string, users int, rate float64) *visitors {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	v := &visitors{t: t, target: target, client: NewClient(breakerClients), stop: stop}
	v.ended.Go(func() {
		start := time.Now()
		for i := 0; ; i++ {
			due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				return
			}
			v.ended.Go(func() { v.visit(context.WithoutCancel(ctx), rand.IntN(users)) })
		}
	})
	t.Cleanup(func() { v.leave() })
	return v
}

// leave ends the visits and returns all of them, in the order in which they began.
func (v *visitors) leave() []visit {
	v.stop()
	v.ended.Wait()
	v.client.CloseIdleConnections()
	slices.SortFunc(v.seen, func(a, b visit) int { return a.sent.Compare(b.sent) })
	return v.seen
}

func (v *visitors) visit(ctx context.Context, user int) {
	s := visit{user: user, sent: time.Now()}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.target, nil)
	var res *http.Response
	if err == nil {
		r.Header.Set("X-User-Id", fmt.Sprint("user-", user))
		res, err = v.client.Do(r)
	}
	if err == nil {
		s.stage, s.version = res.Header.Get("X-Stage"), res.Header.Get(answeredBy)
		s.status, s.bad = res.StatusCode, res.Header.Get(failedBy)
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	if err != nil {
		s.failure = describe(err)
	}
	s.got = time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen = append(v.seen, s)
}

// count is how many visits are over.
func (v *visitors) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.seen)
}

// more waits for that many visits more, and returns the time from which they were sent.
func (v *visitors) more(n int) time.Time {
	v.t.Helper()
	// what is under way now was sent before
	from, since := v.count()+mostUnderWay, time.Now()
	if !Eventually(30*time.Second, func() bool { return v.count() >= from+n }) {
		v.t.Fatal("the visits have stopped")
	}
	return since
}

// mostUnderWay is more visits than are under way at once if all is well.
const mostUnderWay = 20

// checkVisits counts the failures that no version has said to be its own. What a reload does
// to new connections (see Result.Unanswered) it lets pass shortly after one.
func checkVisits(t *testing.T, when string, seen []visit, reloads ...time.Time) {
	t.Helper()
	bad, atReload := 0, 0
	others := make(map[string]int)
	for i := range seen {
		switch s := &seen[i]; {
		case s.bad != "":
			bad++
		case s.failure == "" && s.status == http.StatusOK:
		case s.failure != "" && slices.ContainsFunc(reloads, func(at time.Time) bool {
			return s.got.After(at) && s.sent.Before(at.Add(2*time.Second))
		}):
			atReload++
		default:
			others[fmt.Sprint(s.status, " ", s.failure)]++
		}
	}
	t.Logf("%s: %d requests, %d failed by the bad version itself, %d connections reset by a reload, %d other failures",
		when, len(seen), bad, atReload, len(others))
	if len(others) > 0 {
		t.Errorf("%s: clients saw failures that no version has to answer for: %v", when, others)
	}
}

// checkNobodyMovesBack looks for users who had the canary and then stable while shares only
// grew.
func checkNobodyMovesBack(t *testing.T, seen []visit) {
	t.Helper()
	had := make(map[int]time.Time) // since when a user has the canary for sure
	moved, again := 0, 0
	for i := range seen { // in the order in which they were sent
		s := &seen[i]
		since, isIn := had[s.user]
		switch {
		case s.stage == "canary" && (!isIn || s.got.Before(since)):
			had[s.user] = s.got
		case isIn && s.sent.After(since):
			again++
			if s.stage != "canary" {
				moved++
			}
		}
	}
	if moved > 0 || again == 0 {
		t.Errorf("of %d visits of users who had the canary %d got another stage", again, moved)
	}
}

// wantStage checks that everybody who was sent since a time got that stage.
func wantStage(t *testing.T, when string, seen []visit, since time.Time, stage string) {
	t.Helper()
	n := 0
	others := make(map[string]int)
	for i := range seen {
		if seen[i].sent.After(since) && seen[i].failure == "" {
			n++
			if seen[i].stage != stage {
				others[seen[i].stage]++
			}
		}
	}
	if n == 0 || len(others) > 0 {
		t.Errorf("%s: of %d visits these got another stage than %s: %v", when, n, stage, others)
	}
}

// evidence is when what clients saw of a bad canary was enough to take it back for errors: a
// guard that looks at each answer would have done so then. It is zero if it never was.
func evidence(seen []visit, since time.Time, bad *version) time.Time {
	settings := rollout.DefaultSettings()
	settings.Interval = 1            // it looks each time
	settings.MinRequests = 1_000_000 // and never compares afresh, nor latencies
	guard := rollout.New(settings, 0.5, since)
	answered := slices.SortedFunc(slices.Values(seen), func(a, b visit) int { return a.got.Compare(b.got) })
	for i := range answered {
		s := &answered[i]
		isBad := s.version == bad.Name
		if !s.sent.After(since) || s.failure != "" || isBad != (s.stage == "canary") {
			continue // the last one is of the canary before
		}
		side := rollout.Stable
		if isBad {
			side = rollout.Canary
		}
		guard.Start(side).End(s.got.Sub(s.sent), s.status >= 500)
		if v, _ := guard.Advance(s.got); v.Action == rollout.Rollback {
			return s.got
		}
	}
	return time.Time{}
}
