package canary

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/cohort"
	"github.com/weirproxy/weir/governance/livestate"
)

// explained is a release in which everything can decide, with the cohort 0.99 in a cookie
// and a pin to preview in another.
func explained(t *testing.T, change func(*Handler)) (h *Handler, cookie, pin string) {
	t.Helper()
	h = release(0.05, 0.02, nil)
	h.Header = &Header{Trust: []string{"10.0.0.0/8"}, Pin: true}
	h.Rules = []Rule{{Stage: "preview"}, {Stage: "canary"}}
	h.Key = []string{"{http.request.header.X-User-Id}"}
	h.Cookie = &Cookie{Name: "cohort", Keys: []string{"0123456789abcdef"}}
	if change != nil {
		change(h)
	}
	newFixture(new(memory)).leading(t, h)
	for i, path := range []string{"/preview/*", "/v2/*"} {
		if i < len(h.Rules) {
			h.rules = append(h.rules, rule{caddyhttp.MatcherSets{{matchPath(path)}}, h.stageNamed(h.Rules[i].Stage)})
		}
	}
	if h.signer == nil {
		return h, "", ""
	}
	now := time.Now()
	pin, err := h.signer.SealPin("preview", now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	const most = ^cohort.Point(0)
	return h, h.signer.Seal(most/100*99, now, now.Add(time.Hour)), pin
}

type matchPath string

func (m matchPath) Match(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, strings.TrimSuffix(string(m), "*"))
}

func (m matchPath) MatchWithError(r *http.Request) (bool, error) { return m.Match(r), nil }

func TestExplain(t *testing.T) {
	h, cookie, pin := explained(t, nil)
	strict, _, _ := explained(t, func(h *Handler) { h.Header.Strict = true })
	bare, _, _ := explained(t, func(h *Handler) { h.Header, h.Rules, h.Key, h.Cookie = nil, nil, nil, nil })
	killed, _, _ := explained(t, nil)
	order(t, killed, `{"kill":true}`)
	kill, header, rules := `kill_switch: off`, `header: asks for nothing`, `rules: none matches`
	for name, c := range map[string]struct {
		h                    *Handler
		question             string
		stage, reason, steps string
	}{
		"killed":    {killed, `{"headers":{"X-User-Id":"7"}}`, "stable", "killed", "kill_switch: on: everybody gets stable"},
		"header":    {h, `{"headers":{"X-Release-Stage":"canary"},"remote_ip":"10.1.2.3"}`, "canary", "header", kill + "; header: asks for the stage, and the client is trusted"},
		"untrusted": {h, `{"path":"/v2/a","headers":{"X-Release-Stage":"preview"},"remote_ip":"192.0.2.1"}`, "canary", "rule", kill + "; header: is not followed: the client is not trusted; rules: rule 2 of 2 matches"},
		"proxied": {
			h, `{"path":"/v2/a","headers":{"X-Release-Stage":"preview","X-Forwarded-For":"10.1.1.1"},"remote_ip":"10.1.2.3"}`, "canary", "rule",
			kill + "; header: is not followed: the client is not trusted, or it came through a proxy that is none of trusted_proxies; rules: rule 2 of 2 matches",
		},
		"unknown":       {h, `{"path":"/preview/?a=b","headers":{"X-Release-Stage":"beta"},"remote_ip":"10.1.2.3"}`, "preview", "rule", kill + "; header: asks for a stage that does not exist; rules: rule 1 of 2 matches"},
		"strict":        {strict, `{"headers":{"X-Release-Stage":"beta"},"remote_ip":"10.1.2.3"}`, "", "400", kill + "; header: asks for a stage that does not exist"},
		"pin":           {h, `{"headers":{"Cookie":"cohort=` + pin + `"}}`, "preview", "pin", kill + "; " + header + "; " + rules + "; pin: the cookie pins to the stage"},
		"key":           {h, `{"headers":{"X-User-Id":"7","Cookie":"cohort=` + cookie + `"}}`, h.keyed("7"), "key", kill + "; " + header + "; " + rules + "; pin: says nothing; key: decides the cohort"},
		"cookie":        {h, `{"headers":{"Cookie":"cohort=` + cookie + `"}}`, "preview", "cookie", kill + "; " + header + "; " + rules + "; pin: says nothing; key: the request has none; cookie: has the cohort"},
		"bad cookie":    {h, `{"headers":{"X-User-Id":"7","Cookie":"cohort=x"}}`, h.keyed("7"), "key", kill + "; " + header + "; " + rules + "; pin: is not valid: malformed; key: decides the cohort"},
		"random":        {h, `{}`, "?", "random", kill + "; " + header + "; " + rules + "; pin: says nothing; key: the request has none; cookie: says nothing; random: the cohort is drawn, another each time you ask; the client's cookie keeps the one it gets"},
		"random, bare":  {bare, `{"method":"POST","path":"/"}`, "?", "random", kill + "; " + header + "; rules: there are none; random: the cohort is drawn, for each request: there is no cookie to keep it"},
		"without trust": {bare, `{"headers":{"X-Release-Stage":"canary"}}`, "?", "random", kill + "; header: is not followed: the client is not trusted; rules: there are none; random: the cohort is drawn, for each request: there is no cookie to keep it"},
	} {
		t.Run(name, func(t *testing.T) {
			shown, err := c.h.Control([]string{"explain"}, []byte(c.question))
			if err != nil {
				t.Fatal(err)
			}
			e := shown.(explanation)
			var steps []string
			for _, s := range e.Steps {
				steps = append(steps, s.Step+": "+s.Says)
			}
			if got := strings.Join(steps, "; "); got != c.steps {
				t.Errorf("the steps are\n%s, want\n%s", got, c.steps)
			}
			if e.Refused != nil {
				if c.reason != "400" || e.Refused.Status != 400 || e.Stage != "" || !strings.Contains(e.Refused.Detail, "X-Release-Stage") {
					t.Errorf("it is refused: %+v", e)
				}
				return
			}
			if e.Reason != c.reason || e.Stage != c.stage && c.stage != "?" || e.Stage == "" {
				t.Errorf("it is %s by %s, want %s by %s", e.Stage, e.Reason, c.stage, c.reason)
			}
			drawn := c.reason == "key" || c.reason == "cookie" || c.reason == "random"
			if (e.Cohort != nil) != drawn || drawn && (*e.Cohort < 0 || *e.Cohort >= 1) {
				t.Errorf("the cohort is %v", e.Cohort)
			}
			if encoded, err := json.Marshal(shown); err != nil || strings.Contains(string(encoded), cookie) || strings.Contains(string(encoded), pin) {
				t.Errorf("a token is shown: %s, %v", encoded, err)
			}
		})
	}
	for _, stage := range h.snapshot().Stages {
		if stage.Requests != 0 {
			t.Errorf("what is explained is counted: %+v", stage)
		}
	}
}

// keyed is the stage of a key.
func (h *Handler) keyed(key string) string {
	return h.Stages[h.layout.Load().At(h.hasher.Point(key))].Name
}

func TestWrongQuestions(t *testing.T) {
	h, _, _ := explained(t, nil)
	for question, want := range map[string]string{
		``:                                 "must be an object",
		`{"uri":"/"}`:                      "uri",
		`{} {}`:                            "something after",
		`{"path":"v2"}`:                    "slash",
		`{"path":"/%zz"}`:                  "%zz",
		`{"method":"GET /"}`:               "method",
		`{"remote_ip":"somewhere"}`:        "no IP address",
		`{"remote_ip":"192.0.2.1:80"}`:     "no IP address",
		`{"headers":{"Cookie":["a","b"]}}`: "must be an object",
	} {
		if _, err := h.Control([]string{"explain"}, []byte(question)); !errors.Is(err, livestate.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", question, err, want)
		}
	}
}

func FuzzExplain(f *testing.F) {
	f.Add(questions)
	f.Add(`{"path":"//a?b#c","headers":{"Host":"x","Cookie":"cohort=v1"},"remote_ip":"::1"}`)
	f.Add(`{"path":"/\u0000","headers":{"":"","a b":"\r\n"}}`)
	f.Fuzz(func(t *testing.T, question string) {
		h, _, _ := explained(t, nil)
		shown, err := h.Control([]string{"explain"}, []byte(question))
		switch {
		case err != nil && !errors.Is(err, livestate.ErrInvalid):
			t.Errorf("%v is nobody's fault", err)
		case err == nil && len(shown.(explanation).Steps) == 0:
			t.Error("nothing is explained")
		}
	})
}
