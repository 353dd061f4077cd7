package health

// load_shed_checks.go lets load_shed know where process_health answers. Outermost, it
// answers before load_shed is asked; in a handle or route block it stands behind.

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
)

// checkPaths are those on which the process_health handlers of a configuration answer
// for liveness and readiness. Whoever asks there may stop the process if it does not
// answer, so they are not shed.
type checkPaths struct {
	adding sync.Mutex
	paths  atomic.Pointer[[]string]
}

// allCheckPaths has the paths of each configuration by its metrics registry.
var allCheckPaths sync.Map

// checkPathsOf returns those of the configuration that is being provisioned, which its
// handlers share.
func checkPathsOf(ctx caddy.Context) *checkPaths {
	configuration := ctx.GetMetricsRegistry()
	paths, known := allCheckPaths.LoadOrStore(configuration, new(checkPaths))
	if !known {
		context.AfterFunc(ctx, func() { allCheckPaths.Delete(configuration) })
	}
	return paths.(*checkPaths)
}

// add adds paths, but those that are off.
func (c *checkPaths) add(paths ...string) {
	c.adding.Lock()
	defer c.adding.Unlock()
	var all []string
	if known := c.paths.Load(); known != nil {
		all = slices.Clone(*known)
	}
	for _, path := range paths {
		if path != off && !slices.Contains(all, path) {
			all = append(all, path)
		}
	}
	c.paths.Store(&all)
}

// has reports whether a request is a question for liveness or readiness.
func (c *checkPaths) has(r *http.Request) bool {
	paths := c.paths.Load()
	return paths != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) && slices.Contains(*paths, r.URL.Path)
}
