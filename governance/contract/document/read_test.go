package document_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weirproxy/weir/governance/contract/document"
)

func TestFolderOnly(t *testing.T) {
	base := t.TempDir()
	root := filepath.Join(base, "api")
	write := func(name string) {
		file := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"api/a.yaml", "api/sub/b.yaml", "api/..v1/c.yaml", "secret", "apix/d.yaml", "api/x y.yaml"} {
		write(name)
	}
	link("..v1", "api/..data") // as in Kubernetes
	link("..data/c.yaml", "api/c.yaml")
	link(filepath.Join(root, "a.yaml"), "api/absolute.yaml")
	link("../secret", "api/out")
	link(filepath.Join(base, "secret"), "api/out-absolute")
	link("..", "api/up")
	link("api", "linked")
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}

	const allowed, refused, failed = "allowed", "refused", "failed"
	for _, row := range []struct{ location, want string }{
		{"file://" + root + "/a.yaml", allowed},
		{"file://localhost" + root + "/a.yaml", allowed},
		{"file://" + root + "/sub/b.yaml", allowed},
		{"file://" + root + "/sub/../a.yaml", allowed},
		{"file://" + root + "/%61.yaml", allowed},
		{"file://" + root + "/x%20y.yaml", allowed},
		{"file://" + root + "/c.yaml", allowed},
		{"file://" + root + "/absolute.yaml", allowed},
		{"file://" + root + "/out", refused},
		{"file://" + root + "/out-absolute", refused},
		{"file://" + root + "/up/secret", refused},
		{"file://" + root + "/../secret", refused},
		{"file://" + root + "/%2e%2e/secret", refused},
		{"file://" + root + "/..%2fsecret", refused},
		{"file://" + root + "/sub/%2e%2E%2f../secret", refused},
		{"file://" + root + "x/d.yaml", refused},
		{"file:///etc/passwd", refused},
		{"file://" + root + "/a.yaml%00.json", refused},
		{"file://" + root + `/..\secret`, refused},
		{"file://" + root + "/%5c..%5csecret", refused},
		{`file:///C:/windows/win.ini`, refused},
		{`C:/windows/win.ini`, refused},
		{"file://server" + root + "/a.yaml", refused},
		{"file://user@" + root + "/a.yaml", refused},
		{"file://" + root + "/a.yaml?x", refused},
		{"file:a.yaml", refused},
		{root + "/a.yaml", refused},
		{"https://example.com" + root + "/a.yaml", refused},
		{"weir:pushed/a", refused},
		{"file://" + root + "/none.yaml", failed},
		{"file://" + root + "/sub", failed},
		{"file://" + root, failed},
		{"file://" + root + "/pipe", failed},
	} {
		location, err := url.Parse(row.location)
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{root, root + "/", filepath.Join(base, "linked")} {
			if strings.HasSuffix(folder, "linked") {
				replaced := strings.Replace(row.location+"/", root+"/", folder+"/", 1)
				replaced = strings.TrimSuffix(replaced, "/")
				if location, err = url.Parse(replaced); err != nil {
					t.Fatal(err)
				}
			}
			text, err := document.FolderOnly(folder)(t.Context(), location)
			_, isRefused := errors.AsType[*document.Refused](err)
			got := failed
			switch {
			case err == nil:
				got = allowed
			case isRefused:
				got = refused
			}
			if got != row.want || got == allowed && !strings.HasSuffix(string(text), ".yaml") {
				t.Errorf("%s in %s: %s %q, want %s (%v)", location, folder, got, text, row.want, err)
			}
		}
	}
}

func TestAllowHosts(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok.yaml":
			_, _ = w.Write([]byte("fine"))
		case "/large":
			_, _ = w.Write(make([]byte, 101))
		case "/here":
			http.Redirect(w, r, "/ok.yaml", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/away":
			http.Redirect(w, r, "https://example.com/ok.yaml", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	hosts := []string{strings.TrimPrefix(plain.URL, "http://"), strings.TrimPrefix(secure.URL, "https://"), "Example.org", "[::1]"}
	read := document.AllowHosts(secure.Client(), hosts, 100)
	for _, row := range []struct {
		location string
		refused  bool
		says     string // "" is success
	}{
		{plain.URL + "/ok.yaml", false, ""},
		{secure.URL + "/ok.yaml", false, ""},
		{secure.URL + "/here", false, ""},
		{secure.URL + "/gone", false, "404"},
		{secure.URL + "/large", false, "larger than 100 bytes"},
		{secure.URL + "/loop", false, "more than ten times"},
		{secure.URL + "/away", true, "the host example.com is not among"},
		{secure.URL + "/file", true, "not a URL that may be fetched"},
		{"https://example.com/a", true, "allow it (allow_refs example.com)"},
		{"https://example.org:8443/a", true, "allow it (allow_refs example.org:8443)"},
		{"http://example.org/a", true, "by https only"},
		{"http://[::1]:7/a", true, "allow_refs [::1]:7"},
		{"http://127.0.0.1/a", true, "allow_refs 127.0.0.1"},
		{"https://user:pass@example.org/a", true, "user"},
		{"https://example.org.evil.example/a", true, "not among"},
		{"ftp://example.org/a", true, "not a URL"},
		{"https:///a", true, "not a URL"},
		{"file:///etc/passwd", true, "not a URL"},
	} {
		location, err := url.Parse(row.location)
		if err != nil {
			t.Fatal(err)
		}
		text, err := read(t.Context(), location)
		_, isRefused := errors.AsType[*document.Refused](err)
		switch {
		case row.says == "" && (err != nil || string(text) != "fine"):
			t.Errorf("%s: %q, %v", location, text, err)
		case row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says) || isRefused != row.refused):
			t.Errorf("%s: %v (refused: %v), want %q", location, err, isRefused, row.says)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	location, _ := url.Parse(plain.URL + "/ok.yaml")
	if _, err := read(ctx, location); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled read gives %v", err)
	}
}

func TestAnyOf(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.yaml"), []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	read := document.AnyOf(document.FolderOnly(folder), document.AllowHosts(http.DefaultClient, nil, 1))
	_, err := document.Load(t.Context(), document.Source{
		Location: "file://" + folder + "/main.yaml", Data: []byte(head30 + "paths: {/a: {$ref: 'https://example.com/a.yaml'}}\n"), Read: read,
	})
	if _, isRefused := errors.AsType[*document.Refused](err); !isRefused {
		t.Errorf("%v is no refusal", err)
	}
	for _, part := range []string{`$ref "https://example.com/a.yaml"`, "main.yaml:3:14", "only files in " + folder, "allow_refs example.com"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
	location := &url.URL{Scheme: "file", Path: folder + "/a.yaml"}
	if text, err := read(t.Context(), location); err != nil || string(text) != "a" {
		t.Errorf("%q, %v", text, err)
	}
	location.Path = folder + "/b.yaml"
	if _, err := read(t.Context(), location); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v: a file that is not there is no refusal", err)
	}
}

// Without a Read, or a place, a document cannot refer to other files.
func TestReferencesNobodyReads(t *testing.T) {
	for location, says := range map[string]string{
		"file:///api/main.yaml": "put all into one document",
		"weir:pushed/pets":      "has no folder",
	} {
		_, err := document.Load(t.Context(), document.Source{
			Location: location, Data: []byte(head30 + "paths: {/a: {$ref: 'a.yaml'}}\n"),
		})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), ":3:14") {
			t.Errorf("%s: %v, want %q", location, err, says)
		}
	}
	doc, err := document.Load(t.Context(), document.Source{
		Location: "weir:pushed/pets", Data: []byte(head30 + "paths: {/a: {$ref: '#/x-a'}}\nx-a: {get: {responses: {'200': {description: ok}}}}\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "weir:pushed/pets#/x-a/get"
	get := doc.Root().Get("paths").Get("/a").Get("get")
	if get.Location() != want || doc.Place(want).String() != "weir:pushed/pets:4:7" {
		t.Errorf("%s at %s", get.Location(), doc.Place(want))
	}
	for _, location := range []string{"main.yaml", "", "%zz"} {
		if _, err := document.Load(t.Context(), document.Source{Location: location, Data: []byte(head30 + "paths: {}\n")}); err == nil {
			t.Errorf("%q is no absolute URL", location)
		}
	}
}
