// Package governance holds two Caddy modules: admin.api.governance, the admin API's
// view of all live state and the way to command it, and the app governance, which
// holds what concerns the whole process: the settings of its health.
package governance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/metricset"
	"github.com/weirproxy/weir/internal/problem"
)

func init() {
	caddy.RegisterModule(new(Admin))
}

// prefix is where the API lives on the admin endpoint.
const prefix = "/governance/"

// maxBody is the largest command that is read, in bytes.
const maxBody = 64 << 10

// Admin serves live state on Caddy's admin endpoint:
//
//	GET  /governance/                 all live state, by kind, in a stable order
//	GET  /governance/<kind>           all of a kind
//	GET  /governance/<kind>/<name>    one, with all that there is to see
//	PUT  /governance/<kind>/<name>    a document instead of that in force, of kinds that have one
//	POST /governance/<kind>/<name>/…  an operator's decision, as JSON
//
// Names are path-escaped. Errors are problem+json: 404 for what does not exist,
// 400 for a body that makes no sense, 503 where something does not answer that the
// decision needs.
//
// Caddy provisions admin modules before everything else and keeps them after a
// failed reload, so Admin holds no state and asks the registry each time.
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.governance",
		New: func() caddy.Module { return new(Admin) },
	}
}

// Provision registers weir's metrics. It runs for every configuration before any
// other module, so the metrics are there also when the configuration fails.
func (a *Admin) Provision(ctx caddy.Context) error {
	return metricset.Register(ctx.GetMetricsRegistry())
}

// Routes implements caddy.AdminRouter.
func (a *Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: prefix, Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (a *Admin) serve(w http.ResponseWriter, r *http.Request) error {
	answer, err := a.answer(r)
	if err != nil {
		if allow := methodError(""); errors.As(err, &allow) {
			w.Header().Set("Allow", string(allow))
		}
		return problem.Write(w, refusal(err), "")
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(append(body, '\n'))
	return err
}

// methodError is for methods other than those that it lists.
type methodError string

func (e methodError) Error() string { return "only these methods are understood here: " + string(e) }

func (a *Admin) answer(r *http.Request) (any, error) {
	path, err := split(r.URL.EscapedPath())
	if err != nil {
		return nil, err
	}
	switch {
	case r.Method == http.MethodGet && len(path) <= 1:
		return list(path)
	case r.Method == http.MethodGet && len(path) == 2:
		return detail(path)
	case r.Method == http.MethodPost && len(path) >= 2:
		return control(path, r.Body)
	case r.Method == http.MethodPut && len(path) == 2:
		return replace(path, r)
	case r.Method == http.MethodGet || r.Method == http.MethodPost || r.Method == http.MethodPut:
		return nil, livestate.ErrNotFound
	default:
		return nil, methods(path)
	}
}

// methods are those that are understood at a path.
func methods(path []string) methodError {
	if len(path) == 2 {
		view, _ := shown(path)
		if _, ok := view.(livestate.Replacer); ok {
			return "GET, POST, PUT"
		}
	}
	return "GET, POST"
}

// split returns the unescaped segments of a path below the prefix.
func split(path string) ([]string, error) {
	path = strings.Trim(strings.TrimPrefix(path, prefix), "/")
	if path == "" {
		return nil, nil
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		unescaped, err := url.PathUnescape(s)
		if err != nil {
			return nil, errors.Join(livestate.ErrInvalid, err)
		}
		segments[i] = unescaped
	}
	return segments, nil
}

// list returns all snapshots, or those of the kind in path.
func list(path []string) (any, error) {
	kinds := make(map[string][]any)
	for _, held := range livestate.Default.List() {
		kinds[held.Kind] = append(kinds[held.Kind], held.View.Snapshot())
	}
	if len(path) == 0 {
		return kinds, nil
	}
	if kinds[path[0]] == nil {
		return nil, livestate.ErrNotFound
	}
	return kinds[path[0]], nil
}

func shown(path []string) (livestate.View, error) {
	held, err := livestate.Default.Get(livestate.Key{Kind: path[0], Name: path[1]})
	return held.View, err
}

// detail returns all that there is to see of one state.
func detail(path []string) (any, error) {
	view, err := shown(path)
	if err != nil {
		return nil, err
	}
	if detailed, ok := view.(livestate.Detailed); ok {
		return detailed.Detail(), nil
	}
	return view.Snapshot(), nil
}

func control(path []string, body io.Reader) (any, error) {
	view, err := shown(path)
	if err != nil {
		return nil, err
	}
	controller, ok := view.(livestate.Controller)
	if !ok {
		return nil, livestate.ErrNotFound
	}
	command, err := read(body, maxBody)
	if err != nil {
		return nil, err
	}
	return controller.Control(path[2:], command)
}

func replace(path []string, r *http.Request) (any, error) {
	view, err := shown(path)
	if err != nil {
		return nil, err
	}
	replacer, ok := view.(livestate.Replacer)
	if !ok {
		return nil, methods(path)
	}
	document, err := read(r.Body, replacer.MaxDocument())
	if err != nil {
		return nil, err
	}
	return replacer.Replace(document, r.Header.Get("Content-Type"))
}

// read reads a body of at most limit bytes.
func read(body io.Reader, limit int64) ([]byte, error) {
	var all bytes.Buffer
	if _, err := io.Copy(&all, io.LimitReader(body, limit+1)); err != nil {
		return nil, errors.Join(livestate.ErrInvalid, err)
	}
	if int64(all.Len()) > limit {
		return nil, fmt.Errorf("%w: the body is too large, at most %d bytes are taken", livestate.ErrInvalid, limit)
	}
	return all.Bytes(), nil
}

// refusal maps an error to what the caller is told; the admin API's callers are
// operators, so they are told everything.
func refusal(err error) problem.Refusal {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, livestate.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, livestate.ErrInvalid):
		status = http.StatusBadRequest
	case errors.Is(err, livestate.ErrUnavailable):
		status = http.StatusServiceUnavailable
	case errors.As(err, new(methodError)):
		status = http.StatusMethodNotAllowed
	}
	return problem.Refusal{Status: status, Detail: err.Error()}
}

// Interface guards
var (
	_ caddy.Provisioner = (*Admin)(nil)
	_ caddy.AdminRouter = (*Admin)(nil)
)
