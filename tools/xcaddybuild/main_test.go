package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadsTheProjectsOwnFile(t *testing.T) {
	builder, err := read("../../xcaddy.json")
	if err != nil {
		t.Fatal(err)
	}
	if builder.CaddyVersion == "" || len(builder.Plugins) == 0 || len(builder.Replacements) == 0 {
		t.Errorf("incomplete build: %+v", builder)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range builder.Replacements {
		if got := r.New.String(); got != root {
			t.Errorf("%s is replaced by %s, want %s", r.Old, got, root)
		}
	}
}

func TestReplacementPaths(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		".":                   dir,
		"./sub":               filepath.Join(dir, "sub"),
		"../sibling":          filepath.Join(filepath.Dir(dir), "sibling"),
		"/elsewhere":          "/elsewhere",
		"example.com/fork v1": "example.com/fork v1",
		".hidden":             ".hidden",
	} {
		file := write(t, dir, `{"replacements":[{"old":"example.com/m","new":"`+path+`"}]}`)
		builder, err := read(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := builder.Replacements[0].New.String(); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
	}
}

func TestRefusesWhatItDoesNotKnow(t *testing.T) {
	dir := t.TempDir()
	for content, want := range map[string]string{
		`{"caddy_versoin":"v2.11.9"}`:             `unknown field "caddy_versoin"`,
		`{"plugins":[{"path":"example.com/m"}]}`:  `unknown field "path"`,
		`{"caddy_version":"v2.11.9"} {"debug":1}`: "more follows",
		``: "EOF",
	} {
		_, err := read(write(t, dir, content))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", content, err, want)
		}
	}
	if _, err := read(filepath.Join(dir, "missing.json")); !os.IsNotExist(err) {
		t.Errorf("a missing file gives %v", err)
	}
}

func write(t *testing.T, dir, content string) string {
	t.Helper()
	file := filepath.Join(dir, "xcaddy.json")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
