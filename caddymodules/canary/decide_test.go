package canary

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/livestate"
)

// behindProxy has the test's connections come from a proxy that is trusted, so that
// X-Forwarded-For has the client.
const behindProxy = "trusted_proxies static 127.0.0.1/32 ::1/128\n\t\ttrusted_proxies_strict"

// all are options with which everything can decide.
const all = `header {
			trust 10.0.0.0/8
			pin
		}
		rule /rule/* canary
		rule /rule/* preview
		rule preview {
			path /beta/*
			header X-Beta yes
		}
		key {header.X-User-Id} {cookie.uid}
		cookie weir {
			keys "` + signingKey + `" "` + formerKey + `"
			max_age 1h
		}
		stage stable
		stage canary 50%
		stage preview 0%`

func TestPrecedence(t *testing.T) {
	g := startGateway(t, behindProxy, deciding(all))
	now := time.Now()
	s := signer(t, experiment, signingKey)
	var (
		inside     = "X-Forwarded-For: 10.1.2.3"
		outside    = "X-Forwarded-For: 203.0.113.5"
		toPreview  = "X-Release-Stage: preview"
		canaryUser = "X-User-Id: " + userOf(t, true)
		stableUser = "X-User-Id: " + userOf(t, false)
		pinned     = "Cookie: weir=" + pinOf(t, "preview", now)
		pinnedGone = "Cookie: weir=" + pinOf(t, "gone", now)
		lowCookie  = "Cookie: weir=" + s.Seal(low, now, now.Add(time.Hour))
		highCookie = "Cookie: weir=" + s.Seal(high, now, now.Add(time.Hour))
	)
	for _, c := range []struct {
		name          string
		path          string
		headers       []string
		stage, reason string
	}{
		{"a trusted header is before a rule", "/rule/x", []string{inside, toPreview, pinned, canaryUser}, "preview", "header"},
		{"a header can lead to stable", "/rule/x", []string{inside, "X-Release-Stage: stable"}, "stable", "header"},
		{"the header's name has any case", "/", []string{inside, "x-release-STAGE: preview"}, "preview", "header"},
		{"an untrusted header is ignored", "/rule/x", []string{outside, toPreview}, "canary", "rule"},
		{"as is one from nowhere", "/", []string{"X-Forwarded-For: unknown", toPreview, stableUser}, "stable", "key"},
		{"and one whose client has put a trusted address there", "/", []string{"X-Forwarded-For: 10.1.2.3, 203.0.113.5", toPreview, stableUser}, "stable", "key"},
		{"an unknown stage is ignored", "/rule/x", []string{inside, "X-Release-Stage: nonsense"}, "canary", "rule"},
		{"stages have one spelling", "/", []string{inside, "X-Release-Stage: Preview", stableUser}, "stable", "key"},
		{"a list is no stage", "/", []string{inside, "X-Release-Stage: preview, canary", stableUser}, "stable", "key"},
		{"two headers are no stage", "/", []string{inside, toPreview, toPreview, stableUser}, "stable", "key"},
		{"an empty header is none", "/rule/x", []string{inside, "X-Release-Stage: "}, "canary", "rule"},
		{"the first rule counts, before the pin", "/rule/x", []string{pinned, stableUser}, "canary", "rule"},
		{"a rule needs all of its matchers", "/beta/x", []string{"X-Beta: yes", stableUser}, "preview", "rule"},
		{"else it does not match", "/beta/x", []string{stableUser}, "stable", "key"},
		{"a pin is before the key", "/", []string{pinned, canaryUser}, "preview", "pin"},
		{"a pin to what has gone is none", "/", []string{pinnedGone, canaryUser}, "canary", "key"},
		{"the key is before the cookie", "/", []string{lowCookie, stableUser}, "stable", "key"},
		{"a key of low hash", "/", []string{highCookie, canaryUser}, "canary", "key"},
		{"the second key counts without the first", "/", []string{"Cookie: uid=" + userOf(t, true)}, "canary", "key"},
		{"the same user at another device", "/", []string{"Cookie: uid=" + userOf(t, false)}, "stable", "key"},
		{"an empty key is none", "/", []string{"X-User-Id: ", lowCookie}, "canary", "cookie"},
		{"the cookie's cohort", "/", []string{highCookie}, "stable", "cookie"},
	} {
		t.Run(c.name, func(t *testing.T) { g.ask(t, c.path, c.headers...).want(t, c.stage, c.reason) })
	}
	t.Run("the kill switch is before all", func(t *testing.T) {
		control(t, `{"kill":true}`)
		for _, headers := range [][]string{{inside, toPreview}, {pinned}, {canaryUser}, {lowCookie}, nil} {
			g.ask(t, "/rule/x", headers...).want(t, "stable", "killed")
		}
		control(t, `{"kill":false}`)
		g.ask(t, "/rule/x").want(t, "canary", "rule")
	})
}

// control is an operator's command.
func control(t *testing.T, command string) {
	t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "checkout"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.View.(livestate.Controller).Control(nil, []byte(command)); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}

// Without a header, nobody is trusted, and the header of clients goes nowhere.
func TestByDefaultNobodyIsTrusted(t *testing.T) {
	g := startGateway(t, behindProxy, deciding("stage stable\n\t\tstage canary 0%"))
	for _, from := range []string{"10.1.2.3", "127.0.0.1", "203.0.113.5"} {
		g.ask(t, "/", "X-Forwarded-For: "+from, "X-Release-Stage: canary").want(t, "stable", "random")
	}
}

// The share decides without a key or a cookie too, and 0 % and 100 % are what they say.
func TestWithoutKeyAndCookie(t *testing.T) {
	for share, want := range map[string]string{"0%": "stable", "100%": "canary"} {
		t.Run(share, func(t *testing.T) {
			g := startGateway(t, "", deciding("stage stable\n\t\tstage canary "+share))
			for range 20 {
				d := g.ask(t, "/")
				d.want(t, want, "random")
				if d.cookie != "" {
					t.Error("a cookie was set, but none is configured")
				}
			}
		})
	}
}

func TestStrictRefusesUnknownStages(t *testing.T) {
	g := startGateway(t, behindProxy, deciding("header X-Stage {\n\t\t\ttrust 10.0.0.0/8\n\t\t\tstrict\n\t\t}\n\t\tstage stable\n\t\tstage canary 0%"))
	for _, headers := range [][]string{
		{"X-Stage: nonsense"},
		{"X-Stage: canary", "X-Stage: canary"},
	} {
		if d := g.ask(t, "/", append(headers, "X-Forwarded-For: 10.0.0.1")...); d.status != http.StatusBadRequest {
			t.Errorf("%v: got %d, want 400", headers, d.status)
		}
		if d := g.ask(t, "/", append(headers, "X-Forwarded-For: 203.0.113.5")...); d.status != http.StatusOK {
			t.Errorf("%v: got %d from somebody who is not trusted, want 200", headers, d.status)
		}
	}
	if d := g.ask(t, "/", "X-Stage: canary", "X-Forwarded-For: 10.0.0.1"); d.stage != "canary" || d.reason != "header" {
		t.Errorf("got %+v", d)
	}
	control(t, `{"kill":true}`)
	if d := g.ask(t, "/", "X-Stage: nonsense", "X-Forwarded-For: 10.0.0.1"); d.reason != "killed" {
		t.Errorf("with the kill switch on, got %+v", d)
	}
}

// A seed mixes everybody anew; what does not change keeps everybody where they are.
func TestReloadsKeepCohorts(t *testing.T) {
	g := startGateway(t, "", deciding("key {header.X-User-Id}\n\t\tstage stable\n\t\tstage canary 50%"))
	stages := func() (all string) {
		for i := range 30 {
			all += g.ask(t, "/", fmt.Sprintf("X-User-Id: user-%d", i)).stage[:1]
		}
		return all
	}
	before := stages()
	listen := g.url[len("http://"):]
	loadGateway(t, listen, "", deciding("key {header.X-User-Id}\n\t\tseed checkout\n\t\tstage stable\n\t\tstage canary 0.5\n\t\tstage preview 10%"))
	for i, stage := range stages() {
		if was := before[i]; was == 'c' && stage != 'c' {
			t.Errorf("user-%d was in the canary and is in %c", i, stage)
		}
	}
	loadGateway(t, listen, "", deciding("key {header.X-User-Id}\n\t\tseed other\n\t\tstage stable\n\t\tstage canary 50%"))
	if stages() == before {
		t.Error("another seed has moved nobody")
	}
}
