package canary

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestVaryTellsWhatTheStageDependsOn(t *testing.T) {
	keys := func(texts ...string) *Handler { return &Handler{Key: texts} }
	rules := func(sets ...caddyhttp.RawMatcherSets) *Handler {
		h := new(Handler)
		for _, set := range sets {
			h.Rules = append(h.Rules, Rule{MatchRaw: set})
		}
		return h
	}
	cohorts := func(texts ...string) *Handler { return &Handler{Cookie: new(Cookie), Key: texts} }
	const user, uid = "{http.request.header.x-user-id}", "{http.request.cookie.uid}"
	for name, c := range map[string]struct {
		h    *Handler
		has  []string
		want string
	}{
		"nothing":                 {&Handler{header: defaultHeader, Key: []string{"{http.vars.client_ip}"}}, nil, ""},
		"the header":              {followed(), nil, "X-Release-Stage"},
		"the cohort's cookie":     {cohorts(), nil, "Cookie"},
		"keys":                    {keys(user, uid), nil, "X-User-Id|Cookie"},
		"two cookies":             {cohorts(uid), nil, "Cookie"},
		"a key of several":        {keys("{http.request.header.x-a:none}-{http.request.header.X-B}-{http.request.cookie.c}"), nil, "Cookie|X-A|X-B"},
		"a key of who has proved": {keys("{http.auth.user.id}"), nil, "Authorization"},
		"a rule": {rules([]caddy.ModuleMap{
			{"header": []byte(`{"x-beta":["yes"],"Host":["a"]}`), "path": []byte(`["/x"]`)},
			{"header_regexp": []byte(`{"User-Agent":{"pattern":"Mobile"}}`)},
		}), nil, "X-Beta|User-Agent"},
		"rules that negate, and with placeholders": {rules(
			nil,
			[]caddy.ModuleMap{{"not": []byte(`[{"header":{"X-Old":null}}]`)}},
			[]caddy.ModuleMap{{"expression": []byte(`"{http.request.cookie.beta} == '1'"`), "vars": []byte(`{"{http.request.header.X-V}":["1"]}`)}},
		), nil, "X-Old|Cookie|X-V"},
		"a rule that makes no sense": {rules([]caddy.ModuleMap{{"header": []byte(`[]`), "not": []byte(`1`)}}), nil, ""},
		"beside others":              {cohorts(), []string{"Accept-Encoding, Origin"}, "Accept-Encoding, Origin|Cookie"},
		"there already":              {cohorts(), []string{"Origin", "accept, cookie"}, "Origin|accept, cookie"},
		"a name that begins so":      {cohorts(), []string{"Cookie2"}, "Cookie2|Cookie"},
		"everything already":         {cohorts(), []string{"*"}, "*"},
		"the header, and a cache":    {followed(), []string{""}, "|X-Release-Stage"},
	} {
		header := make(http.Header)
		if c.has != nil {
			header["Vary"] = c.has
		}
		c.h.configureVary()
		c.h.addVary(header)
		if got := strings.Join(header["Vary"], "|"); got != c.want {
			t.Errorf("%s: Vary is %s, want %s", name, got, c.want)
		}
		c.h.addVary(header)
		if got := strings.Join(header["Vary"], "|"); got != c.want {
			t.Errorf("%s: added twice, Vary is %s, want %s", name, got, c.want)
		}
	}
}

func followed() *Handler {
	h := &Handler{header: defaultHeader, Header: &Header{Trust: []string{"10.0.0.0/8"}}}
	h.trust, _ = h.Header.ranges()
	return h
}

func TestSharedCaches(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	past, future := now.Add(-time.Second).Format(http.TimeFormat), now.Add(time.Hour).Format(http.TimeFormat)
	for _, c := range []struct {
		control, expires, cdn string
		want                  bool
	}{
		{"", "", "", false},
		{"public", "", "", true},
		{"Public", "", "", true},
		{"public, max-age=0", "", "", true},
		{"max-age=60", "", "", true},
		{`max-age="60"`, "", "", true},
		{"max-age=99999999999999999999", "", "", true},
		{"max-age=0", "", "", false},
		{"max-age=00", "", "", false},
		{"max-age=", "", "", false},
		{"max-age=-1", "", "", false},
		{"max-age=soon", "", "", false},
		{"max-age=60,s-maxage=0", "", "", false},
		{"max-age=0, s-maxage=60", "", "", true},
		{"private, max-age=60", "", "", false},
		{"max-age=60, PRIVATE", "", "", false},
		{`private="x-user", max-age=60`, "", "", true},
		{"no-store, max-age=60", "", "", false},
		{"no-cache", "", "", false},
		{"no-cache, max-age=60", "", "", true},
		{"no-cache\nmax-age=60", "", "", true},
		{"max-age=60\nprivate", "", "", false},
		{"", future, "", true},
		{"", past, "", false},
		{"", "0", "", false},
		{"max-age=0", future, "", false},
		{"private", future, "", false},
		{"private", "", "max-age=60", true},
		{"private", future, "no-store", false},
		{"", "", "no-store", false},
	} {
		header := make(http.Header)
		if c.control != "" {
			header["Cache-Control"] = strings.Split(c.control, "\n")
		}
		if c.expires != "" {
			header.Set("Expires", c.expires)
		}
		if c.cdn != "" {
			header.Set("CDN-Cache-Control", c.cdn)
		}
		if got := isShared(header, now); got != c.want {
			t.Errorf("Cache-Control %q, Expires %q, CDN-Cache-Control %q: shared caches may keep it: %v, want %v", c.control, c.expires, c.cdn, got, c.want)
		}
	}
}
