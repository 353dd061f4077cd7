package integration

// site_test.go writes configurations in the shape of the example.

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/internal/freeport"
)

// site is one site in front of back ends.
type site struct {
	Admin    string
	Address  string
	Backends []string
	// Plain leaves out all that is weir's.
	Plain bool
	// Route is the route name of request_metrics; empty leaves the directive out.
	Route string
	// Weights are those of the back ends, as text.
	Weights string
	// Policy are further lines for the policy's block.
	Policy []string
	// NoRetries leaves out what has Caddy retry.
	NoRetries bool
	// Transport are further lines for the transport's block; they win over the
	// example's.
	Transport []string
	// Lines are further lines of the site.
	Lines []string
	// Global are further lines of the global options.
	Global []string
	// Dynamic is the proxy's source of upstreams, with its block; empty for none.
	Dynamic string
}

// newSite returns a site on free addresses, with the pool and the route "shop".
func newSite(t testing.TB, backends ...*Backend) *site {
	t.Helper()
	return &site{Admin: freeport.Address(t), Address: freeport.Address(t), Backends: Addresses(backends), Route: "shop"}
}

// URL is where the site answers.
func (s *site) URL() string { return "http://" + s.Address + "/" }

const retries = `
		lb_retries 2
		lb_retry_match {
			method GET HEAD OPTIONS PUT DELETE
			expression ` + "`{rp.is_transport_error} == true`" + `
		}
		lb_retry_match {
			method GET HEAD OPTIONS PUT DELETE
			expression ` + "`{rp.status_code} in [500, 502, 503, 504]`" + `
		}`

// Caddyfile returns the configuration.
func (s *site) Caddyfile() string {
	var b strings.Builder
	host, port, _ := strings.Cut(s.Address, ":")
	fmt.Fprintf(&b, "{\n\tadmin %s\n\tauto_https off\n\tpersist_config off\n", s.Admin)
	for _, line := range s.Global {
		fmt.Fprintf(&b, "\t%s\n", line)
	}
	fmt.Fprintf(&b, "}\n\nhttp://:%s {\n\tbind %s\n", port, host)
	if !s.Plain {
		b.WriteString("\ttrace_context {\n\t\tresponse_header X-Trace-Id\n\t}\n")
		if s.Route != "" {
			fmt.Fprintf(&b, "\trequest_metrics %s\n", s.Route)
		}
	}
	b.WriteString("\tlog {\n\t\toutput stderr\n\t\tlevel ERROR\n\t}\n")
	for _, line := range s.Lines {
		fmt.Fprintf(&b, "\t%s\n", line)
	}
	fmt.Fprintf(&b, "\treverse_proxy %s {\n", strings.Join(s.Backends, " "))
	if s.Dynamic != "" {
		fmt.Fprintf(&b, "\t\tdynamic %s\n", s.Dynamic)
	}
	if s.Plain {
		b.WriteString("\t\tlb_policy round_robin\n")
	} else {
		fmt.Fprintf(&b, "\t\tlb_policy success_weighted %s {\n\t\t\tname shop\n", s.Weights)
		for _, line := range s.Policy {
			fmt.Fprintf(&b, "\t\t\t%s\n", line)
		}
		b.WriteString("\t\t}\n")
	}
	if !s.NoRetries {
		b.WriteString(retries)
	}
	b.WriteString(`
		transport http {
			dial_timeout 2s
			response_header_timeout 30s
			keepalive_idle_conns_per_host 64
`)
	for _, line := range s.Transport {
		fmt.Fprintf(&b, "\t\t\t%s\n", line)
	}
	b.WriteString(`		}
		stream_close_delay 10m
	}
}
`)
	return b.String()
}

// startWeir starts weir with the site.
func startWeir(t testing.TB, s *site) *Gateway {
	t.Helper()
	return Start(t, Weir(t), s.Admin, s.Caddyfile())
}

// threeBackends are those of the example's shape.
func threeBackends(t testing.TB) []*Backend {
	t.Helper()
	return []*Backend{NewBackend(t, "one"), NewBackend(t, "two"), NewBackend(t, "three")}
}
