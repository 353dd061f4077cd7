package integration

// consul_catalogue_test.go has a gateway follow what is registered with Consul's agents.

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/internal/consulserver"
)

// inCatalogue registers a back end with the agent, which checks it each second, and is patient.
func inCatalogue(t *testing.T, client *api.Client, b *Backend, weight int, stage string, tags ...string) (ill *atomic.Bool) {
	t.Helper()
	ill = new(atomic.Bool)
	b.Handle("/health", func(w http.ResponseWriter, _ *http.Request) {
		if ill.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	host, port, _ := strings.Cut(b.Address, ":")
	n, _ := strconv.Atoi(port) // of an address that works
	err := client.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: b.Name, Name: "web", Address: host, Port: n, Tags: tags,
		Meta:    map[string]string{"stage": stage},
		Weights: &api.AgentWeights{Passing: weight, Warning: 1},
		Check:   &api.AgentServiceCheck{HTTP: "http://" + b.Address + "/health", Interval: "1s", Timeout: "20s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ill
}

// What is in Consul's catalogue is used as it is well, and as it weighs.
func TestConsulServiceFollowsTheCatalogue(t *testing.T) {
	t.Parallel()
	consul := consulserver.Start(t)
	agent := consul.Client()
	heavy, light, canary := NewBackend(t, "heavy"), NewBackend(t, "light"), NewBackend(t, "canary")
	ill := inCatalogue(t, agent, heavy, 3, "stable")
	inCatalogue(t, agent, light, 1, "stable", "blue")
	inCatalogue(t, agent, canary, 10, "canary", "blue")
	s := newFollowingSite(t, consul)
	s.NoRetries = true
	// one after the other goes in less time than half of them may by default
	s.Dynamic = sourceBlock("consul_service web", "stage stable", "max_removal 100%")
	g := &follower{startWeir(t, s), s, "consul_service:web,stage=stable"}
	g.awaitUse(t, consulPatience, heavy.Address, light.Address)

	result := Closed(t.Context(), s.URL(), 4, 400)
	wantNoFailure(t, "weights of 3 and 1", result)
	if h, l := heavy.Requests(), light.Requests(); l < 95 || l > 105 || h+l != 400 || canary.Requests() != 0 {
		t.Errorf("of 400 requests heavy got %d, light %d, canary %d", h, l, canary.Requests())
	}

	stop := sustain(t, s.URL(), instanceRate)
	ill.Store(true)
	out := g.awaitUse(t, consulPatience, light.Address)
	ill.Store(false)
	in := g.awaitUse(t, consulPatience, heavy.Address, light.Address)
	t.Logf("out %.1f s after its check began to fail, in %.1f s after that was well again", out.Seconds(), in.Seconds())
	if err := agent.Agent().EnableServiceMaintenance(light.Name, "test"); err != nil {
		t.Fatal(err)
	}
	out = g.awaitUse(t, consulSoon, heavy.Address)
	if err := agent.Agent().DisableServiceMaintenance(light.Name); err != nil {
		t.Fatal(err)
	}
	in = g.awaitUse(t, consulSoon, heavy.Address, light.Address)
	t.Logf("out %.2f s after maintenance began, in %.2f s after its end", out.Seconds(), in.Seconds())
	if err := agent.Agent().ServiceDeregister(heavy.Name); err != nil {
		t.Fatal(err)
	}
	g.awaitUse(t, consulSoon, light.Address)
	wantNoFailure(t, "the catalogue changes", stop())

	s.Dynamic = sourceBlock("consul_service web", "tag blue")
	g.MustLoad(s.Caddyfile())
	g.source = "consul_service:web,tag=blue"
	g.awaitUse(t, consulSoon, light.Address, canary.Address)
}
