package weir

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

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
	}
	for modulePath, want := range pins {
		if got := requirement(t, modulePath); got != "" && got != want {
			t.Errorf("go.mod has %s %s, pinned is %s", modulePath, got, want)
		}
	}
	if requirement(t, "github.com/caddyserver/caddy/v2") == "" {
		t.Error("go.mod does not have Caddy, or is not read right")
	}
	for _, other := range []string{"github.com/jackc/pgx", "github.com/jackc/pgx/v4"} {
		if got := requirement(t, other); got != "" {
			t.Errorf("go.mod has %s %s: weir uses pgx/v5", other, got)
		}
	}
}

// requirements reads a go.mod, by path of the required module.
func requirements(t *testing.T, gomod string) (versions map[string]string, direct []string) {
	t.Helper()
	out, err := exec.Command("go", "mod", "edit", "-json", gomod).Output()
	if err != nil {
		t.Fatalf("reading %s: %v", gomod, err)
	}
	var content struct {
		Require []struct {
			Path, Version string
			Indirect      bool
		}
	}
	if err := json.Unmarshal(out, &content); err != nil {
		t.Fatalf("reading %s: %v", gomod, err)
	}
	versions = make(map[string]string)
	for _, r := range content.Require {
		versions[r.Path] = r.Version
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	return versions, direct
}

// With another version of what Caddy itself uses, weir compiled into somebody's
// Caddy would not be what was tested here.
func TestVersionsAreCaddys(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/caddyserver/caddy/v2").Output()
	if err != nil {
		t.Fatalf("looking for Caddy's source: %v", err)
	}
	caddys, _ := requirements(t, filepath.Join(strings.TrimSpace(string(out)), "go.mod"))
	ours, direct := requirements(t, "go.mod")
	shared := 0
	for _, modulePath := range direct {
		want, ok := caddys[modulePath]
		if !ok {
			continue
		}
		shared++
		if got := ours[modulePath]; got != want {
			t.Errorf("go.mod has %s %s, Caddy's has %s", modulePath, got, want)
		}
	}
	if shared < 3 {
		t.Errorf("go.mod shares %d requirements with Caddy's; one of them is not read right", shared)
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
	if _, err := decoder.Token(); err != io.EOF {
		t.Error("xcaddy.json has something behind the build, which nobody would read")
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
