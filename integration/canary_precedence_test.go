package integration

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/cohort"
)

// canaryUsers are ids of a user whose cohort is the canary at 50 %, and of one whose is not.
func canaryUsers(t *testing.T) (in, out string) {
	t.Helper()
	hasher := cohort.NewHasher(canarySeed)
	for i := 0; in == "" || out == ""; i++ {
		id := userID(i)
		if hasher.Point(id).Fraction() < 0.5 {
			in = id
		} else {
			out = id
		}
	}
	return in, out
}

// precedence is a gateway with all that can decide.
type precedence struct {
	*Gateway
	t      *testing.T
	target string
	client *http.Client
	signer *cohort.Signer
}

// newPrecedence starts it, behind a proxy that it knows. preview is for those who are sent
// there alone.
func newPrecedence(t *testing.T) *precedence {
	t.Helper()
	stable, canary, preview := newVersion(t, "stable", 0), newVersion(t, "canary", 0), newVersion(t, "preview", 0)
	r := newRelease(t,
		"header X-Release-Stage {\ntrust 127.0.0.1/8 10.0.0.0/8\npin\n}",
		"rule /v2/* canary",
		"rule /legal/* stable",
		"rule preview {\nheader X-Beta yes\n}",
		"key {header.X-User-Id} {cookie.uid}",
		"cookie weir_cohort {\nkeys \""+canaryKey+"\"\nmax_age 1h\n}",
		stageShown)
	r.Global = []string{"servers {\ntrusted_proxies static 127.0.0.1/32\n}"}
	r.Site = []string{"log {\noutput stderr\n}"}
	r.stage("stable", "", to(stable)).stage("canary", "50%", to(canary)).stage("preview", "0%", to(preview))
	p := &precedence{Gateway: r.start(t), t: t, target: r.URL(), client: NewClient(1), signer: newSigner(t, canarySeed, canaryKey)}
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

func newSigner(t *testing.T, seed, key string) *cohort.Signer {
	t.Helper()
	signer, err := cohort.NewSigner("checkout\x00"+seed, []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// decisionRow is a request and what is to come of it.
type decisionRow struct {
	name   string
	path   string // without the first slash
	header http.Header
	stage  string // empty for any
	reason string
	// cookie is what the answer's cookie is to hold: empty for none, cohort, or the stage of a pin.
	cookie string
	// ignored and badCookie are labels of what is counted besides.
	ignored, badCookie string
}

// check sends the request and looks at what the back end got, what the client got, and what was
// counted.
func (p *precedence) check(row decisionRow) {
	t := p.t
	t.Helper()
	before := p.Metrics()
	a := ask(t, p.client, p.target+row.path, row.header)
	after := p.Metrics()
	if a.Status != http.StatusOK {
		t.Errorf("%s: %d %s", row.name, a.Status, a.Body)
		return
	}
	seen, shown := readSeen(t, a), a.Header.Get("X-Stage")
	if row.stage != "" && seen.Version != row.stage || !slices.Equal(seen.Stage, []string{seen.Version}) || seen.Fallback != nil {
		t.Errorf("%s: version %s got X-Release-Stage %q and fallback %q, want stage %q", row.name, seen.Version, seen.Stage, seen.Fallback, row.stage)
	}
	if shown != seen.Version {
		t.Errorf("%s: the client is told %q, and %s answered", row.name, shown, seen.Version)
	}
	vary := strings.Join(a.Header["Vary"], ", ")
	for _, name := range []string{"X-Release-Stage", "Cookie", "X-User-Id"} {
		if strings.Count(vary, name) != 1 {
			t.Errorf("%s: Vary is %q, want %s in it once", row.name, vary, name)
		}
	}
	p.checkCookie(row, a)
	counted := func(metric string, labels ...string) float64 {
		return after.Sum(metric, labels...) - before.Sum(metric, labels...)
	}
	if all, its := counted("gateway_canary_requests_total"),
		counted("gateway_canary_requests_total", "canary", "checkout", "stage", seen.Version, "reason", row.reason); all != 1 || its != 1 {
		t.Errorf("%s: not counted as %s for %s but as %v", row.name, seen.Version, row.reason,
			after.Series("gateway_canary_requests_total"))
	}
	if n := counted("gateway_canary_responses_total", "stage", seen.Version, "class", "2xx"); n != 1 {
		t.Errorf("%s: %v answers are counted, want 1", row.name, n)
	}
	for metric, reason := range map[string]string{
		"gateway_canary_ignored_headers_total": row.ignored, "gateway_canary_bad_cookies_total": row.badCookie,
	} {
		all, its, want := counted(metric), counted(metric, "reason", reason), 0.0
		if reason != "" {
			want = 1
		}
		if all != want || reason != "" && its != want {
			t.Errorf("%s: %s is %v, want one more for %q: %v", row.name, metric, all, reason, after.Series(metric))
		}
	}
}

// checkCookie looks at the cookie of an answer.
func (p *precedence) checkCookie(row decisionRow, a *Answer) {
	t := p.t
	t.Helper()
	cookies := (&http.Response{Header: a.Header}).Cookies()
	if row.cookie == "" {
		if len(cookies) > 0 {
			t.Errorf("%s: the answer sets %v", row.name, cookies)
		}
		return
	}
	if len(cookies) != 1 {
		t.Errorf("%s: the answer sets %v, want one cookie", row.name, cookies)
		return
	}
	c := cookies[0]
	isSecure := row.header.Get("X-Forwarded-Proto") == "https"
	if c.Name != "weir_cohort" || c.Path != "/" || c.Domain != "" || c.MaxAge != 3600 || !c.HttpOnly ||
		c.SameSite != http.SameSiteLaxMode || c.Secure != isSecure {
		t.Errorf("%s: the cookie is %v", row.name, c)
	}
	claim, err := p.signer.Open(c.Value, time.Now())
	if want := strings.TrimPrefix(row.cookie, "cohort"); err != nil || claim.Stage != want {
		t.Errorf("%s: the cookie says %+v, %v; want %s", row.name, claim, err, row.cookie)
	}
}

// h makes a header of names and values that alternate.
func h(pairs ...string) http.Header {
	header := make(http.Header)
	for i := 0; i < len(pairs); i += 2 {
		header.Add(pairs[i], pairs[i+1])
	}
	return header
}

const stageHeader = "X-Release-Stage"

// What decides, in its order: the header of those who are trusted, rules, and the cohort.
func TestWhatDecidesAboutAStage(t *testing.T) {
	t.Parallel()
	p := newPrecedence(t)
	in, out := canaryUsers(t)
	long := strings.Repeat("canary", 3000)
	rows := []decisionRow{
		{name: "trusted header", header: h(stageHeader, "preview"), stage: "preview", reason: "header", cookie: "preview"},
		{name: "trusted header before a rule", path: "v2/cart", header: h(stageHeader, "stable"), stage: "stable", reason: "header", cookie: "stable"},
		{name: "trusted header before the key", header: h(stageHeader, "canary", "X-User-Id", out), stage: "canary", reason: "header", cookie: "canary"},
		{name: "trusted client behind the proxy", header: h("X-Forwarded-For", "10.1.2.3", stageHeader, "preview"), stage: "preview", reason: "header", cookie: "preview"},
		{name: "untrusted client behind the proxy", header: h("X-Forwarded-For", "192.0.2.7", stageHeader, "preview", "X-User-Id", out), stage: "stable", reason: "key", ignored: "untrusted"},
		{name: "client that lies about its address", header: h("X-Forwarded-For", "10.1.2.3, 192.0.2.7", stageHeader, "preview", "X-User-Id", out), stage: "stable", reason: "key", ignored: "untrusted"},
		{name: "client with an address that is none", header: h("X-Forwarded-For", "10.1.2.3.4", stageHeader, "preview", "X-User-Id", out), stage: "stable", reason: "key", ignored: "untrusted"},
		{name: "two headers", header: h(stageHeader, "canary", stageHeader, "preview", "X-User-Id", out), stage: "stable", reason: "key", ignored: "unknown"},
		{name: "list in a header", header: h(stageHeader, "canary, preview", "X-User-Id", out), stage: "stable", reason: "key", ignored: "unknown"},
		{name: "unknown stage", header: h(stageHeader, "beta", "X-User-Id", in), stage: "canary", reason: "key", ignored: "unknown"},
		{name: "stage in capitals", header: h(stageHeader, "Canary", "X-User-Id", out), stage: "stable", reason: "key", ignored: "unknown"},
		{name: "long header", header: h(stageHeader, long, "X-User-Id", out), stage: "stable", reason: "key", ignored: "unknown"},
		{name: "empty header", header: h(stageHeader, "", "X-User-Id", out), stage: "stable", reason: "key"},
		{name: "unknown stage, then a rule", path: "v2/cart", header: h(stageHeader, "beta"), stage: "canary", reason: "rule", ignored: "unknown"},
		{name: "known proxy that does not name the client", header: h("X-Real-Ip", "10.1.2.3", stageHeader, "preview", "X-User-Id", out), stage: "stable", reason: "key", ignored: "untrusted"},
		{name: "client that has proxies drop the header", header: h("Connection", "keep-alive, "+stageHeader, "X-User-Id", in), stage: "canary", reason: "key"},
		{name: "spoofed mark of a fallback", header: h("X-Release-Stage-Fallback", "canary", "X-User-Id", out), stage: "stable", reason: "key"},

		{name: "rule with a path before the key", path: "v2/cart", header: h("X-User-Id", out), stage: "canary", reason: "rule"},
		{name: "rule with a header", header: h("X-Beta", "yes"), stage: "preview", reason: "rule"},
		{name: "first of two rules", path: "legal/terms", header: h("X-Beta", "yes"), stage: "stable", reason: "rule"},

		{name: "key in the canary", header: h("X-User-Id", in), stage: "canary", reason: "key"},
		{name: "key that is not", header: h("X-User-Id", out), stage: "stable", reason: "key"},
		{name: "second key", header: h("Cookie", "uid="+in), stage: "canary", reason: "key"},
		{name: "first key before the second", header: h("X-User-Id", out, "Cookie", "uid="+in), stage: "stable", reason: "key"},
		{name: "long key", header: h("X-User-Id", long), reason: "key"},
		{name: "neither key nor cookie", reason: "random", cookie: "cohort"},
		{name: "over TLS", header: h("X-Forwarded-Proto", "https"), reason: "random", cookie: "cohort"},
		{name: "answer that shared caches keep", path: "public", reason: "random"},
	}
	for _, row := range rows {
		p.check(row)
	}
	if !strings.Contains(p.Log(), `"canary_checkout":{"stage":"canary","reason":"rule"}`) {
		t.Error("the access log does not tell the stage and the reason")
	}

	decideCanary(t, p.Gateway, `{"kill":true}`)
	for _, row := range rows {
		row.name, row.stage, row.reason, row.cookie, row.ignored = "killed: "+row.name, "stable", "killed", "", ""
		p.check(row)
	}
	decideCanary(t, p.Gateway, `{"kill":false}`)
	for _, row := range rows {
		p.check(row)
	}
}
