package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/rollout"
)

// postBody sends a body and returns the answer.
func postBody(t *testing.T, client *http.Client, target string, body []byte, header http.Header) *Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	a, err := do(client, r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fallen is a release whose canary, which everybody has, cannot answer.
type fallen struct {
	*Gateway
	release        *release
	stable, canary *version
}

func newFallen(t *testing.T, canaryLines ...string) *fallen {
	t.Helper()
	f := &fallen{stable: newVersion(t, "stable", 0), canary: newVersion(t, "canary", 0)}
	f.release = newRelease(t, canaryUser, stageShown)
	f.release.stage("stable", "", to(f.stable)).stage("canary", "100%", canaryLines...)
	for i, line := range f.release.Stages {
		f.release.Stages[i] = strings.ReplaceAll(line, "CANARY", f.canary.Address)
	}
	f.Gateway = f.release.start(t)
	return f
}

// allAnswered sends requests with and without bodies, and checks that stable answers all of them.
func (f *fallen) allAnswered(t *testing.T) {
	t.Helper()
	client := NewClient(2)
	defer client.CloseIdleConnections()
	before := f.Metrics()
	reached := f.canary.got.Load()
	n := 0
	check := func(a *Answer, length int, sum string) {
		t.Helper()
		n++
		s := readSeen(t, a)
		if s.Version != "stable" || len(s.Stage) != 1 || s.Stage[0] != "stable" || len(s.Fallback) != 1 || s.Fallback[0] != "canary" ||
			a.Header.Get("X-Stage") != "stable" {
			t.Errorf("%+v answered, as %s; want it to know that it answers for the canary", s, a.Header.Get("X-Stage"))
		}
		if s.Length != int64(length) || sum != "" && s.Sum != sum {
			t.Errorf("of a body of %d bytes stable got %d, or others", length, s.Length)
		}
	}
	for range 200 {
		check(ask(t, client, f.release.URL()+"cart", nil), 0, "")
	}
	// nobody has read the last one, so it need not be kept
	for _, size := range []int{1, 10 << 10, 60 << 10, 1 << 20} {
		body := bytes.Repeat([]byte("a body, "), size/8+1)[:size]
		sum := sha256.Sum256(body)
		check(postBody(t, client, f.release.URL()+"cart", body, nil), size, hex.EncodeToString(sum[:]))
	}
	after := f.Metrics()
	fallbacks := after.Sum("gateway_canary_fallbacks_total", "stage", "canary") - before.Sum("gateway_canary_fallbacks_total", "stage", "canary")
	answers := after.Sum("gateway_canary_responses_total", "stage", "stable", "class", "2xx") -
		before.Sum("gateway_canary_responses_total", "stage", "stable", "class", "2xx")
	if fallbacks != float64(n) || answers != float64(n) {
		t.Errorf("%d requests fell back; %v are counted, and %v answers of stable", n, fallbacks, answers)
	}
	if got := f.canary.got.Load() - reached; got != 0 {
		t.Errorf("the canary got %d requests all the same", got)
	}
	t.Logf("%d requests, all answered by stable", n)
}

// answersAgain waits until the canary answers.
func (f *fallen) answersAgain(t *testing.T) {
	t.Helper()
	client := NewClient(1)
	defer client.CloseIdleConnections()
	if !Eventually(20*time.Second, func() bool { return ask(t, client, f.release.URL(), nil).Header.Get("X-Stage") == "canary" }) {
		t.Error("the canary is well again, and gets nothing")
	}
}

func TestStableAnswersForADeadCanary(t *testing.T) {
	t.Parallel()
	f := newFallen(t, "reverse_proxy CANARY")
	f.canary.Die()
	f.allAnswered(t)
	f.canary.Revive()
	f.answersAgain(t)
}

func TestStableAnswersWhileTheCanarysBreakerIsOpen(t *testing.T) {
	t.Parallel()
	f := newFallen(t, "breaker cart {\nconsecutive 3\nopen_for 2m 2m\n}\nreverse_proxy CANARY")
	client := NewClient(1)
	defer client.CloseIdleConnections()
	f.canary.failing(1)
	for range 3 { // they have reached the canary, and are its own
		if a := ask(t, client, f.release.URL(), nil); a.Status != http.StatusInternalServerError || a.Header.Get(failedBy) != "canary" {
			t.Fatalf("before the breaker opens: %d %s", a.Status, a.Body)
		}
	}
	if n := f.stable.got.Load(); n != 0 {
		t.Errorf("stable got %d requests that the canary had failed", n)
	}
	f.allAnswered(t)
	f.canary.failing(0)
	if a := f.Post("/governance/breakers/cart", `{"state":"disabled","ttl":"1h"}`); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	f.answersAgain(t)
}

func TestStableAnswersWhileTheCanarysPoolIsEmpty(t *testing.T) {
	t.Parallel()
	f := newFallen(t, "reverse_proxy CANARY {\nlb_policy success_weighted {\nname cart\n}\n}")
	upstream := "/governance/pools/cart/upstreams/" + f.canary.Address
	if a := f.Post(upstream, `{"drain":true}`); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	f.allAnswered(t)
	if a := f.Post(upstream, `{"drain":false}`); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	f.answersAgain(t)
}

func TestStableAnswersWhileTheCanarysPoolIsUnhealthy(t *testing.T) {
	t.Parallel()
	f := newFallen(t, "reverse_proxy CANARY {\nfail_duration 2m\nmax_fails 1\nunhealthy_status 5xx\n}")
	client := NewClient(1)
	defer client.CloseIdleConnections()
	f.canary.failing(1)
	if a := ask(t, client, f.release.URL(), nil); a.Header.Get(failedBy) != "canary" {
		t.Fatalf("before the canary is known to fail: %d %s", a.Status, a.Body)
	}
	f.allAnswered(t)
}

// What has reached the canary is not sent anywhere else, and what stable cannot answer neither.
func TestRequestsAreNotRepeated(t *testing.T) {
	t.Parallel()
	stable, canary := newVersion(t, "stable", 0), newVersion(t, "canary", 0)
	r := newRelease(t, canaryUser, stageShown, "rule /stable stable")
	r.stage("stable", "", to(stable)).stage("canary", "100%", to(canary)).start(t)
	client := NewClient(1)
	defer client.CloseIdleConnections()
	body := bytes.Repeat([]byte("a body, "), 10<<10/8)

	canary.breaks.Store(true)
	if a := postBody(t, client, r.URL(), body, nil); a.Status != http.StatusBadGateway {
		t.Errorf("a canary that hangs up answers %d %s", a.Status, a.Body)
	}
	canary.breaks.Store(false)
	canary.failing(1)
	if a := postBody(t, client, r.URL(), body, nil); a.Status != http.StatusInternalServerError || a.Header.Get(failedBy) != "canary" {
		t.Errorf("a canary that fails answers %d %s", a.Status, a.Body)
	}
	if c, s := canary.got.Load(), stable.got.Load(); c != 2 || s != 0 {
		t.Errorf("two POSTs reached the canary %d times, and stable %d times", c, s)
	}

	canary.failing(0)
	stable.Die()
	for range 20 {
		if a := ask(t, client, r.URL()+"stable", nil); a.Status != http.StatusBadGateway || a.Header.Get("X-Stage") != "stable" {
			t.Errorf("a dead stable answers %d %s", a.Status, a.Body)
		}
	}
	if n := canary.got.Load(); n != 2 {
		t.Errorf("the canary got %d requests of stable's", n-2)
	}
	// both dead: the failure is the client's, and nothing goes in circles
	canary.Die()
	if a := ask(t, client, r.URL(), nil); a.Status != http.StatusBadGateway {
		t.Errorf("with both dead: %d %s", a.Status, a.Body)
	}
}

// A canary that dies under load is rolled back, and nobody sees an error.
func TestACanaryThatDiesIsRolledBack(t *testing.T) {
	stable, canary := newVersion(t, "stable", 5*time.Millisecond), newVersion(t, "canary", 5*time.Millisecond)
	r := newRelease(t, canaryUser, stageShown, "guard {\nsteps 20%\ninterval 1s\nmin_requests 20\n}")
	g := r.stage("stable", "", to(stable)).stage("canary", "20%", to(canary)).start(t)
	users := visitSite(t, r.URL(), 500, 200)
	users.more(100)
	died := time.Now()
	canary.Die()
	dead := time.Now()
	f := flow{promoted: 20 * time.Second}
	s := f.waitForRollback(t, g, rollout.RuleErrors)
	users.more(100)
	seen := users.leave()
	// what was on its way to the canary when it died is lost with it
	lost := 0
	for i := range seen {
		if v := &seen[i]; v.status == http.StatusBadGateway && v.sent.Before(dead.Add(100*time.Millisecond)) && v.got.After(died) {
			v.bad = "canary"
			lost++
		}
	}
	checkVisits(t, "died", seen)
	if n := g.Metrics().Sum("gateway_canary_fallbacks_total", "stage", "canary"); n == 0 {
		t.Error("no fallback is counted")
	}
	if lost > mostUnderWay {
		t.Errorf("%d requests were lost with the canary", lost)
	}
	t.Logf("rolled back %.2f s after the canary died; %d requests were under way to it then", s.Rollout.Failure.At.Sub(died).Seconds(), lost)
}
