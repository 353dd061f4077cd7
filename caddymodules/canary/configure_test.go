package canary

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/rollout"
)

// What JSON can say and makes no sense, most of which a Caddyfile is refused for with the
// line: see testdata.
func TestRefusals(t *testing.T) {
	share := func(s float64) *float64 { return &s }
	const secret = "hunter2-hunter2"
	t.Setenv("CANARY_TEST_SHORT", secret)
	t.Setenv("CANARY_TEST_KEY", signingKey)
	for name, c := range map[string]struct {
		change func(*Handler)
		want   string
	}{
		"no name":            {func(h *Handler) { h.Name = "" }, "a name is needed"},
		"a placeholder":      {func(h *Handler) { h.Name = "{x}" }, "contains a placeholder"},
		"a long name":        {func(h *Handler) { h.Name = strings.Repeat("x", 101) }, "longer than 100 bytes"},
		"a name in Latin-1":  {func(h *Handler) { h.Name = "caf\xe9" }, "no UTF-8"},
		"no stages":          {func(h *Handler) { h.Stages = nil }, "there is no stage stable"},
		"no stable":          {func(h *Handler) { h.Stages = h.Stages[1:] }, "there is no stage stable"},
		"stable's share":     {func(h *Handler) { h.Stages[0].Share = share(0.5) }, "leave its share out"},
		"no share":           {func(h *Handler) { h.Stages[1].Share = nil }, "stage canary needs a share"},
		"over 100 %":         {func(h *Handler) { h.Stages = append(h.Stages, Stage{Name: "x", Share: share(0.6)}) }, "canary 50 % + x 60 % = 110 %"},
		"below 0 %":          {func(h *Handler) { h.Stages[1].Share = share(-0.1) }, "must be 0 % to 100 %"},
		"twice the same":     {func(h *Handler) { h.Stages = append(h.Stages, h.Stages[1]) }, "two stages canary"},
		"a stage's name":     {func(h *Handler) { h.Stages[1].Name = "can\nary" }, "has 1 to 40 letters"},
		"some have handlers": {func(h *Handler) { h.Stages[1].HandleRaw = []byte("{}") }, "all have some, or none"},
		"a rule's stage":     {func(h *Handler) { h.Rules = []Rule{{Stage: "canary"}, {Stage: "x"}} }, `rule 2: there is no stage "x"`},
		"a header's name":    {func(h *Handler) { h.Header = &Header{Name: "a b"} }, "not a valid name"},
		"a range":            {func(h *Handler) { h.Header = &Header{Trust: []string{"private_ranges"}} }, "no IP address or range"},
		"strict for nobody":  {func(h *Handler) { h.Header = &Header{Strict: true} }, "nobody is trusted"},
		"pin without cookie": {func(h *Handler) { h.Cookie = nil; h.Header = &Header{Trust: []string{"::1"}, Pin: true} }, "pin needs a cookie"},
		"a constant key":     {func(h *Handler) { h.Key = []string{"x"} }, "the same for everybody"},
		"an empty key":       {func(h *Handler) { h.Cookie.Keys = []string{""} }, "key 1 is empty"},
		"no key":             {func(h *Handler) { h.Cookie.Keys = nil }, "keys are needed"},
		"three keys":         {func(h *Handler) { h.Cookie.Keys = make([]string, 3) }, "at most two"},
		"a short key":        {func(h *Handler) { h.Cookie.Keys = []string{secret} }, "key 1 has less than 16 bytes"},
		"a short one in the environment": {func(h *Handler) { h.Cookie.Keys = []string{"{env.CANARY_TEST_SHORT}"} },
			"key 1 has less than 16 bytes"},
		"one that is not in the environment": {func(h *Handler) { h.Cookie.Keys = []string{"{env.CANARY_TEST_KEY}", "{env.CANARY_TEST_NONE}"} },
			"key 2 is empty: {env.CANARY_TEST_NONE} is not set; set it or leave it out"},
		"one that is no file": {func(h *Handler) { h.Cookie.Keys = []string{"{file./nowhere/key}"} }, "key 1 is empty: {file./nowhere/key} is not set"},
		"one with a brace":    {func(h *Handler) { h.Cookie.Keys = []string{"{" + secret + "}"} }, "a placeholder of key 1 is unknown or not set"},
		"a cookie's name":     {func(h *Handler) { h.Cookie.Name = "a;b" }, "not a valid name"},
		"a cookie's life":     {func(h *Handler) { h.Cookie.MaxAge = caddy.Duration(401 * 24 * time.Hour) }, "max_age: "},
		"nobody to guard":     {func(h *Handler) { h.Guard = &Guard{Stage: "x"} }, "there is no stage x to guard"},
		"stable guarded":      {func(h *Handler) { h.Guard = &Guard{Stage: "stable"} }, "guard another one"},
		"steps":               {func(h *Handler) { h.Guard = &Guard{Steps: []float64{0.5, 0.5}} }, "guard: steps: "},
		"on_fail":             {func(h *Handler) { h.Guard = &Guard{OnFail: "stop"} }, "guard: on_fail: "},
		"a response header":   {func(h *Handler) { h.ResponseHeader = "a:b" }, "response_header: "},
		"a buffer":            {func(h *Handler) { h.MaxBody = -1 }, "fallback_buffer: -1 is negative"},
	} {
		h := &Handler{
			Name:   "checkout",
			Cookie: &Cookie{Name: "weir", Keys: []string{signingKey}},
			Stages: []Stage{{Name: "stable"}, {Name: "canary", Share: share(0.5)}},
		}
		c.change(h)
		err := h.configure()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	h := kept(t, func(h *Handler) { h.Cookie.MaxAge, h.Guard = 0, new(Guard) })
	if h.Seed != "checkout" || h.MaxBody != 64<<10 || time.Duration(h.Cookie.MaxAge) != 24*time.Hour || h.header != "X-Release-Stage" {
		t.Errorf("seed %q, buffer %d, max_age %v, header %q", h.Seed, h.MaxBody, h.Cookie.MaxAge, h.header)
	}
	if h.stable != 0 || h.guarded != 1 || h.settings.Validate() != nil || h.settings.Interval != rollout.DefaultSettings().Interval {
		t.Errorf("stable %d, guarded %d, %+v", h.stable, h.guarded, h.settings)
	}
	if without := kept(t, nil); without.guarded != -1 {
		t.Errorf("without a guard, stage %d is guarded", without.guarded)
	}
}

// Each option of the guard comes where it belongs, 0 where that is a value too.
func TestGuardSettings(t *testing.T) {
	none := 0.0
	g := Guard{
		Steps: []float64{0.1, 1}, Interval: caddy.Duration(time.Second), MinRequests: 2, MaxErrorIncrease: &none,
		MaxLatencyRatio: 3, Quantile: 0.9, Alpha: 0.04, MinErrors: 6, OnFail: "pause",
	}
	got := g.settings()
	if got.Steps[0] != 0.1 || got.Interval != time.Second || got.MinRequests != 2 || got.MaxErrorIncrease != 0 ||
		got.MaxLatencyRatio != 3 || got.Quantile != 0.9 || got.Alpha != 0.04 || got.MinErrors != 6 || got.OnFail != rollout.Pause {
		t.Errorf("got %+v", got)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

// A key may be in a file, as containers have it.
func TestKeysFromTheEnvironment(t *testing.T) {
	t.Setenv("CANARY_TEST_KEY", signingKey)
	h := kept(t, func(h *Handler) { h.Cookie.Keys = []string{"{env.CANARY_TEST_KEY}"} })
	now := time.Now()
	if d := decide(t, h, withCookie(signer(t, experiment, signingKey).Seal(low, now, now.Add(time.Hour)))); d.reason != reasonCookie {
		t.Errorf("got %+v, want the cohort of the cookie", d)
	}
}
