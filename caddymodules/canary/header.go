package canary

// header.go reads the request header that asks for a stage, and tells who may.

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/problem"
)

// byHeader reports whether the header gives the request a stage. The error is the refusal of
// a trusted client that asks for an unknown stage, where that is strict.
func (h *Handler) byHeader(r *http.Request, d *decision) (bool, error) {
	values := r.Header[h.header]
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return false, nil
	}
	if caddyhttp.GetVar(r.Context(), h.announcer.toldVariable) != nil {
		return false, nil // another release has put there what it has decided
	}
	if !h.trusts(r) {
		d.ignored = ignoredUntrusted
		return false, nil
	}
	stage := -1
	if len(values) == 1 { // two would be for two readers to understand differently
		stage = h.stageNamed(values[0])
	}
	if stage < 0 {
		d.ignored = ignoredUnknown
		if !h.Header.Strict {
			return false, nil
		}
		return false, h.unknownStage()
	}
	d.stage, d.reason = stage, reasonHeader
	if h.Header.Pin {
		h.pin(r, d)
	}
	return true, nil
}

// unknownStage refuses a header. It names the stages to nobody: what there is may be
// a secret even from those who are trusted to ask.
func (h *Handler) unknownStage() error {
	detail := "The header " + h.header + " names no stage of this service."
	return (&problem.Refusal{
		Status: http.StatusBadRequest,
		Detail: detail,
		By:     "canary_route " + h.Name,
		Errors: []problem.Fault{{In: "header", Name: h.header, Code: "unknown_stage", Detail: detail}},
	}).Handler()
}

// forgetClients takes out of the request what clients have put into the headers that tell
// the upstream the stage. It also takes these out of Connection, where a client can name
// headers that reverse_proxy then does not forward.
func (h *Handler) forgetClients(header http.Header) {
	delete(header, h.header)
	delete(header, fallbackHeader)
	isOurs := func(name string) bool {
		name = textproto.TrimString(name)
		return strings.EqualFold(name, h.header) || strings.EqualFold(name, fallbackHeader)
	}
	for i, list := range header["Connection"] {
		if names := strings.Split(list, ","); slices.ContainsFunc(names, isOurs) {
			header["Connection"][i] = strings.Join(slices.DeleteFunc(names, isOurs), ",")
		}
	}
}

// trusts reports whether the client is one of those who may ask for a stage.
func (h *Handler) trusts(r *http.Request) bool {
	if len(h.trust) == 0 {
		return false
	}
	ctx := r.Context()
	viaTrusted, _ := caddyhttp.GetVar(ctx, caddyhttp.TrustedProxyVarKey).(bool)
	names, strict := clientHeaders(ctx)
	if isProxied(r.Header) && !(viaTrusted && hasAddress(r.Header, names)) {
		// Else the proxy's address would make everybody behind it trusted.
		h.warnOfProxy()
		return false
	}
	client, _ := caddyhttp.GetVar(ctx, caddyhttp.ClientIPVarKey).(string)
	if !h.isTrusted(client) {
		return false
	}
	return !viaTrusted || strict || h.trustsAll(r.Header, names)
}

// isProxied reports whether a proxy says that it passed the request on.
func isProxied(header http.Header) bool {
	return len(header["X-Forwarded-For"]) > 0 || len(header["Forwarded"]) > 0 ||
		len(header["X-Real-Ip"]) > 0 || len(header["Via"]) > 0
}

// clientHeaders are the headers in which Caddy looks for the client's address. It takes the
// first one there, which the client can have put there itself, before those that proxies
// add, unless trusted_proxies_strict has it read them from the other end.
func clientHeaders(ctx context.Context) (names []string, strict bool) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server == nil {
		return []string{"X-Forwarded-For"}, false
	}
	return server.ClientIPHeaders, server.TrustedProxiesStrict > 0
}

// hasAddress reports whether there is an address in the headers. If there is none, Caddy takes
// the proxy for the client, as with one that sends X-Real-IP alone.
func hasAddress(header http.Header, names []string) bool {
	for _, name := range names {
		for _, value := range header.Values(name) {
			for address := range strings.SplitSeq(value, ",") {
				if _, ok := addressOf(strings.TrimSpace(address)); ok {
					return true
				}
			}
		}
	}
	return false
}

// trustsAll reports whether every address in the headers is one of those that are trusted:
// then it does not matter which of them is the client's.
func (h *Handler) trustsAll(header http.Header, names []string) bool {
	for _, name := range names {
		for _, value := range header.Values(name) {
			for address := range strings.SplitSeq(value, ",") {
				if !h.isTrusted(strings.TrimSpace(address)) {
					return false
				}
			}
		}
	}
	return true
}

// isTrusted reports whether an address, perhaps with a port, is in the ranges.
func (h *Handler) isTrusted(address string) bool {
	ip, ok := addressOf(address)
	return ok && slices.ContainsFunc(h.trust, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// addressOf reads an address, perhaps with a port.
func addressOf(text string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		host, _, _ := net.SplitHostPort(text)
		ip, err = netip.ParseAddr(host)
	}
	return ip.WithZone("").Unmap(), err == nil
}

func (h *Handler) warnOfProxy() {
	if h.warned.Swap(true) {
		return
	}
	h.logger.Warn("the header that asks for a stage came through a proxy and is not followed: "+
		"name the proxy in the global option servers, trusted_proxies, and have it send X-Forwarded-For, or name what it "+
		"sends in client_ip_headers, so that the client's address is known",
		zap.String("canary", h.Name), zap.String("header", h.header))
}
