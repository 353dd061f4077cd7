package integration

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// decided is a gateway whose operator decides about its back ends.
type decided struct {
	*Gateway
	t        *testing.T
	site     *site
	backends []*Backend
}

func newDecided(t *testing.T) *decided {
	t.Helper()
	backends := threeBackends(t)
	s := newSite(t, backends...)
	s.Weights = "1 1 1"
	return &decided{Gateway: startWeir(t, s), t: t, site: s, backends: backends}
}

func (d *decided) decide(b *Backend, command string) {
	d.t.Helper()
	a := d.Post("/governance/pools/shop/upstreams/"+b.Address, command)
	if a.Status != http.StatusOK {
		d.t.Fatalf("%s: %d %s", command, a.Status, a.Body)
	}
}

// wantRequests sends 300 requests and compares how many each back end gets.
func (d *decided) wantRequests(when string, want ...int64) {
	d.t.Helper()
	before := make([]int64, len(d.backends))
	for i, b := range d.backends {
		before[i] = b.Requests()
	}
	if result := Closed(d.t.Context(), d.site.URL(), 4, 300); result.FailedAnswers() > 0 {
		d.t.Errorf("%s: %v", when, result)
	}
	for i, b := range d.backends {
		// the schedule is exact; where it begins is not
		if got := b.Requests() - before[i]; got < want[i]-5 || got > want[i]+5 || want[i] == 0 && got > 0 {
			d.t.Errorf("%s: back end %s got %d of 300 requests, want %d", when, b.Name, got, want[i])
		}
	}
}

func (d *decided) wantState(when string, b *Backend, state string, weight float64) {
	d.t.Helper()
	u := d.Upstream("shop", b.Address)
	if u.State != state || u.Weight != weight {
		d.t.Errorf("%s: back end %s is %s with weight %v, want %s with %v", when, b.Name, u.State, u.Weight, state, weight)
	}
}

func TestAnOperatorsDecisionHoldsAtOnceAndOutlivesReloadsAndRestarts(t *testing.T) {
	t.Parallel()
	d := newDecided(t)
	one, two := d.backends[0], d.backends[1]
	d.wantRequests("before any decision", 100, 100, 100)

	d.decide(one, `{"drain":true}`)
	d.decide(two, `{"weight":3,"ttl":"1h"}`)
	holds := func(when string) {
		t.Helper()
		d.wantState(when, one, "draining", 1)
		d.wantState(when, two, "in", 3)
		if decision := d.Upstream("shop", two.Address).Decision; decision == nil || decision.Weight == nil || time.Until(decision.Weight.Until) < 50*time.Minute {
			t.Errorf("%s: the decision about back end two is %+v, want one that ends in an hour", when, decision)
		}
		d.wantRequests(when, 0, 225, 75)
	}
	holds("at once")

	d.MustLoad(d.site.Caddyfile())
	holds("after a reload")

	// These fail at different times: one before anything of it is provisioned, one
	// when the last of its sites finds its address taken.
	for _, broken := range []string{
		"not a Caddyfile {",
		strings.Replace(d.site.Caddyfile(), "name shop", "name shop\n\t\t\tfloor 2", 1),
		d.site.Caddyfile() + "\nhttp://:" + strings.Split(one.Address, ":")[1] + " {\n\tbind 127.0.0.1\n\trespond never\n}\n",
	} {
		if err := d.Load(broken); err == nil {
			t.Fatalf("this loads, and should not:\n%s", broken)
		}
		holds("after a reload that failed")
	}
	if !strings.Contains(d.Get("/governance/").Body, two.Address) {
		t.Error("after failed reloads GET /governance/ does not show the pool")
	}
	d.decide(two, `{"weight":2,"ttl":"1h"}`)
	d.wantState("decided after a failed reload", two, "in", 2)
	d.decide(two, `{"weight":3,"ttl":"1h"}`)

	d.Stop()
	d.Run(d.site.Caddyfile())
	holds("after a restart")

	d.decide(one, `{"drain":false}`)
	d.decide(two, `{"weight":null}`)
	d.wantRequests("after the decisions were taken back", 100, 100, 100)
	d.Stop()
	d.Run(d.site.Caddyfile())
	d.wantRequests("after they were taken back and a restart", 100, 100, 100)
}

func TestAChangedConfiguredWeightEndsADecision(t *testing.T) {
	t.Parallel()
	d := newDecided(t)
	two := d.backends[1]
	d.decide(two, `{"weight":4}`)
	d.wantRequests("decided", 50, 200, 50)

	d.site.Weights = "1 2 1"
	d.MustLoad(d.site.Caddyfile())
	d.wantState("after the configured weight changed", two, "in", 2)
	d.wantRequests("after the configured weight changed", 75, 150, 75)

	// ended, not asleep: it does not come back with the configuration
	d.site.Weights = "1 1 1"
	d.MustLoad(d.site.Caddyfile())
	d.wantRequests("after it changed back", 100, 100, 100)

	// a restart with a changed weight is a change of configuration, too
	d.decide(two, `{"weight":4}`)
	d.decide(d.backends[0], `{"drain":true}`)
	d.Stop()
	d.site.Weights = "2 2 1"
	d.Run(d.site.Caddyfile())
	// the decision to drain is about no weight
	d.wantRequests("after a restart with changed weights", 0, 200, 100)
}

func TestADecisionAboutABackEndThatHasLeftCanBeTakenBack(t *testing.T) {
	t.Parallel()
	d := newDecided(t)
	one := d.backends[0]
	both := d.site.Caddyfile()
	d.decide(one, `{"drain":true}`)
	without := strings.Replace(strings.Replace(both, one.Address, "", 1), "1 1 1", "1 1", 1)
	d.MustLoad(without)
	if d.Pool("shop").Upstream(one.Address) != nil {
		t.Fatalf("the pool still has back end one:\n%s", without)
	}
	absent := func() string {
		var pool struct {
			Absent json.RawMessage `json:"absent"`
		}
		if err := json.Unmarshal([]byte(d.Get("/governance/pools/shop").Body), &pool); err != nil {
			t.Fatal(err)
		}
		return string(pool.Absent)
	}
	if got, want := absent(), `[{"address":"`+one.Address+`","decision":{"drain":{}}}]`; got != want {
		t.Errorf("absent are %s, want %s", got, want)
	}
	d.decide(one, `{"drain":false}`)
	if got := absent(); got != "" {
		t.Errorf("absent are %s, want none", got)
	}
	d.MustLoad(both)
	d.wantRequests("after it was taken back and back end one came back", 100, 100, 100)
}

func TestADecisionEndsWithItsTime(t *testing.T) {
	t.Parallel()
	d := newDecided(t)
	one := d.backends[0]
	d.decide(one, `{"drain":true,"ttl":"2s"}`)
	d.wantState("decided", one, "draining", 1)
	if !Eventually(20*time.Second, func() bool { return d.Upstream("shop", one.Address).State == "in" }) {
		t.Fatal("a decision for 2 s never ends")
	}
	d.wantRequests("after its time", 100, 100, 100)
}

func TestAdminAPIRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	d := newDecided(t)
	upstream := "/governance/pools/shop/upstreams/" + d.backends[0].Address
	for _, test := range []struct {
		name, path, body string // without a body it is a GET
		want             int
	}{
		{"unknown kind", "/governance/lakes", "", 404},
		{"unknown pool", "/governance/pools/nobody", "", 404},
		{"unknown pool to decide about", "/governance/pools/nobody/upstreams/a", `{"drain":true}`, 404},
		{"unknown upstream", "/governance/pools/shop/upstreams/127.0.0.1:1", `{"drain":true}`, 404},
		{"unknown thing of a pool", "/governance/pools/shop/downstreams/a", `{"drain":true}`, 404},
		{"no JSON", upstream, `drain`, 400},
		{"unknown field", upstream, `{"dry":true}`, 400},
		{"no decision", upstream, `{}`, 400},
		{"wrong type", upstream, `{"drain":"yes"}`, 400},
		{"negative weight", upstream, `{"weight":-1}`, 400},
		{"no duration", upstream, `{"drain":true,"ttl":"soon"}`, 400},
		{"something after the object", upstream, `{"drain":true} {}`, 400},
		{"too large", upstream, `{"drain":true,"ttl":"` + strings.Repeat("1", 70_000) + `s"}`, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			var a *Answer
			if test.body == "" {
				a = d.Get(test.path)
			} else {
				a = d.Post(test.path, test.body)
			}
			wantProblem(t, a, test.want)
		})
	}
	d.wantRequests("after all refusals", 100, 100, 100)
}

// wantProblem checks an answer that is to be application/problem+json.
func wantProblem(t *testing.T, a *Answer, status int) {
	t.Helper()
	var document struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}
	err := json.Unmarshal([]byte(a.Body), &document)
	if a.Status != status || a.MediaType() != "application/problem+json" || err != nil ||
		document.Status != status || document.Title == "" {
		t.Errorf("got %d %s %q, want %d application/problem+json", a.Status, a.MediaType(), a.Body, status)
	}
}
