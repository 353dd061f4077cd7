package balance

import (
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/internal/freeport"
)

// pin is a selection policy that notes what is there when it is provisioned.
type pin struct{ reverseproxy.FirstSelection }

var pinned struct {
	proxy                *reverseproxy.Handler
	transport            http.RoundTripper
	source               reverseproxy.UpstreamSource
	sourceRaw, responses bool
}

func init() { caddy.RegisterModule(new(pin)) }

func (*pin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.selection_policies.weir_test_pin", New: func() caddy.Module { return new(pin) }}
}

func (*pin) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (p *pin) Provision(ctx caddy.Context) error {
	proxy, err := parent(ctx)
	if err != nil {
		return err
	}
	pinned.proxy, pinned.transport, pinned.source = proxy, proxy.Transport, proxy.DynamicUpstreams
	pinned.sourceRaw, pinned.responses = proxy.DynamicUpstreamsRaw != nil, len(proxy.HandleResponse) > 0
	proxy.Transport = panicking{}
	return nil
}

// What reverse_proxy has done and not done when it provisions its policy is promised
// nowhere, and the outcome tap rests on it. If this fails with another Caddy, see
// Provision in reverseproxy.go for the new order, and tap and describe in policy.go
// for what relies on it.
func TestCaddyProvisionsThePolicyAfterTheTransportAndBeforeItsDefault(t *testing.T) {
	proxyTo := func(options string) {
		t.Helper()
		if err := load(t, t.TempDir(), "http://"+freeport.Address(t)+" {\n reverse_proxy 127.0.0.1:1 {\n lb_policy weir_test_pin\n"+options+"\n}\n}"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { stop(t) })
	proxyTo("")
	if pinned.transport != nil {
		t.Errorf("without a transport in the configuration the proxy has a %T when the policy is provisioned, want none: tap would wrap it and not make its own", pinned.transport)
	}
	if _, ok := pinned.proxy.Transport.(panicking); !ok {
		t.Errorf("the transport that the policy set was replaced by a %T: the tap would see nothing", pinned.proxy.Transport)
	}
	proxyTo("transport http {\n dial_timeout 1s\n}")
	if _, ok := pinned.transport.(*reverseproxy.HTTPTransport); !ok {
		t.Errorf("the configured transport is a %T when the policy is provisioned, want *HTTPTransport: tap would replace it", pinned.transport)
	}
	proxyTo("handle_response {\n respond 200\n}")
	if !pinned.responses {
		t.Error("handlers of answers are not known when the policy is provisioned: attempts could stay in flight")
	}
	proxyTo("dynamic a {\n name localhost\n port 1\n}")
	if pinned.source != nil || !pinned.sourceRaw {
		t.Errorf("the source of upstreams is %T, its configuration known: %v; want none yet, and true: describe relies on it", pinned.source, pinned.sourceRaw)
	}
	if pinned.proxy.DynamicUpstreams == nil {
		t.Error("the source of upstreams is not set when the proxy is provisioned")
	}
}
