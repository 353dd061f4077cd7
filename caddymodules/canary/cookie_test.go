package canary

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/cohort"
)

// kept is a handler with a cookie and half of the cohorts in the canary, and without a Caddy.
func kept(t testing.TB, change func(*Handler)) *Handler {
	t.Helper()
	share := 0.5
	h := &Handler{
		Name:   "checkout",
		Cookie: &Cookie{Name: "weir", Keys: []string{signingKey, formerKey}, MaxAge: caddy.Duration(time.Hour)},
		Stages: []Stage{{Name: "stable"}, {Name: "canary", Share: &share}},
	}
	if change != nil {
		change(h)
	}
	if err := h.configure(); err != nil {
		t.Fatal(err)
	}
	h.live = &liveCanary{shared: new(shared)}
	return h
}

func withCookie(value string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["Cookie"] = []string{"other=1; weir=" + value + "; last=2"}
	return r
}

func decide(t testing.TB, h *Handler, r *http.Request) decision {
	t.Helper()
	d, err := h.decide(r, caddy.NewReplacer())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhoComesFirstGetsACohortAndKeepsIt(t *testing.T) {
	h := kept(t, nil)
	seen := make(map[int]bool)
	for range 100 {
		first := decide(t, h, httptest.NewRequest(http.MethodGet, "/", nil))
		if first.reason != reasonRandom || first.setCookie == "" || first.badCookie != "" {
			t.Fatalf("got %+v, want a random cohort and a cookie that keeps it", first)
		}
		again := decide(t, h, withCookie(first.setCookie))
		if again.stage != first.stage || again.point != first.point || again.reason != reasonCookie || again.setCookie != "" {
			t.Fatalf("first %+v, and again %+v", first, again)
		}
		seen[first.stage] = true
	}
	if len(seen) != 2 {
		t.Errorf("100 clients got the stages %v, want both", seen)
	}
}

func TestCookiesThatAreRefused(t *testing.T) {
	h := kept(t, nil)
	now := time.Now()
	good := signer(t, experiment, signingKey).Seal(low, now, now.Add(time.Hour))
	for name, c := range map[string]struct {
		value string
		want  cohort.TokenError
	}{
		"empty":               {"", cohort.ErrMalformed},
		"no token":            {"canary", cohort.ErrMalformed},
		"a stage":             {"stage=canary", cohort.ErrMalformed},
		"cut off":             {good[:len(good)-4], cohort.ErrSignature},
		"changed":             {swap(good, 30), cohort.ErrSignature},
		"of another version":  {"B" + good[1:], cohort.ErrVersion},
		"of another release":  {signer(t, "search\x00checkout", signingKey).Seal(low, now, now.Add(time.Hour)), cohort.ErrSignature},
		"of another seed":     {signer(t, "checkout\x00other", signingKey).Seal(low, now, now.Add(time.Hour)), cohort.ErrSignature},
		"of an unknown key":   {signer(t, experiment, "an unknown key, of 32 bytes long").Seal(low, now, now.Add(time.Hour)), cohort.ErrSignature},
		"from the past":       {signer(t, experiment, signingKey).Seal(low, now.Add(-2*time.Hour), now.Add(-time.Second)), cohort.ErrExpired},
		"from the future":     {signer(t, experiment, signingKey).Seal(low, now.Add(time.Hour), now.Add(2*time.Hour)), cohort.ErrNotYet},
		"very long":           {strings.Repeat("A", 4000), cohort.ErrMalformed},
		"a pin that is false": {swap(pinOf(t, "canary", now), 26), cohort.ErrSignature},
	} {
		d := decide(t, h, withCookie(c.value))
		if d.badCookie != c.want || d.reason != reasonRandom || d.setCookie == "" {
			t.Errorf("%s: got %+v, want it refused as %s and replaced", name, d, c.want)
		}
	}
}

// swap changes one character of a token.
func swap(token string, at int) string {
	other := "A"
	if token[at] == 'A' {
		other = "B"
	}
	return token[:at] + other + token[at+1:]
}

func pinOf(t testing.TB, stage string, now time.Time) string {
	t.Helper()
	token, err := signer(t, experiment, signingKey).SealPin(stage, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// The cookies of the key before are good, and are replaced by those of the key of today.
func TestRenewal(t *testing.T) {
	h := kept(t, nil)
	now := time.Now()
	for name, c := range map[string]struct {
		key   string
		age   time.Duration
		renew bool
	}{
		"young":                    {signingKey, 20 * time.Minute, false},
		"old":                      {signingKey, 40 * time.Minute, true},
		"young, of the key before": {formerKey, 20 * time.Minute, false},
		"old, of the key before":   {formerKey, 40 * time.Minute, true},
	} {
		issued := now.Add(-c.age)
		d := decide(t, h, withCookie(signer(t, experiment, c.key).Seal(high, issued, issued.Add(time.Hour))))
		if d.reason != reasonCookie || d.point != high || (d.setCookie != "") != c.renew {
			t.Errorf("%s: got %+v, want it renewed: %v", name, d, c.renew)
		}
		if !c.renew {
			continue
		}
		claim, err := signer(t, experiment, signingKey).Open(d.setCookie, time.Now())
		if err != nil || claim.Point != high || claim.Expires.Sub(claim.Issued) != time.Hour {
			t.Errorf("%s: renewed to %+v, %v; want the same cohort for an hour, by the key of today", name, claim, err)
		}
	}
}

// Of several cookies of the name the first valid one counts: what somebody else has set for
// the whole domain is not replaced by what is set here, and would make each request another
// client's.
func TestSeveralCookies(t *testing.T) {
	h := kept(t, nil)
	now := time.Now()
	s := signer(t, experiment, signingKey)
	first, second := s.Seal(low, now, now.Add(time.Hour)), s.Seal(high, now, now.Add(time.Hour))
	old := s.Seal(high, now.Add(-2*time.Hour), now.Add(-time.Hour))
	const junk = "junk; weir="
	for name, c := range map[string]struct {
		value string
		want  cohort.Point
		bad   cohort.TokenError
	}{
		"a bad one before":   {junk + first, low, ""},
		"an old one before":  {old + "; weir=" + first + "; weir=" + second, low, ""},
		"a bad one after":    {second + "; weir=junk", high, ""},
		"all are bad":        {old + "; weir=junk", 0, cohort.ErrExpired},
		"as many as allowed": {strings.Repeat(junk, maxCookies-1) + first, low, ""},
		"more than that":     {strings.Repeat(junk, maxCookies) + first, 0, cohort.ErrVersion},
	} {
		d := decide(t, h, withCookie(c.value))
		if c.bad != "" {
			if d.reason != reasonRandom || d.badCookie != c.bad || d.setCookie == "" {
				t.Errorf("%s: got %+v, want it refused as %s and replaced", name, d, c.bad)
			}
		} else if d.reason != reasonCookie || d.point != c.want || d.badCookie != "" || d.setCookie != "" {
			t.Errorf("%s: got %+v, want the cohort %d", name, d, c.want)
		}
	}
}

// Who is known by a key needs no cookie.
func TestKeysNeedNoCookie(t *testing.T) {
	h := kept(t, func(h *Handler) { h.Key = []string{"{http.request.header.X-User-Id}"} })
	r := withCookie("nonsense")
	r.Header.Set("X-User-Id", userOf(t, true))
	if d := decide(t, h, r); d.reason != reasonKey || d.setCookie != "" || d.badCookie != "" || d.stage != 1 {
		t.Errorf("got %+v, want the canary by the key, and nothing about the cookie", d)
	}
}

// A trusted client that asks for a stage is pinned to it, where that is configured, and can
// leave it by asking for another one.
func TestPins(t *testing.T) {
	pinning := func(h *Handler) { h.Header = &Header{Trust: []string{"10.0.0.0/8"}, Pin: true} }
	h := kept(t, pinning)
	asking := func(stage, cookie string) *http.Request {
		r := requestFrom(nil, "10.1.2.3", false, http.Header{"X-Release-Stage": {stage}})
		if cookie != "" {
			r.Header.Set("Cookie", "weir="+cookie)
		}
		return r
	}
	first := decide(t, h, asking("canary", ""))
	if first.reason != reasonHeader || first.stage != 1 || first.setCookie == "" {
		t.Fatalf("got %+v, want the canary and a pin", first)
	}
	if d := decide(t, h, withCookie(first.setCookie)); d.reason != reasonPin || d.stage != 1 || d.setCookie != "" {
		t.Errorf("afterwards got %+v, want the canary by the pin", d)
	}
	if d := decide(t, h, asking("canary", first.setCookie)); d.reason != reasonHeader || d.setCookie != "" {
		t.Errorf("asking again, got %+v, want no other pin", d)
	}
	other := decide(t, h, asking("stable", first.setCookie))
	if d := decide(t, h, withCookie(other.setCookie)); d.reason != reasonPin || d.stage != 0 {
		t.Errorf("asking for another, then got %+v, want stable by the pin", d)
	}
	// where pins are configured no more, none counts
	if d := decide(t, kept(t, nil), withCookie(first.setCookie)); d.reason != reasonRandom || d.setCookie == "" {
		t.Errorf("without pin, got %+v, want a cohort", d)
	}
	// and where its stage has gone, it is another cohort's turn
	now := time.Now()
	if d := decide(t, h, withCookie(pinOf(t, "gone", now))); d.reason != reasonRandom || d.setCookie == "" || d.badCookie != "" {
		t.Errorf("pinned to what has gone, got %+v, want a cohort", d)
	}
}

// Whatever a client sends as its cookie, it gets a stage, and what is not refused as a cookie
// has been signed.
func FuzzCookie(f *testing.F) {
	h := kept(f, func(h *Handler) {
		h.Header = &Header{Trust: []string{"10.0.0.0/8"}, Pin: true}
		h.Key = []string{"{http.request.cookie.uid}"}
	})
	now := time.Now()
	s := signer(f, experiment, signingKey)
	for _, value := range []string{
		"", "weir=", "weir=canary", `weir="x"`, "weir=a; weir=b", "uid=1; weir=x", "uid=", "=;=", "weir", ";;;",
		"weir=" + s.Seal(low, now, now.Add(1000*time.Hour)), "weir=" + pinOf(f, "canary", now), "weir=" + s.Seal(low, now, now),
	} {
		f.Add(value)
	}
	reasonsOf := map[string]bool{reasonPin: true, reasonCookie: true}
	f.Fuzz(func(t *testing.T, cookies string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = []string{cookies}
		d := decide(t, h, r)
		if d.stage < 0 || d.stage >= len(h.Stages) {
			t.Fatalf("stage %d", d.stage)
		}
		if d.badCookie != "" && reasonsOf[d.reason] {
			t.Fatalf("the cookie is %s and counts: %+v", d.badCookie, d)
		}
		if !reasonsOf[d.reason] {
			return
		}
		var claim cohort.Claim
		err := http.ErrNoCookie
		for _, sent := range r.CookiesNamed("weir") {
			if claim, err = s.Open(sent.Value, time.Now()); err == nil {
				break
			}
		}
		if err != nil || (d.reason == reasonPin) != (claim.Stage != "") || d.hasPoint && d.point != claim.Point {
			t.Fatalf("got %+v by a cookie that says %+v, %v", d, claim, err)
		}
	})
}
