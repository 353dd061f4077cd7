package openapi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/document"
)

// All that people and programs do to put another document in the place of one. None has a refresh: what is seen is
// seen by watching.
func TestFileChanges(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, path string)
	}{
		{"renamed into place", func(t *testing.T, path string) { replaceFile(t, path, apiWith("b")) }},
		{"written in place", func(t *testing.T, path string) { write(t, path, apiWith("b")) }},
		{"deleted and made again", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * debounce)
			write(t, path, apiWith("b"))
		}},
		{"half written", func(t *testing.T, path string) {
			write(t, path, brokenAPI)
			time.Sleep(2 * debounce)
			write(t, path, apiWith("b"))
		}},
		{"its folder deleted and made again", func(t *testing.T, path string) {
			dir := filepath.Dir(path)
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * debounce)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, path, apiWith("b"))
		}},
		{"its folder replaced", func(t *testing.T, path string) {
			dir := filepath.Dir(path)
			if err := os.Mkdir(dir+".new", 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir+".new", "api.yaml"), apiWith("b"))
			if err := os.Rename(dir, dir+".old"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(dir+".new", dir); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "folder")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "api.yaml")
			write(t, path, apiWith("a"))
			track := newProcess(t).held(t, settingsOf(path))
			wantOperation(t, "at first", track, "a")
			first := track.generation()

			tc.change(t, path)
			eventuallyOperation(t, "changed", track, "b")
			g := track.generation()
			if g.number != first.number+1 || g.hash == first.hash || g.origin != originFile || g.openapi != "3.0.3" {
				t.Errorf("the generation is %+v", g.revision)
			}
			replaceFile(t, path, apiWith("c"))
			eventuallyOperation(t, "changed again", track, "c")
			if err := track.status().stale; err != nil {
				t.Errorf("stale: %v", err)
			}
		})
	}
}

// Kubernetes mounts a ConfigMap as links through ..data, which is itself a link that is replaced.
func TestLinkSwap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(n int, operation string) {
		v := fmt.Sprintf("..v%d", n)
		if err := os.Mkdir(filepath.Join(dir, v), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, v, "api.yaml"), apiWith(operation))
		link(t, v, filepath.Join(dir, "..data_tmp"))
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		_ = os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..v%d", n-1)))
	}
	version(1, "a")
	path := filepath.Join(dir, "api.yaml")
	link(t, "..data/api.yaml", path)
	track := newProcess(t).held(t, settingsOf(path))
	for n, operation := range []string{"b", "c", "d"} {
		version(n+2, operation)
		eventuallyOperation(t, "swapped", track, operation)
	}
}

// Deployments replace a link to a whole folder. What the document refers to comes from the new one too.
func TestFolderLinkSwap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	release := func(n int, operation string) {
		folder := filepath.Join(dir, fmt.Sprintf("release%d", n))
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, "api.yaml"), referring(apiWith(operation), "pet.yaml"))
		write(t, filepath.Join(folder, "pet.yaml"), "{type: object}\n")
		link(t, folder, filepath.Join(dir, "next"))
		if err := os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "current")); err != nil {
			t.Fatal(err)
		}
	}
	release(1, "a")
	track := newProcess(t).held(t, settingsOf(filepath.Join(dir, "current", "api.yaml")))
	for n, operation := range []string{"b", "c"} {
		release(n+2, operation)
		eventuallyOperation(t, "swapped", track, operation)
	}
}

// The files that a document refers to are watched as it is, and none beside them.
func TestReferencesAreWatched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "api.yaml")
	schemas := filepath.Join(dir, "schemas")
	if err := os.Mkdir(schemas, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, referring(apiWith("a"), "schemas/pet.yaml"))
	write(t, filepath.Join(schemas, "pet.yaml"), "{type: object}\n")
	p := newProcess(t)
	track := p.held(t, settingsOf(path))
	first := track.generation()
	if len(first.texts.files) != 2 {
		t.Fatalf("the document has the files %v", first.texts.files)
	}
	replaceFile(t, filepath.Join(schemas, "pet.yaml"), "{type: array, items: {}}\n")
	eventually(t, "the new schema is in force", func() bool { return track.generation() != first })
	second := track.generation()
	if second.hash == first.hash || p.compiles.Load() != 2 {
		t.Errorf("the hash is %s after %s, %d compiles", second.hash, first.hash, p.compiles.Load())
	}

	if err := os.Remove(filepath.Join(schemas, "pet.yaml")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "stale", func() bool { return track.status().stale != nil })
	if err := track.status().stale; !strings.Contains(err.Error(), "pet.yaml") || track.generation() != second {
		t.Errorf("with a file that is missing: %v", err)
	}
	write(t, filepath.Join(schemas, "pet.yaml"), "{type: array, items: {}}\n")
	eventually(t, "mended", func() bool { return track.status().stale == nil })
	if track.generation() != second || p.compiles.Load() != 2 {
		t.Errorf("what is as it was is compiled again: %d compiles", p.compiles.Load())
	}
}

// What does not change is not compiled, and not put in force, again.
func TestIdenticalContent(t *testing.T) {
	t.Parallel()
	path := fileWith(t, apiWith("a"))
	p := newProcess(t)
	track := p.held(t, settingsOf(path))
	first := track.generation()
	for range 3 {
		unchanged := p.loads[loadUnchanged].Load()
		replaceFile(t, path, apiWith("a"))
		eventually(t, "looked at", func() bool { return p.loads[loadUnchanged].Load() > unchanged })
	}
	if track.generation() != first || p.compiles.Load() != 1 {
		t.Errorf("generation %d after %d compiles, want %d after 1", track.generation().number, p.compiles.Load(), first.number)
	}
}

// A document that breaks leaves the last good one, tells once, and is mended.
func TestBrokenAndMended(t *testing.T) {
	t.Parallel()
	path := fileWith(t, apiWith("a"))
	p := newProcess(t)
	track := p.held(t, settingsOf(path))
	replaceFile(t, path, brokenAPI)
	eventually(t, "stale", func() bool { return track.status().stale != nil })
	wantOperation(t, "broken", track, "a")
	if err := track.status().stale; !strings.Contains(err.Error(), path+":") {
		t.Errorf("the error names no file and line: %v", err)
	}
	for range 3 {
		_ = lookNow(track)
	}
	if n := p.logs.FilterMessageSnippet("does not load").Len(); n != 1 {
		t.Errorf("told %d times, want once", n)
	}
	if n := p.compiles.Load(); n != 1 {
		t.Errorf("%d compiles, want 1", n)
	}
	replaceFile(t, path, apiWith("b"))
	eventuallyOperation(t, "mended", track, "b")
	eventually(t, "well", func() bool { return track.status().stale == nil })
	eventually(t, "told", func() bool { return p.logs.FilterMessageSnippet("well again").Len() == 1 })
}

// What reads well and cannot be compiled is not tried again before it changes.
func TestCompileErrorIsRemembered(t *testing.T) {
	p, s := newProcess(t), settingsOf(fileWith(t, apiWith("a")))
	track := p.held(t, s)
	track.watch.close()
	p.tracks.compile = func(*document.Document, contract.Settings) (*contract.Contract, error) {
		p.compiles.Add(1)
		return nil, errors.New("a pattern is wrong")
	}
	write(t, s.Source, apiWith("b"))
	for range 3 {
		if err := lookNow(track); err == nil || err.Error() != "a pattern is wrong" {
			t.Errorf("the error is %v", err)
		}
	}
	if n := p.compiles.Load(); n != 2 {
		t.Errorf("%d compiles, want 2", n)
	}
	wantOperation(t, "in the end", track, "a")
}

// lookNow looks at the source as the loop does.
func lookNow(t *track) error {
	t.working.Lock()
	defer t.working.Unlock()
	return t.look(context.Background(), false)
}

// Where nothing can be watched, refresh finds what has changed.
func TestRefreshOfAFile(t *testing.T) {
	t.Parallel()
	path := fileWith(t, apiWith("a"))
	p := newProcess(t)
	s := settingsOf(path)
	s.Refresh = 20 * time.Millisecond
	track, err := p.take(s, p.home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(track.release)
	track.watch.close()
	track.watch = nil
	if err := track.meet(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	write(t, path, apiWith("b"))
	eventuallyOperation(t, "changed", track, "b")
}

func TestFilesThatDoNotLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "api.yaml")
	outside := fileWith(t, "{type: object}\n")
	for name, tc := range map[string]struct{ text, want string }{
		"broken":                {brokenAPI, path + ":"},
		"empty":                 {"", path},
		"too large":             {apiWith("a") + strings.Repeat("# comment\n", 1<<17), "larger than 1.0 MiB"},
		"a reference outside":   {referring(apiWith("a"), "file://"+outside), outside},
		"a reference upwards":   {referring(apiWith("a"), "../"+filepath.Base(filepath.Dir(outside))+"/api.yaml"), "api.yaml"},
		"a remote reference":    {referring(apiWith("a"), "https://schemas.example.com/pet.yaml"), "schemas.example.com"},
		"a reference to itself": {"openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths: {$ref: 'api.yaml'}\n", path},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, path, tc.text)
			p := newProcess(t)
			if _, err := p.provision(settingsOf(path)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v, want one with %q", err, tc.want)
			}
			if len(p.byKey) != 0 {
				t.Error("the track is left")
			}
		})
	}
	p := newProcess(t)
	if _, err := p.provision(settingsOf(dir)); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := p.provision(settingsOf(filepath.Join(dir, "missing.yaml"))); err == nil || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("no file: %v", err)
	}
	if _, err := p.provision(settingsOf("ftp://example.com/api.yaml")); err == nil || !strings.Contains(err.Error(), `"ftp"`) {
		t.Errorf("ftp: %v", err)
	}
}
