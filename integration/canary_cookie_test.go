package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/cohort"
)

// inside is a cohort of the canary at 50 %, outside one that is not.
const (
	inside  cohort.Point = 1 << 62
	outside cohort.Point = 3 << 62
)

func weirCohort(value string) string { return "weir_cohort=" + value }

// Cookies that are well are followed, for their cohort or their pin; others are refused and
// replaced.
func TestCookiesOfARelease(t *testing.T) {
	t.Parallel()
	p := newPrecedence(t)
	in, out := canaryUsers(t)
	now := time.Now()
	soon := now.Add(time.Hour)
	good := p.signer.Seal(inside, now, soon)
	pin := func(stage string, key string) string {
		value, err := newSigner(t, canarySeed, key).SealPin(stage, now, soon)
		if err != nil {
			t.Fatal(err)
		}
		return weirCohort(value)
	}
	const foreignKey = "another key, of somebody else's"
	foreign := newSigner(t, canarySeed, foreignKey).Seal(inside, now, soon)
	otherSeed := newSigner(t, "another seed", canaryKey).Seal(inside, now, soon)
	altered := []byte(good)
	altered[40] = 'A' + (altered[40]-'A'+1)%26
	version := "Ag" + good[2:] // the first byte is 2

	for _, row := range []decisionRow{
		{name: "cohort of the canary", header: h("Cookie", weirCohort(good)), stage: "canary", reason: "cookie"},
		{name: "cohort of stable", header: h("Cookie", weirCohort(p.signer.Seal(outside, now, soon))), stage: "stable", reason: "cookie"},
		{name: "key before the cohort", header: h("Cookie", weirCohort(good), "X-User-Id", out), stage: "stable", reason: "key"},
		{name: "cohort after a key that is empty", header: h("Cookie", "uid=; "+weirCohort(good), "X-User-Id", ""), stage: "canary", reason: "cookie"},
		{name: "cohort whose time is half over", header: h("Cookie", weirCohort(p.signer.Seal(inside, now.Add(-40*time.Minute), now.Add(20*time.Minute)))), stage: "canary", reason: "cookie", cookie: "cohort"},

		{name: "pin before the key", header: h("Cookie", pin("preview", canaryKey), "X-User-Id", in), stage: "preview", reason: "pin"},
		{name: "pin after a rule", path: "v2/cart", header: h("Cookie", pin("preview", canaryKey)), stage: "canary", reason: "rule"},
		{name: "header after a pin", header: h("Cookie", pin("preview", canaryKey), stageHeader, "stable"), stage: "stable", reason: "header", cookie: "stable"},
		{name: "header for what is pinned", header: h("Cookie", pin("preview", canaryKey), stageHeader, "preview"), stage: "preview", reason: "header"},
		{name: "header of others after a pin", header: h("Cookie", pin("preview", canaryKey), stageHeader, "stable", "X-Forwarded-For", "192.0.2.7"), stage: "preview", reason: "pin", ignored: "untrusted"},
		{name: "pin to what has gone, and a key", header: h("Cookie", pin("beta", canaryKey), "X-User-Id", in), stage: "canary", reason: "key"},
		{name: "pin to what has gone, without a key", header: h("Cookie", pin("beta", canaryKey)), reason: "random", cookie: "cohort"},
		{name: "forged pin", header: h("Cookie", pin("preview", foreignKey), "X-User-Id", out), stage: "stable", reason: "key", badCookie: "signature"},

		{name: "signed by others", header: h("Cookie", weirCohort(foreign)), reason: "random", cookie: "cohort", badCookie: "signature"},
		{name: "for another seed", header: h("Cookie", weirCohort(otherSeed)), reason: "random", cookie: "cohort", badCookie: "signature"},
		{name: "altered", header: h("Cookie", weirCohort(string(altered))), reason: "random", cookie: "cohort", badCookie: "signature"},
		{name: "expired", header: h("Cookie", weirCohort(p.signer.Seal(inside, now.Add(-time.Hour), now.Add(-time.Second)))), reason: "random", cookie: "cohort", badCookie: "expired"},
		{name: "from the future", header: h("Cookie", weirCohort(p.signer.Seal(inside, now.Add(time.Hour), now.Add(2*time.Hour)))), reason: "random", cookie: "cohort", badCookie: "not_yet"},
		{name: "of another version", header: h("Cookie", weirCohort(version)), reason: "random", cookie: "cohort", badCookie: "version"},
		{name: "not base64", header: h("Cookie", weirCohort("c*n*ry")), reason: "random", cookie: "cohort", badCookie: "malformed"},
		{name: "name of a stage", header: h("Cookie", weirCohort("AQ")), reason: "random", cookie: "cohort", badCookie: "malformed"},
		{name: "cut off", header: h("Cookie", weirCohort(good[:20])), reason: "random", cookie: "cohort", badCookie: "malformed"},
		{name: "longer than any", header: h("Cookie", weirCohort(good+strings.Repeat("A", 16_000))), reason: "random", cookie: "cohort", badCookie: "malformed"},
		{name: "empty", header: h("Cookie", weirCohort("")), reason: "random", cookie: "cohort", badCookie: "malformed"},
		{name: "name alone", header: h("Cookie", "weir_cohort"), reason: "random", cookie: "cohort", badCookie: "malformed"},
		{name: "none in what looks like one", header: h("Cookie", "; =; \"weir_cohort\"=1; Weir_Cohort=1"), reason: "random", cookie: "cohort"},
		{name: "the first of two", header: h("Cookie", weirCohort(good)+"; "+weirCohort(foreign)), stage: "canary", reason: "cookie"},
	} {
		p.check(row)
	}
}

// strictRelease is one whose gateway does not know the proxy in front of it, and that refuses
// stages it does not have.
func strictRelease(t *testing.T) (*Gateway, *release, [2]*version) {
	t.Helper()
	stable, canary := newVersion(t, "stable", 0), newVersion(t, "canary", 0)
	r := newRelease(t, "header X-Stage-Wanted {\ntrust private_ranges\nstrict\n}", stageShown)
	r.Site = []string{"log {\noutput stderr\n}"}
	r.stage("stable", "", to(stable)).stage("canary", "0%", to(canary))
	return r.start(t), r, [2]*version{stable, canary}
}

func TestStrictHeadersAndAProxyThatIsNotKnown(t *testing.T) {
	t.Parallel()
	g, r, versions := strictRelease(t)
	client := NewClient(1)
	defer client.CloseIdleConnections()
	const wanted = "X-Stage-Wanted"
	for name, header := range map[string]http.Header{
		"unknown stage": h(wanted, "beta"),
		"two stages":    h(wanted, "canary", wanted, "stable"),
		"long":          h(wanted, strings.Repeat("canary", 3000)),
	} {
		a := ask(t, client, r.URL(), header)
		wantProblem(t, a, http.StatusBadRequest)
		if strings.Contains(a.Body, "canarycanary") || strings.Contains(a.Body, "beta") {
			t.Errorf("%s: the answer repeats the header: %s", name, a.Body)
		}
		if vary := a.Header.Get("Vary"); vary != wanted {
			t.Errorf("%s: Vary is %q", name, vary)
		}
	}
	if n := versions[0].got.Load() + versions[1].got.Load(); n != 0 {
		t.Errorf("back ends got %d requests that were refused", n)
	}
	if n := g.Metrics().Sum("gateway_canary_ignored_headers_total", "reason", "unknown"); n != 3 {
		t.Errorf("%v headers are counted as unknown, want 3", n)
	}

	stageOf := func(header http.Header) string {
		t.Helper()
		a := ask(t, client, r.URL(), header)
		if s := readSeen(t, a); s.Stage != nil && s.Stage[0] != s.Version {
			t.Errorf("the back end %s is told %q", s.Version, s.Stage)
		}
		return a.Header.Get("X-Stage")
	}
	if got := stageOf(h(wanted, "canary")); got != "canary" {
		t.Errorf("a trusted client that asks for the canary gets %s", got)
	}
	// whoever is behind a proxy has its address, which is trusted
	proxied := []http.Header{
		h("X-Forwarded-For", "10.1.2.3"), h("Forwarded", "for=10.1.2.3"), h("Via", "1.1 proxy"), h("X-Real-Ip", "10.1.2.3"),
	}
	for _, header := range proxied {
		header.Set(wanted, "canary")
		if got := stageOf(header); got != "stable" {
			t.Errorf("with %v a client behind an unknown proxy gets %s", header, got)
		}
		header.Set(wanted, "beta") // not even refused: it has no say
		if got := stageOf(header); got != "stable" {
			t.Errorf("with %v a client behind an unknown proxy gets %s", header, got)
		}
	}
	if n := g.Metrics().Sum("gateway_canary_ignored_headers_total", "reason", "untrusted"); n != 8 {
		t.Errorf("%v headers are counted as untrusted, want 8", n)
	}
	if n := strings.Count(g.Log(), "came through a proxy and is not followed"); n != 1 {
		t.Errorf("it is warned %d times of the proxy, want once", n)
	}
}

// Without directives the stages only decide: release_stage and the placeholders route.
func TestStagesWithoutDirectivesRouteWhatComesAfter(t *testing.T) {
	t.Parallel()
	stable, canary := newVersion(t, "stable", 0), newVersion(t, "canary", 0)
	r := newRelease(t, canaryUser)
	r.Stages = []string{"stage stable", "stage canary 50%", "stage preview 0%"}
	r.After = []string{
		"header >X-Decided \"{http.canary.checkout.stage} by {http.canary.checkout.reason}\"",
		"@new release_stage checkout canary preview",
		"reverse_proxy @new " + canary.Address,
		"reverse_proxy " + stable.Address,
	}
	r.start(t)
	client := NewClient(1)
	defer client.CloseIdleConnections()
	in, out := canaryUsers(t)
	for user, want := range map[string]string{in: "canary", out: "stable"} {
		a := ask(t, client, r.URL(), h("X-User-Id", user, stageHeader, "preview"))
		s := readSeen(t, a)
		if s.Version != want || len(s.Stage) != 1 || s.Stage[0] != want || a.Header.Get("X-Decided") != want+" by key" {
			t.Errorf("%s got it, told %q, decided %q; want %s", s.Version, s.Stage, a.Header.Get("X-Decided"), want)
		}
	}
}
