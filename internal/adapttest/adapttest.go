// Package adapttest runs the golden files of a Caddy module, a Caddyfile and what it
// must become, and configurations in a Caddy inside the test process. It is for tests
// only; nothing else may import it.
//
// A golden file has Caddy's own format: a Caddyfile, a line of ten dashes, and
// then either the expected JSON, indented with tabs, or a part of the expected
// error. What starts with a brace is JSON. The Caddyfile is adapted under the name
// "Caddyfile", so an expected error can name a line: "at Caddyfile:7". For golden files
// no server is started and nothing is provisioned; Load does both.
package adapttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	// The adapter, and the standard directives that a Caddyfile may use.
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// separator is the line between the Caddyfile and what is expected.
const separator = "----------"

// Run checks every *.caddyfiletest file in dir, each as a subtest. A directory
// without any fails the test, as it would otherwise pass by checking nothing.
func Run(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.caddyfiletest"))
	if err != nil {
		t.Fatalf("listing golden files: %v", err)
	}
	if len(files) == 0 {
		t.Fatalf("there is no *.caddyfiletest file in %s", dir)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("reading golden file: %v", err)
			}
			if err := check(string(content)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		})
	}
}

// Adapt turns a Caddyfile into JSON, indented with tabs.
func Adapt(caddyfile string) (string, error) {
	adapter := caddyconfig.GetAdapter("caddyfile")
	if adapter == nil {
		return "", errors.New("the caddyfile adapter is not compiled in")
	}
	adapted, _, err := adapter.Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, adapted, "", "\t"); err != nil {
		return "", fmt.Errorf("indenting the adapted JSON: %w", err)
	}
	return indented.String(), nil
}

// check adapts the Caddyfile of one golden file and compares.
func check(content string) error {
	content = strings.ReplaceAll(content, "\r\n", "\n")
	caddyfile, expected, found := strings.Cut(content, "\n"+separator+"\n")
	if !found {
		return fmt.Errorf("there is no line %q", separator)
	}
	expected = strings.TrimSpace(expected)
	if expected == "" {
		// Every error contains the empty string.
		return fmt.Errorf("nothing is expected after the line %q", separator)
	}
	adapted, err := Adapt(caddyfile + "\n")
	if !strings.HasPrefix(expected, "{") {
		return compareError(expected, err, adapted)
	}
	if err != nil {
		return fmt.Errorf("adapting: %w", err)
	}
	first := strings.Count(caddyfile, "\n") + 3
	return compareJSON(expected, adapted, first)
}

func compareError(expected string, err error, adapted string) error {
	if err == nil {
		return fmt.Errorf("expected an error with %q, got the configuration\n%s", expected, adapted)
	}
	if !strings.Contains(err.Error(), expected) {
		return fmt.Errorf("expected an error with\n\t%s\ngot\n\t%w", expected, err)
	}
	return nil
}

// compareJSON names the first line that differs; first is the golden file's line
// on which the expected JSON starts.
func compareJSON(expected, adapted string, first int) error {
	want, got := strings.Split(expected, "\n"), strings.Split(adapted, "\n")
	for i := range max(len(want), len(got)) {
		wanted, have := line(want, i), line(got, i)
		if wanted != have {
			return fmt.Errorf("line %d differs:\n\texpected %s\n\tgot      %s\nthe whole result:\n%s", first+i, wanted, have, adapted)
		}
	}
	return nil
}

// line is line i between bars, so that white space at its end shows, or says that
// there is none.
func line(lines []string, i int) string {
	if i >= len(lines) {
		return "no line"
	}
	return "|" + lines[i] + "|"
}
