package discovery

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

func entry(id, address string, port int, status string) *api.ServiceEntry {
	return &api.ServiceEntry{
		Node:    &api.Node{Node: "node1", Address: "10.1.0.1"},
		Service: &api.AgentService{ID: id, Service: "web", Address: address, Port: port, Weights: api.AgentWeights{Passing: 10, Warning: 2}},
		Checks:  api.HealthChecks{{CheckID: "c", Status: status}, {CheckID: "serfHealth", Status: api.HealthPassing}},
	}
}

func TestCatalogue(t *testing.T) {
	full := entry("full", "10.1.0.2", 80, api.HealthPassing)
	full.Service.Meta = map[string]string{
		"scheme": "https", "stage": "stable", "version": "1.2", "zone": "a", "started_at": "2024-05-06T07:08:09Z", "other": "x",
	}
	warning := entry("warning", "", 81, api.HealthWarning)
	warning.Service.Locality = &api.Locality{Zone: "b"}
	maintained := entry("maintained", "10.1.0.4", 80, api.HealthPassing)
	maintained.Checks = append(maintained.Checks, &api.HealthCheck{CheckID: api.NodeMaint, Status: api.HealthCritical})
	old := entry("old", "10.1.0.5", 80, api.HealthPassing)
	old.Service.Weights = api.AgentWeights{}
	old.Service.Meta = map[string]string{"started_at": "yesterday"}
	odd := entry("an odd/id", "10.1.0.6", 80, api.HealthPassing)
	again, elsewhere := *full, *full.Service // the same id at another port
	elsewhere.Port, again.Service = 90, &elsewhere
	noPort := entry("no-port", "10.1.0.7", 0, api.HealthPassing)
	scheme := entry("scheme", "10.1.0.8", 80, api.HealthPassing)
	scheme.Service.Meta = map[string]string{"scheme": "gopher"}

	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		c.services = []*api.ServiceEntry{
			full, warning, entry("critical", "10.1.0.3", 80, api.HealthCritical), maintained, old, odd, noPort, scheme,
			nil, {Node: full.Node}, {Service: full.Service}, full, &again,
		}
		want := []lease.Instance{
			{ID: "10.1.0.6:80", Address: "10.1.0.6", Port: 80, Scheme: "http", Weight: 10},
			{
				ID: "full@node1", Address: "10.1.0.2", Port: 80, Scheme: "https", Weight: 10, Stage: "stable", Version: "1.2", Zone: "a",
				StartedAt: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC),
			},
			{ID: "old@node1", Address: "10.1.0.5", Port: 80, Scheme: "http", Weight: 1},
			{ID: "warning@node1", Address: "10.1.0.1", Port: 81, Scheme: "http", Weight: 2, Zone: "b"},
		}
		for _, passing := range []bool{false, true} {
			source, err := Catalogue(c.client(t), "web", "v1", passing)
			if err != nil {
				t.Fatal(err)
			}
			w := watchSource(t, source, nil)
			<-w.Ready()
			synctest.Wait()
			if passing {
				want = want[:3]
			}
			w.expect(want...)
			if got := w.Snapshot(); !got.same(&Set{Instances: want}) {
				t.Errorf("the instances are\n%+v, want\n%+v", got.Instances, want)
			}
			if s := w.Status(); s.Malformed != 5 {
				t.Errorf("the status is %+v, want 5 malformed", s)
			}
			c.questions()
			c.change(func() { c.services = append(c.services, entry("new", "10.1.0.9", 80, api.HealthPassing)) })
			time.Sleep(time.Second)
			if got := ids(w.Snapshot().Instances); got[2] != "new@node1" {
				t.Errorf("the set has %v, want a new one", got)
			}
			c.change(func() { c.services = c.services[:len(c.services)-1] })
			w.stop()
		}
	})
}

func filteredList(r *http.Request) (*http.Response, error) {
	response, err := filtered(r)
	response.StatusCode, response.Body = 200, io.NopCloser(strings.NewReader("[]"))
	return response, err
}

func TestTheCatalogueIsAskedForWhatWasSet(t *testing.T) {
	c := newConsul()
	var url string
	c.instead = func(r *http.Request) (*http.Response, error) {
		url = r.URL.String()
		return nil, nil
	}
	source, err := Catalogue(c.client(t), "web", "a b&c", true)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := source.Ask(t.Context(), 0, 0); err != nil || len(answer.Instances) != 0 {
		t.Fatalf("got %+v, %v", answer, err)
	}
	if want := "http://consul.test:8500/v1/health/service/web?passing=1&tag=a+b%26c"; url != want {
		t.Errorf("asked %s, want %s", url, want)
	}
	for want, instead := range map[string]func(*http.Request) (*http.Response, error){
		"status 500": status(500, "No cluster leader"), "no index": status(200, "[]"), "EOF": cut("["), "may not read": filteredList,
	} {
		c.instead = instead
		if answer, err := source.Ask(t.Context(), 0, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %+v, %v; want an error with %q", answer, err, want)
		}
	}
	if name := source.Name(); name != `service web with tag "a b&c", passing` {
		t.Errorf("the name is %q", name)
	}
}
