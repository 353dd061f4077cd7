package integration

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/freeport"
)

// sampleEvery is how often a pool is looked at while there is load.
const sampleEvery = 10 * time.Millisecond

// example returns Caddyfile.example with each of its ports replaced by a free one, and the
// file that it names by its whole path.
func example(t *testing.T) (config string, port map[int]int) {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "Caddyfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	port = map[int]int{2019: 0, 8080: 0, 8081: 0, 8082: 0, 8500: 0, 9001: 0, 9002: 0, 9003: 0, 9004: 0, 9005: 0}
	const document = " openapi.example.yaml "
	if !strings.Contains(string(text), document) {
		t.Fatalf("Caddyfile.example does not name%s", document)
	}
	config = strings.ReplaceAll(string(text), document, " "+filepath.Join(root, strings.TrimSpace(document))+" ")
	for old := range port {
		port[old] = freeport.Port(t)
		pattern := regexp.MustCompile(`:` + strconv.Itoa(old) + `\b`)
		if !pattern.MatchString(config) {
			t.Fatalf("Caddyfile.example does not mention port %d", old)
		}
		config = pattern.ReplaceAllString(config, ":"+strconv.Itoa(port[old]))
	}
	// A fixed port that came into the example later would meet whatever uses it.
	for line := range strings.Lines(config) {
		for _, match := range regexp.MustCompile(`:(\d{4,5})\b`).FindAllStringSubmatch(line, -1) {
			number, _ := strconv.Atoi(match[1])
			if !slices.Contains(slices.Collect(maps.Values(port)), number) && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				t.Fatalf("Caddyfile.example has a port this test does not know: %s", line)
			}
		}
	}
	return config, port
}

// watch looks at an upstream until stop is called, which returns what was seen
// while the upstream was in the rotation; looks is how often that was so far.
func watch(t *testing.T, g *Gateway, pool, address string) (looks func() int, stop func() []Upstream) {
	done := make(chan struct{})
	var seen []Upstream
	var n atomic.Int64
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				p, err := g.LookUpPool(pool)
				if err != nil {
					t.Error(err)
					return
				}
				if u := p.Upstream(address); u != nil && u.State == "in" {
					seen = append(seen, *u)
					n.Add(1)
				}
			}
		}
	})
	return func() int { return int(n.Load()) }, func() []Upstream {
		close(done)
		watching.Wait()
		return seen
	}
}

// mean returns the mean of f over what was seen, leaving out the part at the
// beginning, when the rate still falls from 1.
func mean(seen []Upstream, f func(*Upstream) float64) float64 {
	seen = seen[len(seen)/5:]
	sum := 0.0
	for i := range seen {
		sum += f(&seen[i])
	}
	return sum / float64(len(seen))
}

func effectiveWeight(u *Upstream) float64 { return u.EffectiveWeight }

// leastLooks is how often a weight is looked at before its mean says anything.
const leastLooks = 30

// settles sends requests at 64 connections and checks that clients do not notice
// the back end that fails half of its requests, and that this one's weight settles
// between least and most of its fair share, which is 1. On a fast machine the
// requests are over before there were enough looks: more follow, which are only
// for the weight.
func settles(t *testing.T, g *Gateway, target, failing string, requests int, least, most float64) {
	t.Helper()
	looks, stop := watch(t, g, "shop", failing)
	result := Closed(t.Context(), target, 64, requests)
	for deadline := time.Now().Add(30 * time.Second); looks() < leastLooks && time.Now().Before(deadline); {
		Closed(t.Context(), target, 64, 200)
	}
	seen := stop()

	t.Logf("%v", result)
	if result.Requests() != requests {
		t.Errorf("%d requests were made, want %d", result.Requests(), requests)
	}
	if share := result.SuccessShare(); share < 0.999 {
		t.Errorf("%.2f %% succeed, want at least 99.9 %%", 100*share)
	}
	if len(seen) < leastLooks {
		t.Fatalf("the failing back end was seen in the rotation %d times; nothing can be said about its weight", len(seen))
	}
	weight := mean(seen, effectiveWeight)
	t.Logf("one of three fails half: %d requests, %.3f %% succeed; it settles at %.1f %% of its fair share (mean of %d looks)",
		requests, 100*result.SuccessShare(), 100*weight, len(seen))
	if weight < least || weight > most {
		t.Errorf("the effective weight settles at %.0f %% of the fair share, want %.0f to %.0f %%", 100*weight, 100*least, 100*most)
	}
	if failed := g.Upstream("shop", failing).Attempts["failed_status"]; failed == 0 {
		t.Error("the back end that should fail half its requests failed none")
	}
}

func exampleSettles(t *testing.T, requests int) {
	t.Helper()
	config, port := example(t)
	g := Start(t, Weir(t), "localhost:"+strconv.Itoa(port[2019]), config)
	settles(t, g, "http://localhost:"+strconv.Itoa(port[8080])+"/", "127.0.0.1:"+strconv.Itoa(port[9003]), requests, 0.4, 0.6)
}

func TestExampleHidesTheBackEndThatFailsHalfItsRequests(t *testing.T) {
	exampleSettles(t, 2000)
}

func TestSoakExampleHidesTheBackEndThatFailsHalfItsRequests(t *testing.T) {
	Soak(t)
	exampleSettles(t, 50_000)
}

// Failures at random come in longer rows than the example's, so the weight wanders
// more, and now and then the back end is ejected.
func TestABackEndThatFailsAtRandomIsHidden(t *testing.T) {
	backends := threeBackends(t)
	s := newSite(t, backends...)
	s.Policy = []string{"eject_after 20"}
	g := startWeir(t, s)
	backends[2].FailRandomly(0.5)
	settles(t, g, s.URL(), backends[2].Address, 2000, 0.3, 0.7)
}

func TestExampleRunsAsJSON(t *testing.T) {
	t.Parallel()
	config, port := example(t)
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	adapted, status := Command(t, Weir(t), "adapt", "--config", file)
	// warnings come before the configuration
	adapted = adapted[max(0, strings.Index(adapted, `{"admin"`)):]
	if status != 0 || !isJSON(adapted) {
		t.Fatalf("caddy adapt ends with %d:\n%s", status, adapted)
	}
	g := Start(t, Weir(t), "localhost:"+strconv.Itoa(port[2019]), adapted)
	g.MustLoad(adapted)
	result := Closed(t.Context(), "http://localhost:"+strconv.Itoa(port[8080])+"/", 4, 100)
	if result.FailedAnswers() > 0 {
		t.Errorf("the example as JSON: %v", result)
	}
	if n := len(g.Pool("shop").Upstreams); n != 3 {
		t.Errorf("the pool has %d upstreams, want 3", n)
	}
}

// The example has every module, and so every kind of live state.
func TestThePageOfTheAdminAPIHasEveryKind(t *testing.T) {
	t.Parallel()
	config, port := example(t)
	g := Start(t, Weir(t), "localhost:"+strconv.Itoa(port[2019]), config)
	var kinds map[string]any
	if err := json.Unmarshal([]byte(g.Get("/governance/").Body), &kinds); err != nil {
		t.Fatal(err)
	}
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "modules", "governance.md"))
	if err != nil {
		t.Fatal(err)
	}
	for kind := range kinds {
		if !strings.Contains(string(page), "\n| `"+kind+"` | [") && !strings.Contains(string(page), "\n| `"+kind+"` | this one") {
			t.Errorf("docs/modules/governance.md has no row for %s", kind)
		}
	}
	if len(kinds) < 9 {
		t.Errorf("the example has %d kinds, too few to tell", len(kinds))
	}
}

func TestExampleKeepsItsPromisesToAClient(t *testing.T) {
	t.Parallel()
	config, port := example(t)
	g := Start(t, Weir(t), "localhost:"+strconv.Itoa(port[2019]), config)
	client := NewClient(1)
	for range 20 {
		a := ask(t, client, "http://localhost:"+strconv.Itoa(port[8080])+"/", nil)
		if a.Status != 200 || !strings.HasPrefix(a.Body, "hello from back end ") {
			t.Fatalf("the example answers %d %q", a.Status, a.Body)
		}
		if id := a.Header.Get("X-Trace-Id"); len(id) != 32 {
			t.Fatalf("X-Trace-Id is %q, want 32 digits", id)
		}
	}
	counted := g.Metrics().Sum("gateway_http_requests_total", "route", "shop", "method", "GET", "status", "200")
	if counted != 20 {
		t.Errorf("%v requests are counted, want 20", counted)
	}
}
