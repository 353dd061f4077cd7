package main

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// canned is a transport that answers by itself.
type canned struct{}

func init() { caddy.RegisterModule(canned{}) }

func (canned) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.weir_bench_canned", New: func() caddy.Module { return new(canned) }}
}

func (canned) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"100"}},
		ContentLength: 100, Body: io.NopCloser(strings.NewReader(strings.Repeat("0123456789", 10))),
	}, nil
}

// client takes an answer, as net/http's server does.
type client struct {
	header       http.Header
	status, size int
}

func (c *client) Header() http.Header    { return c.header }
func (c *client) WriteHeader(status int) { c.status = status }
func (c *client) FlushError() error      { return nil }
func (c *client) Write(p []byte) (int, error) {
	c.size += len(p)
	return len(p), nil
}

// BenchmarkChain is what a request costs in Caddy's server and the handlers of each variant,
// without the network on both sides, which is most of what a proxy costs but is the same for all.
func BenchmarkChain(b *testing.B) {
	for _, v := range variants {
		if v.failing || v.post {
			continue
		}
		b.Run(v.name, func(b *testing.B) {
			server := serverOf(b, v)
			template, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/", nil)
			if err != nil {
				b.Fatal(err)
			}
			template.RemoteAddr, template.RequestURI, template.Host = "127.0.0.1:1234", "/", "127.0.0.1:9"
			template.Header.Set("User-Agent", "bench")
			one := func() {
				r := template.Clone(b.Context())
				c := client{header: make(http.Header)}
				if server.ServeHTTP(&c, r); c.status != http.StatusOK || c.size != 100 {
					b.Fatalf("status %d with %d bytes", c.status, c.size)
				}
			}
			for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline); {
				one() // until the warm-up is over
			}
			b.ReportAllocs()
			begun := processTime(b)
			for b.Loop() {
				one()
			}
			b.ReportMetric(float64(processTime(b)-begun)/float64(b.N), "cpu-ns/op")
		})
	}
}

// processTime is the CPU time of the process. On a machine that does other things, too, it says
// more than the time that went by.
func processTime(b *testing.B) int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

// serverOf runs a variant's configuration and returns its server.
func serverOf(b *testing.B, v variant) *caddyhttp.Server {
	b.Helper()
	text := v.caddyfile("127.0.0.1:0", "off", "", []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"})
	before, after, _ := strings.Cut(text, "transport http {")
	_, after, _ = strings.Cut(after, "}")
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(before+"transport weir_bench_canned"+after), nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = caddy.Stop() })
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		b.Fatal(err)
	}
	for _, server := range app.(*caddyhttp.App).Servers {
		return server
	}
	return nil
}
