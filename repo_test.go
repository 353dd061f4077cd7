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
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
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
var helpers = []string{module + "internal/adapttest", module + "internal/freeport", module + "internal/testserver",
	module + "internal/consulserver", module + "internal/rediscluster", module + "internal/outboxtest", module + "internal/cputime", module + "integration"}

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

// selected returns what an expression selects from the package of that name.
func selected(n ast.Node, pkg string) (name string, ok bool) {
	selector, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	of, ok := selector.X.(*ast.Ident)
	return selector.Sel.Name, ok && of.Name == pkg
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
