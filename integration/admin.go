package integration

// admin.go speaks with a gateway's admin API.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/weirproxy/weir/governance/balance"
)

// Answer is an answer of the admin API or of a site.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// MediaType returns the content type without its parameters.
func (a *Answer) MediaType() string {
	mediaType, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	return strings.TrimSpace(mediaType)
}

// send sends one request to the admin API.
func (g *Gateway) send(method, path, body string, header http.Header) (*Answer, error) {
	r, err := http.NewRequest(method, "http://"+g.Admin+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	return do(g.client, r)
}

func do(client *http.Client, r *http.Request) (*Answer, error) {
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return &Answer{res.StatusCode, res.Header, string(body)}, nil
}

// command posts, and again if the connection was reset: a reload that is just replacing the
// admin API's listener resets what waits at the old one, which nobody has read.
func (g *Gateway) command(path, body string, header http.Header) (a *Answer, err error) {
	for range 3 {
		a, err = g.send(http.MethodPost, path, body, header)
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			break
		}
	}
	return a, err
}

// Load has the gateway load a configuration, also one that it runs already, and
// returns its refusal if it refuses.
func (g *Gateway) Load(config string) error {
	contentType := "text/caddyfile"
	if isJSON(config) {
		contentType = "application/json"
	}
	a, err := g.command("/load", config, http.Header{
		"Content-Type":  {contentType},
		"Cache-Control": {"must-revalidate"},
	})
	if err != nil {
		return err
	}
	if a.Status != http.StatusOK {
		return fmt.Errorf("loading a configuration: %d %s", a.Status, a.Body)
	}
	return nil
}

// MustLoad is Load for a configuration that is right.
func (g *Gateway) MustLoad(config string) {
	g.t.Helper()
	if err := g.Load(config); err != nil {
		g.t.Fatal(err)
	}
}

// Get asks the admin API.
func (g *Gateway) Get(path string) *Answer {
	g.t.Helper()
	a, err := g.get(path)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// get asks again where a reload is just replacing the admin API's listener.
func (g *Gateway) get(path string) (a *Answer, err error) {
	Eventually(30*time.Second, func() bool {
		a, err = g.send(http.MethodGet, path, "", nil)
		return err == nil
	})
	return a, err
}

// Post posts JSON to the admin API.
func (g *Gateway) Post(path, body string) *Answer {
	g.t.Helper()
	a, err := g.command(path, body, http.Header{"Content-Type": {"application/json"}})
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// Pool is a pool of upstreams as the admin API shows it.
type Pool struct {
	Name          string     `json:"name"`
	Panic         bool       `json:"panic"`
	Upstreams     []Upstream `json:"upstreams"`
	Retries       uint64     `json:"retries"`
	RetriesDenied uint64     `json:"retries_denied"`
}

// Upstream is one upstream of a Pool.
type Upstream struct {
	Address         string            `json:"address"`
	State           string            `json:"state"`
	Weight          float64           `json:"weight"`
	SuccessRate     float64           `json:"success_rate"`
	EffectiveWeight float64           `json:"effective_weight"`
	Share           float64           `json:"share"`
	EjectedFor      float64           `json:"ejected_for_seconds"`
	InFlight        int64             `json:"in_flight"`
	Attempts        map[string]uint64 `json:"attempts"`
	Decision        *balance.Decision `json:"decision"`
}

// Pool returns the state of a pool.
func (g *Gateway) Pool(name string) *Pool {
	g.t.Helper()
	p, err := g.LookUpPool(name)
	if err != nil {
		g.t.Fatal(err)
	}
	return p
}

// LookUpPool is Pool for goroutines that must not end the test.
func (g *Gateway) LookUpPool(name string) (*Pool, error) {
	a, err := g.get("/governance/pools/" + name)
	if err != nil {
		return nil, err
	}
	p := new(Pool)
	if err := json.Unmarshal([]byte(a.Body), p); err != nil || a.Status != http.StatusOK {
		return nil, fmt.Errorf("GET /governance/pools/%s: %d %s", name, a.Status, a.Body)
	}
	return p, nil
}

// Upstream returns the state of one upstream.
func (g *Gateway) Upstream(pool, address string) *Upstream {
	g.t.Helper()
	p := g.Pool(pool)
	u := p.Upstream(address)
	if u == nil {
		g.t.Fatalf("pool %s has no upstream %s: %+v", pool, address, p)
	}
	return u
}

// Upstream returns one upstream of the pool, or nil.
func (p *Pool) Upstream(address string) *Upstream {
	for i := range p.Upstreams {
		if p.Upstreams[i].Address == address {
			return &p.Upstreams[i]
		}
	}
	return nil
}

func isJSON(config string) bool { return json.Valid([]byte(config)) }
