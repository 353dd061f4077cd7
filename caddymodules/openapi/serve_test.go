package openapi

// serve_test.go runs configurations in a Caddy inside the test process.

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
)

// panicking is a handler that panics.
func init() {
	caddy.RegisterModule(new(panicking))
	httpcaddyfile.RegisterHandlerDirective("panicking", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return new(panicking), nil
	})
}

type panicking struct{}

func (panicking) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.panicking", New: func() caddy.Module { return new(panicking) }}
}

func (panicking) ServeHTTP(w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `[`)
	panic(http.ErrAbortHandler)
}

// gateway is a Caddy with one site.
type gateway struct {
	t       *testing.T
	address string
	name    string // of the log
	log     *events
	storage string
}

// load makes Caddy run a site with these directives, or go over to it.
func (g *gateway) load(directives string) error {
	g.t.Helper()
	adapted, err := adapttest.Adapt("{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tstorage file_system {\n\t\troot " + g.storage +
		"\n\t}\n\tservers {\n\t\tprotocols h1 h2c\n\t}\n}\nhttp://" + g.address[strings.Index(g.address, ":"):] + " {\n\tbind 127.0.0.1\n\tlog\n\troute {\n" + directives + "\n\t}\n}\n")
	if err != nil {
		g.t.Fatalf("adapting: %v", err)
	}
	log := fmt.Sprintf(`{"logging": {"logs": {"default": {"level": "DEBUG", "writer": {"output": "witness", "log": %q}, "encoder": {"format": "json"}}}},`, g.name)
	return adapttest.Load([]byte(strings.Replace(adapted, "{", log, 1)))
}

// serve runs a site with these directives until the test ends, and checks then that nothing of it is left.
func serve(t *testing.T, directives string) *gateway {
	t.Helper()
	g := &gateway{t: t, address: fmt.Sprintf("127.0.0.1:%d", freeport.Port(t)), log: new(events), storage: t.TempDir()}
	g.name = g.address + " " + t.Name()
	witnessed.Store(g.name, g.log)
	if err := g.load(directives); err != nil {
		t.Fatalf("loading: %v", err)
	}
	t.Cleanup(func() { adapttest.Stop(t) })
	return g
}

// contractOf is the directive for a document, with options.
func contractOf(document, options string) string {
	return "openapi_contract pets " + document + " {\n" + options + "\n}\n"
}

// pets serves the usual document in front of an upstream.
func pets(t *testing.T, options string, upstream http.HandlerFunc) *gateway {
	t.Helper()
	return serve(t, contractOf(fileWith(t, petsDocument), options)+"reverse_proxy "+backend(t, upstream))
}

// backend starts an upstream and returns its address.
func backend(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// handlerOf returns the handler that shows the contract pets.
func handlerOf(t *testing.T) *Handler {
	t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "pets"})
	if err != nil {
		t.Fatal(err)
	}
	return held.View.(*Handler)
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}, Timeout: 20 * time.Second}

// answered is an answer with its body.
type answered struct {
	*http.Response
	text string
}

// faults are the errors of a problem document, as "in name pointer code".
func (a answered) faults() []string {
	var doc struct {
		Errors []struct{ In, Name, Pointer, Code string } `json:"errors"`
	}
	_ = json.Unmarshal([]byte(a.text), &doc)
	var list []string
	for _, e := range doc.Errors {
		list = append(list, strings.Join(strings.Fields(e.In+" "+e.Name+" "+e.Pointer+" "+e.Code), " "))
	}
	return list
}

// do sends a request; headers are "Name: value".
func (g *gateway) do(method, target string, body io.Reader, headers ...string) answered {
	g.t.Helper()
	req, err := http.NewRequest(method, "http://"+g.address+target, body)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
	}
	return g.send(req)
}

func (g *gateway) send(req *http.Request) answered {
	g.t.Helper()
	res, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answered{res, "broken: " + err.Error()}
	}
	return answered{res, string(text)}
}

// json sends a JSON body.
func (g *gateway) json(method, target, body string, headers ...string) answered {
	g.t.Helper()
	return g.do(method, target, strings.NewReader(body), append(headers, "Content-Type: application/json")...)
}

// dial opens a connection of the test's own.
func (g *gateway) dial() net.Conn {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

// metric sums the series of a metric whose labels are as given: name, value, name, value.
func metric(t *testing.T, name string, labels ...string) (sum float64, series int) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.Metric {
			if hasLabels(m, labels) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
				series++
			}
		}
	}
	return sum, series
}

func hasLabels(m *dto.Metric, labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		found := false
		for _, pair := range m.Label {
			found = found || pair.GetName() == labels[i] && pair.GetValue() == labels[i+1]
		}
		if !found {
			return false
		}
	}
	return true
}

// wantMetric waits for a value; the last thing that is counted comes after the client has its answer.
func wantMetric(t *testing.T, want float64, name string, labels ...string) {
	t.Helper()
	var got float64
	if !within(func() bool { got, _ = metric(t, name, labels...); return got == want }) {
		t.Errorf("%s%v is %v, want %v", name, labels, got, want)
	}
}

func within(yes func() bool) bool {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if yes() {
			return true
		}
	}
	return false
}
