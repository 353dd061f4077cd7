package integration

// contract_swap_test.go changes the document of a contract under load, from a file and from a URL.

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// swapWithin is when a change of the document must show.
	swapWithin = 30 * time.Second
	// betweenSwaps is how many requests at least come between two changes.
	betweenSwaps = 10
)

// swapped is a gateway whose document is changed again and again.
type swapped struct {
	*contractGateway
	// put makes a text the document. It returns after the gateway has been told, if it needs to be.
	put func(text string)

	version int
	valid   int
	broken  int
	seen    probes
}

// shown is what the admin API shows of a contract.
type shown struct {
	Generation uint64 `json:"generation"`
	Stale      bool   `json:"stale"`
	Error      string `json:"error"`
	Violations []struct {
		Operation  string `json:"operation"`
		Generation uint64 `json:"generation"`
		Direction  string `json:"direction"`
		In         string `json:"in"`
		Code       string `json:"code"`
		TraceID    string `json:"trace_id"`
	} `json:"violations"`
}

func (g *contractGateway) shown(t *testing.T) *shown {
	t.Helper()
	a := g.Get("/governance/contracts/api")
	s := new(shown)
	if err := json.Unmarshal([]byte(a.Body), s); err != nil || a.Status != http.StatusOK {
		t.Fatalf("GET /governance/contracts/api: %d %s", a.Status, a.Body)
	}
	return s
}

// swap changes the document count times, valid ones and broken ones in turn, and waits until each shows.
func (s *swapped) swap(t *testing.T, count int) {
	t.Helper()
	for range count {
		s.version++
		flavour := string("ab"[s.version/2%2])
		text := swapDocument(s.version, flavour)
		breaks := s.version%2 == 1
		if breaks {
			text = breakDocument(text, s.version/2)
			s.broken++
		} else {
			s.valid++
		}
		echoed := s.echoed.Load()
		if !Eventually(swapWithin, func() bool { return s.echoed.Load() >= echoed+betweenSwaps }) {
			t.Fatalf("no requests come after document %d", s.version-1)
		}
		before := s.shown(t)
		s.put(text)
		var now *shown
		if !Eventually(swapWithin, func() bool {
			now = s.shown(t)
			s.seen.note(now)
			return now.Stale == breaks && (now.Generation != before.Generation) == !breaks
		}) {
			t.Fatalf("document %d (broken: %t): generation %d before, %d now, stale %t %s",
				s.version, breaks, before.Generation, now.Generation, now.Stale, now.Error)
		}
		if breaks && now.Error == "" {
			t.Errorf("document %d: the admin API does not say what is wrong", s.version)
		}
	}
}

// probes are the violations of the requests to postProbe, by trace id.
type probes map[string]map[string]bool

func (p *probes) note(now *shown) {
	if *p == nil {
		*p = make(probes)
	}
	for _, v := range now.Violations {
		if v.Operation != "postProbe" {
			continue
		}
		if (*p)[v.TraceID] == nil {
			(*p)[v.TraceID] = make(map[string]bool)
		}
		(*p)[v.TraceID][fmt.Sprintf("%d %s %s %s", v.Generation, v.Direction, v.In, v.Code)] = true
	}
}

// check wants each request to have been judged, from its headers to its answer, by one generation.
func (p probes) check(t *testing.T) {
	t.Helper()
	byGeneration := make(map[string]string)
	for id, violations := range p {
		var codes [3]string
		generation := ""
		for v := range violations {
			fields := strings.Fields(v)
			if generation != "" && generation != fields[0] {
				t.Errorf("request %s was judged by several generations: %v", id, violations)
				return
			}
			generation = fields[0]
			for i, place := range []string{"request header", "request body", "response body"} {
				if fields[1]+" "+fields[2] == place {
					codes[i] = fields[3]
				}
			}
		}
		flavour := map[[3]string]string{{"enum", "type", "const"}: "a", {"max_length", "pattern", "min_length"}: "b"}[codes]
		if flavour == "" || byGeneration[generation] != "" && byGeneration[generation] != flavour {
			t.Errorf("request %s was judged by parts of documents: %v; its generation is %q", id, violations, byGeneration[generation])
			return
		}
		byGeneration[generation] = flavour
	}
	t.Logf("%d probes were judged by %d generations", len(p), len(byGeneration))
	if len(byGeneration) < 3 {
		t.Error("too few generations were met")
	}
}

// load sends requests until stop is closed and counts what must not be by what happened.
func (s *swapped) load(t *testing.T, stop <-chan struct{}) (sent int64, failures map[string]int) {
	failures = make(map[string]int)
	var total atomic.Int64
	var mu sync.Mutex
	fail := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		failures[what]++
	}
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond): // the load is steady, not a flood
				}
				total.Add(1)
				path, body := "/postOrder", `{"id": 7, "name": "tea"}`
				switch rand.IntN(3) {
				case 0:
					path, body = "/postProbe", `{"probe": "probe"}`
				case 1:
					path, body = "/postEither", `{"kind": "`+string("ab"[rand.IntN(2)])+`"}`
				}
				switch status, text, err := s.call(path, body); {
				case err != nil:
					fail(path + " " + describe(err))
				case status == http.StatusUnprocessableEntity && path == "/postEither": // the other flavour
				case status != http.StatusOK || text != body:
					fail(fmt.Sprintf("%s %d %s", path, status, text))
				}
			}
		})
	}
	workers.Wait()
	return total.Load(), failures
}

// call posts a body that the back end takes some time to answer.
func (s *swapped) call(path, body string) (status int, text string, err error) {
	r, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Probe", "probe")
	a, err := do(s.client, r)
	if err != nil {
		return 0, "", err
	}
	return a.Status, a.Body, nil
}

// underLoad swaps under load.
func (s *swapped) underLoad(t *testing.T, count int) {
	t.Helper()
	stop := make(chan struct{})
	var load sync.WaitGroup
	var sent int64
	var failures map[string]int
	load.Go(func() { sent, failures = s.load(t, stop) })
	func() {
		defer load.Wait()
		defer close(stop)
		s.swap(t, count)
	}()
	s.seen.note(s.shown(t))
	t.Logf("%d swaps, %d requests", count, sent)
	if len(failures) > 0 || sent == 0 {
		t.Errorf("of %d requests failed: %v", sent, failures)
	}
}

// swapsUnderLoad swaps early times, and then up to count times, and compares the memory.
func (s *swapped) swapsUnderLoad(t *testing.T, early, count int) {
	t.Helper()
	s.delay.Store(int64(30 * time.Millisecond))
	s.underLoad(t, early)
	before := memoryAtRest(s.Gateway)
	s.underLoad(t, count-early)
	after := memoryAtRest(s.Gateway)
	s.seen.check(t)
	t.Logf("after %d and %d swaps: heap %.2f and %.2f MiB, %.0f and %.0f goroutines", early, count,
		before.Heap/(1<<20), after.Heap/(1<<20), before.Goroutines, after.Goroutines)
	if after.Goroutines > before.Goroutines+5 {
		t.Errorf("there are %.0f goroutines, there were %.0f", after.Goroutines, before.Goroutines)
	}
	if allowed := 1<<20 + before.Heap/4; after.Heap-before.Heap > allowed {
		t.Errorf("the heap grew by %.2f MiB, %.2f are allowed", (after.Heap-before.Heap)/(1<<20), allowed/(1<<20))
	}
	m := s.Metrics()
	if n := m.Sum("gateway_contract_loads_total", "contract", "api", "result", "ok"); int(n) != s.valid+1 {
		t.Errorf("%v documents are counted as loaded, want %d", n, s.valid+1)
	}
	if n := m.Sum("gateway_contract_loads_total", "contract", "api", "result", "error"); int(n) < s.broken {
		t.Errorf("%v documents are counted as broken, want %d or more", n, s.broken)
	}
	if n := m.Sum("gateway_http_requests_total", "route", "/postOrder", "status", "200"); n == 0 {
		t.Errorf("no requests are counted by the template /postOrder: %v", m.Series("gateway_http_requests_total"))
	}
	if n := m.Sum("gateway_contract_stale", "contract", "api"); n != 0 {
		t.Errorf("gateway_contract_stale is %v after a good document", n)
	}
}

func TestContractSwapsUnderLoadCostNoRequest(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		fromFile(t).swapsUnderLoad(t, 8, 20)
	})
	t.Run("URL", func(t *testing.T) {
		t.Parallel()
		s, d := fromURL(t)
		s.swapsUnderLoad(t, 8, 20)
		s.checkUnchanged(t, d)
	})
}

func TestSoakContractSwapsUnderLoadCostNoRequest(t *testing.T) {
	Soak(t)
	t.Run("file", func(t *testing.T) { fromFile(t).swapsUnderLoad(t, 100, 1000) })
	t.Run("URL", func(t *testing.T) {
		s, d := fromURL(t)
		s.swapsUnderLoad(t, 100, 1000)
		s.checkUnchanged(t, d)
	})
}

// checkUnchanged wants a document that has not changed to cost one 304 and nothing more, and a reload of the
// configuration to keep the generation.
func (s *swapped) checkUnchanged(t *testing.T, d *documentServer) {
	t.Helper()
	before, notModified := s.shown(t).Generation, d.notModified.Load()
	loaded := s.loads("ok")
	s.Post("/governance/contracts/api/reload", "{}")
	if n := d.notModified.Load() - notModified; n != 1 {
		t.Errorf("the server answered 304 %d times, want once", n)
	}
	s.site.Lines = append(s.site.Lines, "header X-Config changed")
	s.MustLoad(s.site.Caddyfile())
	if now := s.shown(t).Generation; now != before || s.loads("ok") != loaded {
		t.Errorf("generation %d became %d, and %v loads %v, of a document that has not changed", before, now, loaded, s.loads("ok"))
	}
	if s.loads("unchanged") == 0 {
		t.Error("no load is counted as unchanged")
	}
}

func (s *swapped) loads(result string) float64 {
	return s.Metrics().Sum("gateway_contract_loads_total", "contract", "api", "result", result)
}
