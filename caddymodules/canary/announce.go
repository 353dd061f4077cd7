package canary

// announce.go tells everybody else which stage a request goes to.

import (
	"net/http"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// announcer has the names under which a release is announced, and the values, so that
// none is made for each request.
type announcer struct {
	stageKey, reasonKey string // of placeholders
	variable            string
	toldVariable        string             // that the request header is no longer the client's
	told                []map[string]*told // by index in Stages and by reason
}

// told is one stage with one reason.
type told struct {
	stage, reason any // texts
	field         zap.Field
}

// stageVariable is the request variable that release_stage reads.
func stageVariable(name string) string { return "weir.canary_stage." + name }

func newAnnouncer(name, header string, stages []Stage) announcer {
	a := announcer{
		stageKey:  "http.canary." + name + ".stage",
		reasonKey: "http.canary." + name + ".reason",
		variable:  stageVariable(name),
		// the same for all releases that use the header
		toldVariable: "weir.canary_told." + header,
		told:         make([]map[string]*told, len(stages)),
	}
	for i := range stages {
		a.told[i] = make(map[string]*told, len(reasons))
		for _, reason := range reasons {
			field := zap.Object("canary_"+name, logged{stages[i].Name, reason})
			a.told[i][reason] = &told{stage: stages[i].Name, reason: reason, field: field}
		}
	}
	return a
}

// announce sets what tells the stage of a request: placeholders, the request header, the
// variable for release_stage, and a field of the access log. A later call replaces all of it.
func (h *Handler) announce(r *http.Request, repl *caddy.Replacer, stage int, reason string) {
	t := h.announcer.told[stage][reason]
	repl.Set(h.announcer.stageKey, t.stage)
	repl.Set(h.announcer.reasonKey, t.reason)
	ctx := r.Context()
	caddyhttp.SetVar(ctx, h.announcer.variable, t.stage)
	caddyhttp.SetVar(ctx, h.announcer.toldVariable, true)
	// Not one slice for all requests: other handlers may change it in place.
	r.Header[h.header] = []string{h.Stages[stage].Name}

	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server == nil || server.Logs == nil {
		return
	}
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(t.field)
	}
}

// logged is a decision in the access log.
type logged struct{ stage, reason string }

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (l logged) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("stage", l.stage)
	enc.AddString("reason", l.reason)
	return nil
}
