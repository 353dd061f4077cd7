package metrics

// template.go counts the requests of the route without a name of its own by the path
// template of the operation that they call, where openapi_contract tells it.

import (
	"maps"
	"sync/atomic"
	"unicode/utf8"

	"github.com/weirproxy/weir/governance/livestate"
)

// maxTemplates is how many templates are counted apart. What comes later is counted as the
// default route, so that documents which change again and again cannot fill the memory.
const maxTemplates = 1000

// template is what is counted under a path template. It belongs to the default route and
// lives as long: a document that comes back goes on counting.
type template struct {
	*route
	// taken tells that a configured route has the template as its name. It and the
	// template would be the same series, so the requests are counted as the default
	// route then.
	taken atomic.Bool
}

// templateTable finds the recorders of templates. It is replaced, never changed.
type templateTable map[string]templateRecorder

type templateRecorder struct {
	template *template
	recorder *recorder
}

// forTemplate returns who records a request with m's method to an operation with this
// path template, empty if none is known: m itself, unless the operator left the route
// without a name.
func (m *methodRecorder) forTemplate(name string) *methodRecorder {
	if name == "" || m.recorder.route.name != defaultRoute {
		return m
	}
	var found templateRecorder
	if table := m.recorder.templated.Load(); table != nil {
		found = (*table)[name]
	}
	if found.template == nil {
		if found = m.recorder.newTemplate(name); found.template == nil {
			return m
		}
	}
	if found.template.taken.Load() {
		return m
	}
	return &found.recorder.methods[methodIndex(m.label)]
}

// newTemplate makes the recorder of a template, or returns the one that someone else
// just made. It returns none where there are too many, or where nobody holds rec any
// more, and so nobody would give the new one up.
func (rec *recorder) newTemplate(name string) (none templateRecorder) {
	rt := rec.route
	rt.mu.Lock()
	defer rt.mu.Unlock()
	var table templateTable
	if old := rec.templated.Load(); old != nil {
		table = *old
	}
	if made, ok := table[name]; ok {
		return made
	}
	if rec.holders == 0 {
		return none
	}
	t := rt.templateLocked(name)
	if t == nil {
		return none
	}
	made := templateRecorder{t, t.hold(rec.buckets)}
	next := make(templateTable, len(table)+1)
	maps.Copy(next, table)
	next[name] = made
	rec.templated.Store(&next)
	return made
}

// templateLocked returns the template of this name, or nil if there are too many.
func (rt *route) templateLocked(name string) *template {
	if t := rt.templates[name]; t != nil {
		return t
	}
	if len(rt.templates) >= maxTemplates || !utf8.ValidString(name) { // at which Prometheus panics
		return nil
	}
	t := &template{route: newRoute(name)}
	_, err := livestate.Default.Get(livestate.Key{Kind: routeKind, Name: name})
	t.taken.Store(err == nil)
	if rt.templates == nil {
		rt.templates = make(map[string]*template)
	}
	rt.templates[name] = t
	return t
}

// releaseTemplates gives up the templates' recorders with that of their route. The
// caller holds the route's lock.
func (rec *recorder) releaseTemplates() {
	if table := rec.templated.Load(); table != nil {
		for _, made := range *table {
			made.template.release(made.recorder)
		}
	}
}

// listTemplates returns the templates under which the route has counted.
func (rt *route) listTemplates() []*template {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	list := make([]*template, 0, len(rt.templates))
	for _, t := range rt.templates {
		list = append(list, t)
	}
	return list
}
