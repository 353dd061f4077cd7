package integration

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

const manyUsers = 1000

// userID is the id of the nth user.
func userID(n int) string { return fmt.Sprint("user-", n) }

// stagesOf asks for everybody's stage. Requests have the user's id and, besides, other headers.
func stagesOf(t *testing.T, r *release, other func(n int) http.Header) []string {
	t.Helper()
	const clients = 4
	stages := make([]string, manyUsers)
	failures := make(chan string, manyUsers)
	var asking sync.WaitGroup
	for first := range clients {
		asking.Go(func() {
			client := NewClient(1)
			defer client.CloseIdleConnections()
			for n := first; n < manyUsers; n += clients {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL(), nil)
				for again := 0; err == nil && again <= connectAgain && stages[n] == ""; again++ {
					request.Header = other(n)
					request.Header.Set("X-User-Id", userID(n))
					if a, failed := do(client, request); failed == nil && a.Status == http.StatusOK {
						stages[n] = a.Header.Get("X-Stage")
					}
				}
				if stages[n] != "" {
					continue
				}
				failures <- fmt.Sprint("user ", n, " gets no answer")
			}
		})
	}
	asking.Wait()
	close(failures)
	for failure := range failures {
		t.Fatal(failure)
	}
	return stages
}

// desk and phone are two devices; the phone has been there before.
func desk(int) http.Header { return h("User-Agent", "desk") }

func phone(n int) http.Header {
	return h("User-Agent", "phone", "Cookie", fmt.Sprint("weir_cohort=of-another-user; session=", n))
}

// wantShare checks how many users have the canary, to three deviations, and counts them.
func wantShare(t *testing.T, when string, stages []string, share float64) int {
	t.Helper()
	n := 0
	for _, stage := range stages {
		if stage == "canary" {
			n++
		}
	}
	want, deviation := manyUsers*share, math.Sqrt(manyUsers*share*(1-share))
	if math.Abs(float64(n)-want) > 3*deviation {
		t.Errorf("%s: %d of %d users have the canary, want %.0f±%.1f", when, n, manyUsers, want, 3*deviation)
	}
	return n
}

// The same users have the same stage wherever and whenever they come, and a raise takes nobody
// out.
func TestUsersKeepTheirStage(t *testing.T) {
	t.Parallel()
	stable, canary := newVersion(t, "stable", 0), newVersion(t, "canary", 0)
	gateways := make([]*Gateway, 2)
	releases := make([]*release, 2)
	for i := range releases {
		r := newRelease(t, canaryUser, "cookie weir_cohort {\nkeys \""+canaryKey+"\"\n}", stageShown)
		releases[i] = r.stage("stable", "", to(stable)).stage("canary", "5%", to(canary))
		gateways[i] = r.start(t)
	}
	g, r := gateways[0], releases[0]
	first := stagesOf(t, r, desk)
	n := wantShare(t, "at 5 %", first, 0.05)
	same := func(when string, stages []string) {
		t.Helper()
		if !slices.Equal(stages, first) {
			t.Errorf("%s users have other stages", when)
		}
	}
	same("at another gateway", stagesOf(t, releases[1], desk))
	same("on another device", stagesOf(t, r, phone))
	g.MustLoad(strings.Replace(r.Caddyfile(), stageShown, stageShown+"\nrule /v2/* canary", 1))
	same("after a reload", stagesOf(t, r, desk))
	g.Stop()
	g.Run(r.Caddyfile())
	same("after a restart", stagesOf(t, r, phone))

	decideCanary(t, g, `{"share":{"canary":10}}`)
	raised := stagesOf(t, r, desk)
	tenth := wantShare(t, "at 10 %", raised, 0.1)
	for i := range first {
		if first[i] == "canary" && raised[i] != "canary" {
			t.Errorf("user %d had the canary at 5 %% and has %s at 10 %%", i, raised[i])
		}
	}
	g.MustLoad(r.Caddyfile())
	g.Stop()
	g.Run(r.Caddyfile())
	if !slices.Equal(stagesOf(t, r, desk), raised) {
		t.Error("after a reload and a restart the operator's 10 % hold no longer")
	}
	decideCanary(t, g, `{"share":{"canary":5}}`)
	same("back at 5 %", stagesOf(t, r, desk))
	for percent, want := range map[string]int{"0": 0, "100": manyUsers} {
		decideCanary(t, g, `{"share":{"canary":`+percent+`}}`)
		got := 0
		for _, stage := range stagesOf(t, r, desk) {
			if stage == "canary" {
				got++
			}
		}
		if got != want {
			t.Errorf("at %s %% %d of %d users have the canary", percent, got, manyUsers)
		}
	}
	t.Logf("of %d users %d have the canary at 5 %%, %d at 10 %%", manyUsers, n, tenth)
}

// stranger is a client that nothing tells from others but its cookie.
type stranger struct {
	client *http.Client
	cookie string
	stage  string
}

// visit has the stranger come again, and reports whether it was given a cookie.
func (s *stranger) visit(t *testing.T, r *release) bool {
	t.Helper()
	header := make(http.Header)
	if s.cookie != "" {
		header.Set("Cookie", s.cookie)
	}
	a := ask(t, s.client, r.URL(), header)
	s.stage = a.Header.Get("X-Stage")
	if cookies := (&http.Response{Header: a.Header}).Cookies(); len(cookies) > 0 {
		s.cookie = cookies[0].Name + "=" + cookies[0].Value
		return true
	}
	return false
}

// A client without a key keeps its cohort by the cookie: over a restart, and over another
// signing key as long as the one before is still good.
func TestStrangersKeepTheirStageByTheCookie(t *testing.T) {
	t.Parallel()
	stable, canary := newVersion(t, "stable", 0), newVersion(t, "canary", 0)
	const newKey = "the second key, which is as long"
	with := func(keys string) *release {
		r := newRelease(t, canaryUser, "cookie weir_cohort {\nkeys "+keys+"\n}", stageShown)
		return r.stage("stable", "", to(stable)).stage("canary", "50%", to(canary))
	}
	r := with(`"` + canaryKey + `"`)
	g := r.start(t)
	client := NewClient(1)
	defer client.CloseIdleConnections()
	strangers := make([]*stranger, 30)
	before := make([]string, len(strangers))
	had := make(map[string]int)
	for i := range strangers {
		strangers[i] = &stranger{client: client}
		if !strangers[i].visit(t, r) {
			t.Fatal("a stranger gets no cookie")
		}
		before[i] = strangers[i].stage
		had[before[i]]++
	}
	if had["stable"] == 0 || had["canary"] == 0 { // once in 2^29 runs
		t.Fatalf("strangers have %v", had)
	}
	keep := func(when string) {
		t.Helper()
		for i, s := range strangers {
			if given := s.visit(t, r); given || s.stage != before[i] {
				t.Errorf("%s: stranger %d had %s and has %s; given another cookie: %v", when, i, before[i], s.stage, given)
			}
		}
	}
	keep("at once")
	g.Stop()
	g.Run(r.Caddyfile())
	keep("after a restart")
	rotated := strings.Replace(r.Caddyfile(), `keys "`+canaryKey+`"`, `keys "`+newKey+`" "`+canaryKey+`"`, 1)
	g.MustLoad(rotated)
	keep("after the key was changed")
	fresh := &stranger{client: client}
	fresh.visit(t, r)

	// promotions reach those who have a cookie at once, and so do rollbacks
	for percent, want := range map[string]string{"0": "stable", "100": "canary"} {
		decideCanary(t, g, `{"share":{"canary":`+percent+`}}`)
		for _, s := range strangers {
			if s.visit(t, r); s.stage != want {
				t.Errorf("at %s %% a stranger has %s", percent, s.stage)
			}
		}
	}
	decideCanary(t, g, `{"share":{"canary":50}}`)

	g.MustLoad(strings.Replace(rotated, ` "`+canaryKey+`"`, "", 1))
	for _, s := range strangers {
		if !s.visit(t, r) {
			t.Error("without the old key its cookies are still good")
		}
	}
	if fresh.visit(t, r) {
		t.Error("a cookie that the new key has signed is replaced")
	}
	if log := g.Log(); strings.Contains(log, canaryKey) || strings.Contains(log, newKey) {
		t.Error("the log holds a signing key")
	}
	if shown := g.Get("/governance/canaries/").Body; strings.Contains(shown, newKey) {
		t.Error("the admin API shows a signing key")
	}
}
