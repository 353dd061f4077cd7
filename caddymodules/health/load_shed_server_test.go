package health

// load_shed_server_test.go runs a real Caddy in this process.

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
)

// shedGate is a handler that lets requests wait.
type shedGate struct{}

var (
	shedArrived = make(chan struct{}, 10)
	shedLeave   = make(chan struct{})
)

func init() {
	caddy.RegisterModule(shedGate{})
	httpcaddyfile.RegisterHandlerDirective("shed_gate", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return shedGate{}, nil
	})
}

func (shedGate) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.shed_gate", New: func() caddy.Module { return new(shedGate) }}
}

func (shedGate) ServeHTTP(w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
	shedArrived <- struct{}{}
	<-shedLeave
	_, err := io.WriteString(w, "through the gate")
	return err
}

type shedSite struct {
	t    *testing.T
	url  string
	dir  string
	host string
}

func newShedSite(t *testing.T) *shedSite {
	host := freeport.Address(t)
	s := &shedSite{t, "http://" + host, t.TempDir(), host}
	t.Cleanup(func() {
		adapttest.Stop(t)
	})
	return s
}

// load runs a site with these lines, in which a gate ends every route.
func (s *shedSite) load(lines string) error {
	s.t.Helper()
	adapted, err := adapttest.Adapt(s.caddyfile(lines))
	if err != nil {
		s.t.Fatal(err)
	}
	return adapttest.Load([]byte(adapted))
}

func (s *shedSite) caddyfile(lines string) string {
	return fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\torder shed_gate last\n"+
		"\tstorage file_system {\n\t\troot %s\n\t}\n}\nhttp://%s {\n\tlog {\n\t\toutput file %s/access.log\n\t}\n%s\n\tshed_gate\n}\n", s.dir, s.host, s.dir, lines)
}

func (s *shedSite) mustLoad(lines string) {
	s.t.Helper()
	if err := s.load(lines); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shedSite) get(path string) (*http.Response, string) {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	var res *http.Response
	var err error
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		// a reload can reset a connection that the old listener had queued
		if res, err = client.Get(s.url + path); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res, string(body)
}

// waiting sends a request that stays at the gate until release is called.
func (s *shedSite) waiting(path string) (release func()) {
	s.t.Helper()
	done := make(chan string)
	go func() {
		_, body := s.get(path)
		done <- body
	}()
	select {
	case <-shedArrived:
	case body := <-done:
		s.t.Fatalf("the request got %q, and was to wait", body)
	}
	return func() {
		shedLeave <- struct{}{}
		if body := <-done; body != "through the gate" {
			s.t.Errorf("a request that waited got %q", body)
		}
	}
}

func (s *shedSite) shown() *LoadShed {
	s.t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: loadSheds, Name: "shop"})
	if err != nil {
		s.t.Fatal(err)
	}
	return held.View.(*LoadShed)
}

func (s *shedSite) snapshot() shedSnapshot {
	s.t.Helper()
	return s.shown().snapshot()
}

// checkConflict wants an error that names both places, and no matcher's secret.
func checkConflict(t *testing.T, name string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), livestate.ErrConflict.Error()) || strings.Count(err.Error(), `"name":"shop"`) != 2 {
		t.Errorf("%s: the error does not name both places: %v", name, err)
	} else if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "X-Key") {
		t.Errorf("%s: the error tells what a matcher matches: %v", name, err)
	}
}

const shedLines = "\t@checkout path /checkout\n\tload_shed shop {\n\t\tcritical @checkout\n\t\tlow header X-Crawler *\n\t\texempt /health\n\t\tmax_in_flight 2\n\t\tfloor 0%\n\t}"

func TestLoadShedInCaddy(t *testing.T) {
	s := newShedSite(t)
	s.mustLoad(shedLines)
	first := s.waiting("/")
	res, body := s.get("/")
	retry, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if res.StatusCode != 503 || res.Header.Get("Content-Type") != "application/problem+json" || err != nil || retry < 1 || retry > 5 {
		t.Errorf("a second normal request gets %d %v %q", res.StatusCode, res.Header, body)
	}
	critical, exempt := s.waiting("/checkout"), s.waiting("/health")
	if got := s.snapshot(); *got.InFlight != 2 || *got.Limit != 2 {
		t.Errorf("%d are in flight, limit %d; want 2 and 2", *got.InFlight, *got.Limit)
	}
	for _, release := range []func(){first, critical, exempt} {
		release()
	}
	if got := s.snapshot(); *got.InFlight != 0 || got.Requests["normal"]["shed"] != 1 || got.Requests["critical"]["admitted"] != 1 {
		t.Errorf("in the end the snapshot is %+v", got)
	}
	log, err := os.ReadFile(filepath.Join(s.dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	refused := ""
	for line := range strings.Lines(string(log)) {
		var entry struct {
			Status    int    `json:"status"`
			RefusedBy string `json:"refused_by"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Status == 503 {
			refused += entry.RefusedBy
		}
	}
	if refused != "load_shed shop" {
		t.Errorf("the access log has it refused by %q", refused)
	}
}

func TestLoadShedStateSurvivesReloads(t *testing.T) {
	s := newShedSite(t)
	s.mustLoad(shedLines)
	first := s.waiting("/")
	if res, _ := s.get("/"); res.StatusCode != 503 {
		t.Errorf("status %d, want 503", res.StatusCode)
	}
	for name, broken := range map[string]string{
		"same name, other settings": shedLines + "\n\tload_shed /other shop",
		"unknown network":           strings.Replace(shedLines, "low header X-Crawler *", "low remote_ip nowhere", 1),
	} {
		if err := s.load(broken); err == nil {
			t.Fatalf("%s: this loads", name)
		} else if name == "same name, other settings" {
			checkConflict(t, name, err)
		}
		if got := s.snapshot(); *got.Limit != 2 || *got.InFlight != 1 || got.Requests["normal"]["shed"] != 1 {
			t.Errorf("%s: after a configuration that failed the snapshot is %+v", name, got)
		}
	}
	s.mustLoad(strings.Replace(shedLines, "max_in_flight 2", "max_in_flight 20", 1))
	second := s.waiting("/")
	if got := s.snapshot(); *got.Limit != 20 || *got.InFlight != 2 || got.Requests["normal"]["shed"] != 1 {
		t.Errorf("after a reload the snapshot is %+v, want the new limit and the requests of before", got)
	}
	first()
	second()
	if got := s.snapshot(); *got.InFlight != 0 {
		t.Errorf("in the end %d are in flight", *got.InFlight)
	}
}

func TestLoadShedMatchesEverythingWithAStar(t *testing.T) {
	s := newShedSite(t)
	s.mustLoad("\tload_shed shop {\n\t\tcritical /checkout\n\t\tlow *\n\t}")
	for _, path := range []string{"/", "/checkout"} {
		s.waiting(path)()
	}
	got := s.snapshot().Requests
	if got["low"]["admitted"] != 1 || got["critical"]["admitted"] != 1 || got["normal"]["admitted"] != 0 {
		t.Errorf("counted are %v, want one critical request and one low one", got)
	}
}

// Health checks are not shed, wherever process_health stands.
func TestLoadShedPage(t *testing.T) { adapttest.Page(t, "../../docs/modules/load_shed.md") }

func TestLoadShedBadConfigurations(t *testing.T) {
	s := newShedSite(t)
	two := 2.0
	for name, h := range map[string]*LoadShed{
		"a name is needed":     {},
		"placeholder":          {Name: "{http.request.uri}"},
		"longer than 100":      {Name: strings.Repeat("x", 101)},
		"floor 2":              {Name: "x", Floor: &two},
		"max_in_flight -1":     {Name: "x", MaxInFlight: -1},
		"both a number":        {Name: "x", MaxInFlight: 1, Auto: new(AutoLimit)},
		"the least, 9, is abo": {Name: "x", Auto: &AutoLimit{9, 8}},
		"unknown module":       {Name: "x", LowRaw: caddyhttp.RawMatcherSets{{"nonsense": nil}}},
	} {
		handler, err := json.Marshal(struct {
			Handler string `json:"handler"`
			*LoadShed
		}{"load_shed", h})
		if err != nil {
			t.Fatal(err)
		}
		err = caddy.Validate(mustConfig(t, fmt.Sprintf(`{"admin":{"disabled":true},"storage":{"module":"file_system","root":%q},"apps":{"http":{"servers":{"s":{"listen":[%q],"routes":[{"handle":[%s]}]}}}}}`, s.dir, s.host, handler)))
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error is %v, want one with %q", err, name)
		}
	}
}

func mustConfig(t *testing.T, text string) *caddy.Config {
	t.Helper()
	config := new(caddy.Config)
	if err := json.Unmarshal([]byte(text), config); err != nil {
		t.Fatal(err)
	}
	return config
}
