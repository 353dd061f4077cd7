package health

// process_health.go answers questions about the process.

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/processhealth"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/metricset"
)

func init() {
	caddy.RegisterModule(new(ProcessHealth))
	metricset.Add(answers)
}

// answers counts what was answered.
var answers = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "gateway_process_health_requests_total",
	Help: "Questions about the process by endpoint (live, ready, detail) and result (ok, refused, would_refuse).",
}, []string{"endpoint", "result"})

// off, in place of a path, leaves a question unanswered.
const off = "off"

// ProcessHealth answers GET and HEAD requests for liveness, readiness and, if asked
// to, all that is known about the health of the process, as JSON. Requests to other
// paths pass on.
//
// Readiness fails, with 503, while Caddy is stopping, while an operator says so, and
// while a dependency check of the global option process_health fails. Load never makes
// it fail: it lowers the weight in the answer.
type ProcessHealth struct {
	// Live is the path that is answered with 200 for as long as the process can answer
	// at all; "off" for none. Default: /livez.
	Live string `json:"live,omitempty"`
	// Ready is the path that is answered with 200 or 503; "off" for none. Default:
	// /readyz.
	Ready string `json:"ready,omitempty"`
	// Detail is the path that shows levels, signals and checks. It tells strangers how
	// much load the process has. Default: none.
	Detail string `json:"detail,omitempty"`
	// DryRun answers 200 also when the process is not ready; that it is not is in the
	// answer, in the metrics and in the log. Default: false.
	DryRun bool `json:"dry_run,omitempty"`

	monitor *processhealth.Monitor
	logger  *zap.Logger // limited to one line a second
}

// CaddyModule returns the Caddy module information.
func (*ProcessHealth) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.process_health",
		New: func() caddy.Module { return new(ProcessHealth) },
	}
}

// Provision sets defaults and finds the monitor of the process.
func (h *ProcessHealth) Provision(ctx caddy.Context) error {
	h.setDefaults()
	h.logger = ctx.Logger().WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Second, 1, 0)
	}))
	if err := metricset.Register(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	monitor, err := monitorOf(ctx)
	if err != nil {
		return fmt.Errorf("process_health: %w", err)
	}
	h.monitor = monitor
	checkPathsOf(ctx).add(h.Live, h.Ready)
	return nil
}

func (h *ProcessHealth) setDefaults() {
	if h.Live == "" {
		h.Live = "/livez"
	}
	if h.Ready == "" {
		h.Ready = "/readyz"
	}
	if h.Detail == "" {
		h.Detail = off
	}
}

// Validate checks the paths.
func (h *ProcessHealth) Validate() error {
	var paths []string
	for _, path := range []string{h.Live, h.Ready, h.Detail} {
		if path == off {
			continue
		}
		if err := checkPath(path); err != nil {
			return fmt.Errorf("process_health: %w", err)
		}
		for _, other := range paths {
			if path == other {
				return fmt.Errorf("process_health: two of live, ready and detail have the path %s", path)
			}
		}
		paths = append(paths, path)
	}
	if len(paths) == 0 {
		return errors.New("process_health: live, ready and detail are all off")
	}
	return nil
}

func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "{}*?#") {
		return fmt.Errorf("%q is neither a fixed path such as /readyz nor off", path)
	}
	return nil
}

// ServeHTTP answers what it is asked, and passes on what is no question to it.
func (h *ProcessHealth) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	path := r.URL.Path
	if path == off || path != h.Live && path != h.Ready && path != h.Detail {
		return next.ServeHTTP(w, r)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	switch path {
	case h.Live:
		answers.WithLabelValues("live", "ok").Inc()
		processhealth.ServeLive(w)
	case h.Ready:
		h.serveReady(w, r)
	default:
		answers.WithLabelValues("detail", "ok").Inc()
		processhealth.ServeJSON(w, http.StatusOK, h.monitor.Report().Public())
	}
	return nil
}

// serveReady writes the answer itself, also if it is a refusal: an error could be made
// an answer with another status by handle_errors.
func (h *ProcessHealth) serveReady(w http.ResponseWriter, r *http.Request) {
	readiness := h.monitor.Readiness()
	status, result := http.StatusOK, "ok"
	switch {
	case readiness.Ready:
	case h.DryRun:
		result = "would_refuse"
		h.logger.Warn("readiness would fail", zap.Strings("reasons", readiness.Reasons))
	default:
		status, result = http.StatusServiceUnavailable, "refused"
		exchange.From(r).RefusedBy = "process_health"
	}
	answers.WithLabelValues("ready", result).Inc()
	processhealth.ServeJSON(w, status, readiness)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*ProcessHealth)(nil)
	_ caddy.Validator             = (*ProcessHealth)(nil)
	_ caddyhttp.MiddlewareHandler = (*ProcessHealth)(nil)
	_ caddyfile.Unmarshaler       = (*ProcessHealth)(nil)
)
