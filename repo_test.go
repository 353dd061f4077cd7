// Package weir holds no code, only the tests of the repository as a whole: who
// may import whom, what every package and every Caddy module brings along, and
// that the files at the root do what they promise.
package weir

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/weirproxy/weir/caddymodules"
	"github.com/weirproxy/weir/internal/directiveorder"
)

const (
	module  = "github.com/weirproxy/weir/"
	modules = module + "caddymodules/"
)

// listed is one package as go list shows it.
type listed struct {
	Dir, ImportPath, Name              string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports                            []string
}

// packages are all packages of the module, by import path.
var packages = sync.OnceValues(func() (map[string]*listed, error) {
	cmd := exec.Command("go", "list", "-e", "-buildvcs=false", "-json=Dir,ImportPath,Name,GoFiles,TestGoFiles,XTestGoFiles,Imports", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	all := make(map[string]*listed)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		p := new(listed)
		if err := decoder.Decode(p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("listing packages: %w", err)
		}
		all[p.ImportPath] = p
	}
})

func allPackages(t *testing.T) map[string]*listed {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// within reports whether a package is one of prefixes or below it.
func within(importPath string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		prefix = strings.TrimSuffix(prefix, "/")
		return importPath == prefix || strings.HasPrefix(importPath, prefix+"/")
	})
}

// chain finds the first import that forbidden matches among those of the package
// from and of the packages of this module that it imports, directly or not. It
// returns how from comes to it. What other modules import is their affair: Caddy
// itself contains a PostgreSQL driver.
func chain(all map[string]*listed, from string, forbidden func(string) bool) string {
	seen := map[string]bool{from: true}
	var search func(string) string
	search = func(at string) string {
		p := all[at]
		if p == nil {
			return ""
		}
		for _, to := range p.Imports {
			if forbidden(to) {
				return at + " -> " + to
			}
			if within(to, module) && !seen[to] {
				seen[to] = true
				if found := search(to); found != "" {
					return at + " -> " + found
				}
			}
		}
		return ""
	}
	return search(from)
}

var (
	caddyPaths    = []string{"github.com/caddyserver"}
	postgresPaths = []string{"github.com/jackc", "github.com/lib/pq"}
	redisPaths    = []string{
		"github.com/redis", "github.com/go-redis", "github.com/gomodule/redigo",
		"github.com/redis/rueidis", "github.com/valkey-io",
	}
)

func TestDependencyDirection(t *testing.T) {
	all := allPackages(t)
	rules := []struct {
		from      string
		forbidden []string
		reason    string
	}{
		{
			module + "governance", slices.Concat(caddyPaths, postgresPaths, redisPaths),
			"governance is for any Go service: its algorithms work without Caddy and without a database",
		},
		{
			module + "outboxworker", caddyPaths,
			"the worker runs beside the gateway, not in it: a service that enqueues must not compile Caddy",
		},
		{
			module + "caddymodules", slices.Concat(postgresPaths, redisPaths),
			"the gateway must start and serve without a database",
		},
	}
	for importPath := range all {
		for _, rule := range rules {
			if !within(importPath, rule.from) {
				continue
			}
			found := chain(all, importPath, func(to string) bool { return within(to, rule.forbidden...) })
			if found != "" {
				t.Errorf("%s\n\t%s", found, rule.reason)
			}
		}
	}
}

func TestCaddyModulesDoNotImportEachOther(t *testing.T) {
	all := allPackages(t)
	suite := all[strings.TrimSuffix(modules, "/")]
	for importPath := range all {
		name, ok := strings.CutPrefix(importPath, modules)
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, "/")
		found := chain(all, importPath, func(to string) bool {
			return within(to, modules) && !within(to, modules+name)
		})
		if found != "" {
			t.Errorf("%s\n\ta user may compile in one module alone, and it must not bring others along: they meet "+
				"in internal/exchange, governance/livestate or reverse_proxy's interfaces", found)
		}
		if !slices.Contains(suite.Imports, modules+name) {
			t.Errorf("caddymodules/caddymodules.go does not import caddymodules/%s: the suite would lack it", name)
		}
	}
}

// helpers are the packages that exist for tests.
var helpers = []string{module + "internal/adapttest", module + "internal/freeport", module + "integration"}

func TestNoTestHelpersInBinaries(t *testing.T) {
	forbidden := append([]string{
		"testing", "net/http/httptest", "github.com/stretchr/testify", "github.com/google/go-cmp", "go.uber.org/goleak",
		"go.uber.org/zap/zaptest", "github.com/prometheus/client_golang/prometheus/testutil",
		"github.com/caddyserver/caddy/v2/caddytest",
	}, helpers...)
	for importPath, p := range allPackages(t) {
		if within(importPath, helpers...) {
			continue
		}
		for _, to := range p.Imports {
			if within(to, forbidden...) {
				t.Errorf("%s -> %s\n\ttest helpers would be linked into every user's binary and add flags to it", importPath, to)
			}
		}
	}
}

func TestPackageNamesSayWhatIsInside(t *testing.T) {
	for importPath, p := range allPackages(t) {
		for _, name := range []string{p.Name, path.Base(importPath)} {
			if slices.Contains([]string{"util", "utils", "common", "helpers", "types", "models", "errors"}, name) {
				t.Errorf("%s: a package named %s collects whatever has no place; name it after what it does", importPath, name)
				break
			}
		}
	}
}

func TestEveryPackageHasOneComment(t *testing.T) {
	for importPath, p := range allPackages(t) {
		files := p.GoFiles
		if len(files) == 0 {
			files = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(importPath) + " "
		}
		var comments []string
		for _, file := range files {
			if doc := parse(t, filepath.Join(p.Dir, file)).Doc.Text(); doc != "" {
				comments = append(comments, file)
				if !strings.HasPrefix(doc, want) {
					t.Errorf("%s: the package comment in %s does not start with %q", importPath, file, want)
				}
			}
		}
		if len(comments) != 1 {
			t.Errorf("%s has %d package comments %v, want one: it is what a reader of the package meets first",
				importPath, len(comments), comments)
		}
	}
}

// Rule 2 of the architecture: what an algorithm needs from outside is named, with
// its reason, where a reader of the package meets it.
func TestGovernanceNamesItsDependencies(t *testing.T) {
	for importPath, p := range allPackages(t) {
		if !within(importPath, module+"governance") {
			continue
		}
		var doc strings.Builder
		for _, file := range p.GoFiles {
			doc.WriteString(parse(t, filepath.Join(p.Dir, file)).Doc.Text())
		}
		for _, to := range p.Imports {
			parts := strings.Split(to, "/")
			if within(to, module) || !strings.Contains(parts[0], ".") {
				continue
			}
			name := parts[min(len(parts)-1, 2)]
			if !strings.Contains(doc.String(), name) {
				t.Errorf("%s imports %s, but its package comment does not say why (no %q in it)", importPath, to, name)
			}
		}
	}
}

func parse(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

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
		if good == 0 || bad == 0 {
			t.Errorf("%s: %d golden files in %s/testdata adapt %s and %d are refused; both kinds are needed",
				m.id, good, filepath.Base(m.dir), m.label, bad)
		}
	}
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

// handlersOf adapts a Caddyfile and returns the HTTP handlers in it, outermost
// first; those inside a handler follow it.
func handlersOf(t *testing.T, name, caddyfile string) []string {
	t.Helper()
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": name})
	if err != nil {
		t.Fatalf("adapting: %v", err)
	}
	for _, warning := range warnings {
		t.Errorf("adapting: %v", warning)
	}
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

func TestExampleUsesEveryHandler(t *testing.T) {
	used := handlersOf(t, "Caddyfile.example", read(t, "Caddyfile.example"))
	for _, m := range caddyModules(t) {
		if strings.HasPrefix(m.id, "http.handlers.") && !slices.Contains(used, m.label) {
			t.Errorf("Caddyfile.example does not use %s: it is where operators look first", m.label)
		}
	}
}

// spelled are directives that need arguments, or whose handler has another name.
var spelled = map[string]struct{ caddyfile, handler string }{
	"tracing":       {"tracing {\n\t\tspan s\n\t}", "tracing"},
	"header":        {"header X-A b", "headers"},
	"encode":        {"encode gzip", "encode"},
	"handle":        {"handle {\n\t\trespond hello\n\t}", "subroute"},
	"reverse_proxy": {"reverse_proxy localhost:9000", "reverse_proxy"},
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

// requirement returns the version of a module in go.mod, or nothing.
func requirement(t *testing.T, modulePath string) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(modulePath) + ` (v\S+)`)
	if match := line.FindStringSubmatch(read(t, "go.mod")); match != nil {
		return match[1]
	}
	return ""
}

func TestPinnedVersions(t *testing.T) {
	pins := map[string]string{
		"github.com/caddyserver/caddy/v2": "v2.11.9",
		"github.com/sony/gobreaker/v2":    "v2.4.0",
		"github.com/getkin/kin-openapi":   "v0.152.0",
		"github.com/hashicorp/consul/api": "v1.34.5",
		// Caddy's own: with another version, weir compiled into somebody's Caddy
		// would not be what was tested here.
		"github.com/prometheus/client_golang": "v1.24.1",
		"go.uber.org/zap":                     "v1.28.0",
		"go.opentelemetry.io/otel":            "v1.46.0",
	}
	for modulePath, want := range pins {
		if got := requirement(t, modulePath); got != "" && got != want {
			t.Errorf("go.mod has %s %s, pinned is %s", modulePath, got, want)
		}
	}
	for _, needed := range []string{"github.com/caddyserver/caddy/v2", "github.com/prometheus/client_golang", "go.uber.org/zap"} {
		if requirement(t, needed) == "" {
			t.Errorf("go.mod does not have %s, or is not read right", needed)
		}
	}
	for _, other := range []string{"github.com/jackc/pgx", "github.com/jackc/pgx/v4"} {
		if got := requirement(t, other); got != "" {
			t.Errorf("go.mod has %s %s: weir uses pgx/v5", other, got)
		}
	}
}

func TestXcaddyManifest(t *testing.T) {
	// The shape of xcaddy.Builder. The tools module decodes into the real one;
	// this module does not depend on xcaddy, so that its users don't either.
	var manifest struct {
		OS           string `json:"os"`
		Arch         string `json:"arch"`
		ARM          string `json:"arm"`
		Cgo          bool   `json:"cgo"`
		CaddyVersion string `json:"caddy_version"`
		Plugins      []struct {
			ModulePath string `json:"module_path"`
			Version    string `json:"version"`
		} `json:"plugins"`
		Replacements []struct {
			Old string `json:"old"`
			New string `json:"new"`
		} `json:"replacements"`
		TimeoutGet   int64  `json:"timeout_get"`
		TimeoutBuild int64  `json:"timeout_build"`
		RaceDetector bool   `json:"race_detector"`
		SkipCleanup  bool   `json:"skip_cleanup"`
		SkipBuild    bool   `json:"skip_build"`
		Debug        bool   `json:"debug"`
		BuildFlags   string `json:"build_flags"`
		ModFlags     string `json:"mod_flags"`
		PgoProfile   string `json:"pgo_profile"`
		EmbedDirs    []struct {
			Dir  string `json:"dir"`
			Name string `json:"name"`
		} `json:"embed_dir"`
	}
	decoder := json.NewDecoder(strings.NewReader(read(t, "xcaddy.json")))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&manifest); err != nil {
		t.Fatal(err)
	}
	if want := requirement(t, "github.com/caddyserver/caddy/v2"); manifest.CaddyVersion != want {
		t.Errorf("xcaddy.json builds Caddy %s, go.mod has %s", manifest.CaddyVersion, want)
	}
	if len(manifest.Plugins) != 1 || manifest.Plugins[0].ModulePath != strings.TrimSuffix(modules, "/") {
		t.Errorf("xcaddy.json has the plugins %v, want the suite alone, as cmd/caddy", manifest.Plugins)
	}
	if !slices.Contains(allPackages(t)[module+"cmd/caddy"].Imports, strings.TrimSuffix(modules, "/")) {
		t.Error("cmd/caddy does not import the suite")
	}
}

func TestReadmeIsShort(t *testing.T) {
	if lines := strings.Count(read(t, "README.md"), "\n"); lines >= 200 {
		t.Errorf("README.md has %d lines, want fewer than 200: the rest belongs in docs", lines)
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksResolve(t *testing.T) {
	checked := 0
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (file == "bin" || file != "." && strings.HasPrefix(entry.Name(), ".")) {
			return fs.SkipDir
		}
		if filepath.Ext(file) != ".md" {
			return nil
		}
		for _, match := range link.FindAllStringSubmatch(unfenced(read(t, file)), -1) {
			target, _, _ := strings.Cut(match[1], "#")
			if target == "" || strings.Contains(target, ":") {
				continue // a heading of the page itself, or another site
			}
			checked++
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s, which is not there", file, match[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked == 0 {
		t.Error("no link found in any page")
	}
}

// unfenced returns a page without its code blocks.
func unfenced(page string) string {
	var text strings.Builder
	fenced := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		} else if !fenced {
			text.WriteString(line)
		}
	}
	return text.String()
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
