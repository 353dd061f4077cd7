package integration

// consul_change_test.go has a reload change what the gateway registers, and commands that
// must not.

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/internal/freeport"
)

// A registration follows the configuration that runs, and no other.
func TestConsulAReloadChangesARegistration(t *testing.T) {
	t.Parallel()
	j := newJoined(t)
	stop := j.load()
	j.refuses(t)
	j.reweighs(t)
	j.takesOver(t)
	j.leaves(t)
	j.comesBack(t)
	checkFailures(t, stop(), new(Result))
}

// refuses has configurations fail to load, of which each would change the registration.
func (j *joined) refuses(t *testing.T) {
	t.Helper()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	before, _ := j.keys.only(t)
	page := j.keys.at()
	host, port, _ := net.SplitHostPort(taken.Addr().String())
	fails := fmt.Sprintf("\nhttp://:%s {\n\tbind %s\n\trespond hi\n}\n", port, host)
	failing := map[string]string{
		"does not start, another weight":  j.config("bad", j.register("weight 5")) + fails,
		"does not start, another ttl":     j.config("bad", j.register("ttl 20s")) + fails,
		"does not start, no registration": j.config("bad") + fails,
		"does not start, one more":        j.config("bad", j.register(), "register gateway 127.0.0.1:1") + fails,
		"is not provisioned":              j.config("bad", j.register("weight 5"), "register gateway 127.0.0.1:1 {\n\t\t\tstage {env.STAGE}\n\t\t}"),
	}
	for range 5 { // which of its apps start before one fails is a matter of chance
		for name, config := range failing {
			if err := j.Load(config); err == nil {
				t.Errorf("a configuration that %s is loaded", name)
			}
		}
	}
	j.awaitRenewal(t) // time for what should not happen
	if r := j.registration(t); r.Session != before.Session || r.Registrations != 1 || r.Losses[lease.SessionGone] != 0 {
		t.Errorf("after configurations that failed to load: %+v", r)
	}
	for _, pairs := range j.keys.since(page) {
		if len(pairs) != 1 || pairs[0].Session != before.Session || !strings.Contains(string(pairs[0].Value), `"weight":1,`) {
			t.Errorf("what is registered was%s\nand after configurations that failed to load%s", written(api.KVPairs{before}), written(pairs))
		}
	}
	if a := ask(t, http.DefaultClient, j.site.URL(), nil); a.Header.Get("X-Config") != "first" {
		t.Errorf("the configuration %q runs", a.Header.Get("X-Config"))
	}
}

// reweighs changes what can change while a lease lasts.
func (j *joined) reweighs(t *testing.T) {
	t.Helper()
	before, was := j.keys.only(t)
	j.MustLoad(j.config("reweighed", j.register("weight 3", "stage canary")))
	took := j.keys.await(t, joinedUpdate, "the new weight", func(all []lease.Instance) bool {
		return len(all) == 1 && all[0].Weight == 3 && all[0].Stage == "canary"
	})
	t.Logf("another weight is written after %v", took.Round(time.Millisecond))
	after, is := j.keys.only(t)
	if after.Session != before.Session || after.CreateIndex != before.CreateIndex || after.LockIndex != before.LockIndex ||
		is.ID != was.ID || !is.StartedAt.Equal(was.StartedAt) {
		t.Errorf("another weight makes of%s\nthe registration%s", written(api.KVPairs{before}), written(api.KVPairs{after}))
	}
}

// takesOver changes what a lease cannot change: another one takes over.
func (j *joined) takesOver(t *testing.T) {
	t.Helper()
	page := j.keys.at()
	before, was := j.keys.only(t)
	j.MustLoad(j.config("longer", j.register("weight 3", "stage canary", "ttl 20s")))
	took := j.keys.await(t, consulPatience, "the second lease alone", func(all []lease.Instance) bool {
		return len(all) == 1 && all[0].ID != was.ID
	})
	t.Logf("another lease has taken over after %v", took.Round(time.Millisecond))
	after, is := j.keys.only(t)
	session, _, err := j.consul.Client().Session().Info(after.Session, nil)
	if err != nil || session == nil || session.TTL != "20s" || after.Session == before.Session || !is.StartedAt.Equal(was.StartedAt) {
		t.Errorf("another TTL makes of%s\nthe registration%s\nwith the session %+v, %v", written(api.KVPairs{before}), written(api.KVPairs{after}), session, err)
	}
	for _, pairs := range j.keys.since(page) {
		if len(pairs) == 0 || strings.Contains(written(pairs), `"draining":true`) {
			t.Errorf("while another lease takes over there is: %s", written(pairs))
		}
	}
}

// leaves takes the registration out of the configuration.
func (j *joined) leaves(t *testing.T) {
	t.Helper()
	page, began := j.keys.at(), time.Now()
	j.MustLoad(j.config("unregistered"))
	j.keys.await(t, joinedDrain+consulSoon, "no registration", func(all []lease.Instance) bool { return len(all) == 0 })
	took := time.Since(began)
	t.Logf("a registration that is taken out, with %v to drain, is gone after %v", joinedDrain, took.Round(time.Millisecond))
	pages := j.keys.since(page)
	if steps := strings.Join(stepsOf(pages), ", "); steps != "there, draining, gone" || took < joinedDrain {
		t.Errorf("it was not there, draining, and gone, but %s after %v:", steps, took)
		for _, pairs := range pages {
			t.Log(written(pairs))
		}
	}
	if a := j.Get("/governance/registrations"); strings.Contains(a.Body, "gateway@") {
		t.Errorf("the registration is still shown: %s", a.Body)
	}
}

// stepsOf says what became of a registration. Other changes, as of the load of its process,
// are no steps.
func stepsOf(pages []api.KVPairs) (steps []string) {
	for _, pairs := range pages {
		step := "there"
		switch {
		case len(pairs) == 0:
			step = "gone"
		case strings.Contains(written(pairs), `"draining":true`):
			step = "draining"
		}
		if len(steps) == 0 || steps[len(steps)-1] != step {
			steps = append(steps, step)
		}
	}
	return steps
}

// comesBack adds one.
func (j *joined) comesBack(t *testing.T) {
	t.Helper()
	j.MustLoad(j.config("again", j.register()))
	took := j.keys.await(t, consulSoon, "a registration", func(all []lease.Instance) bool { return len(all) == 1 && !all[0].Draining })
	t.Logf("a registration that is added is there after %v", took.Round(time.Millisecond))
}

// To look at a configuration asks Consul nothing, and leaves what is registered alone.
func TestConsulIsAskedNothingByValidation(t *testing.T) {
	t.Parallel()
	const times = 20
	j := newJoined(t)
	j.awaitRenewal(t)
	file := filepath.Join(t.TempDir(), "Caddyfile")
	validate := func(consul string, commands ...string) {
		t.Helper()
		s := *j.site
		s.Dynamic = sourceBlock("consul_kv web", "stage stable", "cache_file "+filepath.Join(t.TempDir(), "web.json"))
		s.Global = []string{globalGovernance(consulOption(consul, ""), j.register("weight 7"))}
		catalogue := fmt.Sprintf("\nhttp://%s {\n\treverse_proxy {\n\t\tdynamic consul_service web\n\t}\n}\n", freeport.Address(t))
		if err := os.WriteFile(file, []byte(s.Caddyfile()+catalogue), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range commands {
			args := append(strings.Fields(command), "--config", file)
			if output, status := Command(t, Weir(t), args...); status != 0 {
				t.Fatalf("caddy %s ends with %d:\n%s", command, status, output)
			}
		}
	}

	silent := newTap(t, "127.0.0.1:0", "")
	validate(silent.Address, "validate", "adapt --validate", "adapt")
	if n := silent.accepted.Load(); n != 0 {
		t.Errorf("validation made %d connections to Consul", n)
	}

	page, connections := j.keys.at(), j.tap.accepted.Load()
	for range times {
		validate(j.tap.Address, "validate")
	}
	j.awaitRenewal(t)
	r := j.registration(t)
	if n := j.tap.accepted.Load() - connections; n > int64(r.Updates) { // as for reloads
		t.Errorf("while the gateway runs, %d validations made %d connections to Consul", times, n)
	}
	if changes := uint64(len(j.keys.since(page)) - 1); changes > r.Updates || r.Registrations != 1 || r.Instance.Weight != 1 {
		t.Errorf("after %d validations the key was changed %d times: %+v", times, changes, r)
	}
}
