package weir

import (
	"encoding/json"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/weirproxy/weir/caddymodules"
	"github.com/weirproxy/weir/internal/directiveorder"
)

// caddyModule is one Caddy module of weir.
type caddyModule struct{ id, label, dir string }

// caddyModules finds the modules in the source, where caddyserver.com looks for
// them too.
func caddyModules(t *testing.T) []caddyModule {
	t.Helper()
	var found []caddyModule
	for importPath, p := range allPackages(t) {
		if !within(importPath, modules) {
			continue
		}
		for _, file := range p.GoFiles {
			ast.Inspect(parse(t, filepath.Join(p.Dir, file)), func(n ast.Node) bool {
				literal, ok := n.(*ast.CompositeLit)
				if !ok {
					return true
				}
				if typ, ok := literal.Type.(*ast.SelectorExpr); !ok || typ.Sel.Name != "ModuleInfo" {
					return true
				}
				id := moduleID(literal)
				if id == "" {
					t.Errorf("%s/%s: the module's ID is not a string literal, so caddyserver.com could not show it", importPath, file)
					return true
				}
				found = append(found, caddyModule{id, id[strings.LastIndex(id, ".")+1:], p.Dir})
				return true
			})
		}
	}
	if len(found) == 0 {
		t.Fatal("no Caddy module found in caddymodules")
	}
	return found
}

func moduleID(info *ast.CompositeLit) string {
	for _, element := range info.Elts {
		field, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		value, ok := field.Value.(*ast.BasicLit)
		if key, isName := field.Key.(*ast.Ident); ok && isName && key.Name == "ID" {
			id, _ := strconv.Unquote(value.Value)
			return id
		}
	}
	return ""
}

func TestEveryCaddyModuleHasGoldenFiles(t *testing.T) {
	for _, m := range caddyModules(t) {
		if strings.HasPrefix(m.id, "admin.api.") {
			continue // no Caddyfile syntax
		}
		files, err := filepath.Glob(filepath.Join(m.dir, "testdata", "*.caddyfiletest"))
		if err != nil {
			t.Fatal(err)
		}
		var good, bad int
		for _, file := range files {
			input, expected, ok := strings.Cut(read(t, file), "----------")
			switch {
			case !ok:
				t.Errorf("%s has no ---------- between the Caddyfile and what is expected", file)
			case !regexp.MustCompile(`\b` + regexp.QuoteMeta(m.label) + `\b`).MatchString(input):
			case strings.HasPrefix(strings.TrimSpace(expected), "{"):
				good++
			default:
				bad++
			}
		}
		if !runsGoldenFiles(t, m.dir) {
			t.Errorf("%s: no test in %s calls adapttest.Run, so nothing compares the golden files", m.id, filepath.Base(m.dir))
		}
		if good == 0 || bad == 0 {
			t.Errorf("%s: %d golden files in %s/testdata adapt %s and %d are refused; both kinds are needed",
				m.id, good, filepath.Base(m.dir), m.label, bad)
		}
	}
}

// runsGoldenFiles reports whether a test in dir calls adapttest.Run.
func runsGoldenFiles(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, file := range files {
		ast.Inspect(parse(t, file), func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				name, ok := selected(call.Fun, "adapttest")
				found = found || ok && name == "Run"
			}
			return !found
		})
	}
	return found
}

func TestEveryCaddyModuleHasAPage(t *testing.T) {
	template := []string{"Summary", "Syntax", "Caddyfile", "JSON", "Metrics", "Live controls", "Limits"}
	pages := map[string]bool{"README.md": true}
	for _, m := range caddyModules(t) {
		page := m.label + ".md"
		if pages[page] {
			continue
		}
		pages[page] = true
		content, err := os.ReadFile(filepath.Join("docs", "modules", page))
		if err != nil {
			t.Errorf("%s has no page: %v", m.id, err)
			continue
		}
		var sections []string
		for line := range strings.Lines(unfenced(string(content))) {
			if title, ok := strings.CutPrefix(line, "## "); ok && slices.Contains(template, strings.TrimSpace(title)) {
				sections = append(sections, strings.TrimSpace(title))
			}
		}
		if !slices.Equal(sections, template) {
			t.Errorf("docs/modules/%s has the sections %q, want %q: readers find their way by the template", page, sections, template)
		}
	}
	entries, err := os.ReadDir(filepath.Join("docs", "modules"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !pages[entry.Name()] {
			t.Errorf("docs/modules/%s describes no module of weir", entry.Name())
		}
	}
}

// adapt adapts a Caddyfile that must be right, without a warning.
func adapt(t *testing.T, name, caddyfile string) []byte {
	t.Helper()
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": name})
	if err != nil {
		t.Fatalf("adapting: %v", err)
	}
	for _, warning := range warnings {
		t.Errorf("adapting: %v", warning)
	}
	return adapted
}

// handlersOf adapts a Caddyfile and returns the HTTP handlers in it, outermost
// first; those inside a handler follow it.
func handlersOf(t *testing.T, name, caddyfile string) []string {
	t.Helper()
	adapted := adapt(t, name, caddyfile)
	type route struct {
		Handle []json.RawMessage `json:"handle"`
	}
	var config struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct {
					Routes []route `json:"routes"`
				} `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(adapted, &config); err != nil {
		t.Fatal(err)
	}
	var names []string
	var collect func([]route)
	collect = func(routes []route) {
		for _, r := range routes {
			for _, raw := range r.Handle {
				var handler struct {
					Handler string  `json:"handler"`
					Routes  []route `json:"routes"`
				}
				if err := json.Unmarshal(raw, &handler); err != nil {
					t.Fatal(err)
				}
				names = append(names, handler.Handler)
				collect(handler.Routes)
			}
		}
	}
	for _, server := range config.Apps.HTTP.Servers {
		collect(server.Routes)
	}
	return names
}

// inline are the fields in which Caddy's JSON names the modules of a namespace.
// Those of other namespaces are keys of a map: apps, matchers.
var inline = map[string]string{
	"http.handlers":                         "handler",
	"http.reverse_proxy.selection_policies": "policy",
	"http.reverse_proxy.upstreams":          "source",
}

// uses reports whether a configuration has the module anywhere.
func uses(config any, m caddyModule) bool {
	switch value := config.(type) {
	case []any:
		return slices.ContainsFunc(value, func(v any) bool { return uses(v, m) })
	case map[string]any:
		field, isInline := inline[strings.TrimSuffix(m.id, "."+m.label)]
		if _, isKey := value[m.label]; isInline && value[field] == m.label || !isInline && isKey {
			return true
		}
		for _, v := range value {
			if uses(v, m) {
				return true
			}
		}
	}
	return false
}

func TestExampleUsesEveryModule(t *testing.T) {
	var config any
	if err := json.Unmarshal(adapt(t, "Caddyfile.example", read(t, "Caddyfile.example")), &config); err != nil {
		t.Fatal(err)
	}
	for _, m := range caddyModules(t) {
		if !strings.HasPrefix(m.id, "admin.api.") && !uses(config, m) {
			t.Errorf("Caddyfile.example does not use %s: it is where operators look first", m.id)
		}
	}
}

// spelled are directives that need arguments, or whose handler has another name.
var spelled = map[string]struct{ caddyfile, handler string }{
	"tracing":          {"tracing {\n\t\tspan s\n\t}", "tracing"},
	"header":           {"header X-A b", "headers"},
	"encode":           {"encode gzip", "encode"},
	"load_shed":        {"load_shed x", "load_shed"},
	"warm_up":          {"warm_up x {\n\t\tramp\n\t}", "warm_up"},
	"openapi_contract": {"openapi_contract x.yaml", "openapi_contract"},
	"canary_route":     {"canary_route x {\n\t\tstage stable\n\t}", "canary_route"},
	"breaker":          {"breaker x", "breaker"},
	"handle":           {"handle {\n\t\trespond hello\n\t}", "subroute"},
	"reverse_proxy":    {"reverse_proxy localhost:9000", "reverse_proxy"},
}

// TestDirectiveOrder adapts every pair of directives, written in both orders, and
// compares with the order in docs/architecture.md.
func TestDirectiveOrder(t *testing.T) {
	_, block, ok := strings.Cut(read(t, "docs/architecture.md"), "```order\n")
	block, _, closed := strings.Cut(block, "```")
	if !ok || !closed {
		t.Fatal("docs/architecture.md has no block ```order")
	}
	documented := strings.Fields(block)
	var ours []string
	for _, group := range directiveorder.Groups {
		ours = append(ours, group.Directives...)
	}
	for _, m := range caddyModules(t) {
		if strings.HasPrefix(m.id, "http.handlers.") && !slices.Contains(ours, m.label) {
			t.Errorf("%s has no place in internal/directiveorder: every Caddyfile would need an order line", m.label)
		}
	}
	for _, directive := range ours {
		if !slices.Contains(documented, directive) {
			t.Errorf("the order in docs/architecture.md lacks %s", directive)
		}
	}
	for i, outer := range documented {
		for _, inner := range documented[i+1:] {
			if !slices.Contains(ours, outer) && !slices.Contains(ours, inner) {
				continue // Caddy's own affair
			}
			for _, written := range [][2]string{{outer, inner}, {inner, outer}} {
				checkOrder(t, written, [2]string{outer, inner})
			}
		}
	}
}

func checkOrder(t *testing.T, written, want [2]string) {
	t.Helper()
	site := ":80 {\n"
	for _, directive := range written {
		site += "\t" + directive
		if s, ok := spelled[directive]; ok {
			site = strings.TrimSuffix(site, directive) + s.caddyfile
		}
		site += "\n"
	}
	got := handlersOf(t, strings.Join(written[:], " and "), site+"}\n")
	for i, directive := range want {
		if s, ok := spelled[directive]; ok {
			want[i] = s.handler
		}
	}
	outer, inner := slices.Index(got, want[0]), slices.Index(got, want[1])
	if outer < 0 || inner < 0 || outer > inner {
		t.Errorf("written %v, %s must stand around %s, but the handlers are %v", written, want[0], want[1], got)
	}
}
