package openapi

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

func textsOf(location string, files ...string) *texts {
	x := &texts{location: location, files: make(map[string][]byte)}
	for i := 0; i < len(files); i += 2 {
		x.files[files[i]] = []byte(files[i+1])
	}
	x.seal()
	return x
}

func TestHash(t *testing.T) {
	one := textsOf("file:///a.yaml", "file:///a.yaml", "text")
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte("text"))); one.hash != want {
		t.Errorf("the hash is %s, want that of sha256sum, %s", one.hash, want)
	}
	several := textsOf("file:///a.yaml", "file:///a.yaml", "root", "file:///b.yaml", "1", "file:///c.yaml", "2")
	moved := textsOf("file:///new/a.yaml", "file:///new/a.yaml", "root", "file:///new/b.yaml", "1", "file:///new/c.yaml", "2")
	if several.hash != moved.hash {
		t.Error("the hash depends on where the document is")
	}
	for name, other := range map[string]*texts{
		"the root alone":      textsOf("file:///a.yaml", "file:///a.yaml", "root"),
		"swapped files":       textsOf("file:///a.yaml", "file:///a.yaml", "root", "file:///b.yaml", "2", "file:///c.yaml", "1"),
		"another root":        textsOf("file:///b.yaml", "file:///a.yaml", "root", "file:///b.yaml", "1", "file:///c.yaml", "2"),
		"one file, all texts": textsOf("file:///a.yaml", "file:///a.yaml", "root12"),
	} {
		if other.hash == several.hash {
			t.Errorf("%s: the hash is the same", name)
		}
	}
}

func TestStoredTexts(t *testing.T) {
	x := textsOf("file:///a.yaml", "file:///a.yaml", strings.Repeat("text", 1000), "file:///b.yaml", "")
	x.etag, x.modified = `"1"`, "Mon, 01 Jan 2024 00:00:00 GMT"
	stored := x.stored()
	if n := len(stored.Files["file:///a.yaml"]); n > 200 {
		t.Errorf("4000 bytes of text are stored in %d", n)
	}
	got, err := stored.restored(4000)
	if err != nil {
		t.Fatal(err)
	}
	if got.hash != x.hash || got.location != x.location || got.etag != x.etag || got.modified != x.modified || len(got.files) != 2 {
		t.Errorf("%+v, want %+v", got, x)
	}
	if _, err := stored.restored(3999); err == nil {
		t.Error("more is restored than the limit")
	}
	text, err := got.read(context.Background(), mustURL(t, "file:///b.yaml"))
	if err != nil || len(text) != 0 {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := got.read(context.Background(), mustURL(t, "file:///c.yaml")); err == nil {
		t.Error("a file was read that is not kept")
	}
}
