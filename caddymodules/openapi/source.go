package openapi

// source.go reads documents from where they come from.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/weirproxy/weir/governance/contract/document"
)

// source is where a document comes from.
type source interface {
	// origin is originFile or originURL.
	origin() string
	// shown is the source for people. It holds no secret.
	shown() string
	// root reads the document, without the files that it refers to. last is what was read before, or nil; if the
	// source knows that the document has not changed since, it answers with last's text.
	root(ctx context.Context, last *texts) (*texts, error)
	// reference reads a file that the document refers to.
	reference(ctx context.Context, location *url.URL) ([]byte, error)
}

// newSource returns the source of the settings. client is for what is read over the network.
func newSource(s trackSettings, client *http.Client) (source, error) {
	scheme, _, hasScheme := strings.Cut(s.Source, "://")
	if !hasScheme {
		path, err := filepath.Abs(s.Source)
		if err != nil {
			return nil, err
		}
		return newFileSource(path, s, client), nil
	}
	switch strings.ToLower(scheme) {
	case "http", "https":
		return newURLSource(s, client)
	default:
		return nil, fmt.Errorf("the document's scheme %q is not known: give the path of a file, or an http or https URL", scheme)
	}
}

func fileURL(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

func tooLarge(limit int64) error {
	return fmt.Errorf("the document, with all files it refers to, is larger than %s; see limits, document",
		humanize.IBytes(uint64(max(limit, 0))))
}

// reading is one look at a source. It reads each file once, so that all who look at it see the same.
type reading struct {
	*texts
	refer      document.Read // of the source
	limit      int64
	incomplete bool // a file could not be read
}

// readSource reads the document and, if it is that of last, the files that last had too: same tells that nothing at all
// has changed. Otherwise the files are read while the document is loaded.
func readSource(ctx context.Context, s source, last *texts, limit int64) (r *reading, same bool, err error) {
	root, err := s.root(ctx, last)
	if err != nil {
		return nil, false, err
	}
	r = &reading{texts: root, refer: s.reference, limit: limit}
	if root.size() > limit {
		return nil, false, tooLarge(limit)
	}
	if last == nil || last.hash == "" || !r.finds(ctx, last) {
		r.files, r.incomplete = map[string][]byte{r.location: r.files[r.location]}, false
		return r, false, nil
	}
	r.files, r.hash = last.files, last.hash // the same, and held only once
	return r, true, nil
}

// finds reports whether all files of last are as they were.
func (r *reading) finds(ctx context.Context, last *texts) bool {
	if !bytes.Equal(r.files[r.location], last.files[last.location]) {
		return false
	}
	for location, text := range last.files {
		at, err := url.Parse(location)
		if err != nil {
			return false
		}
		if now, err := r.read(ctx, at); err != nil || !bytes.Equal(now, text) {
			return false
		}
	}
	return true
}

// read implements document.Read.
func (r *reading) read(ctx context.Context, location *url.URL) ([]byte, error) {
	name := location.String()
	if text, ok := r.files[name]; ok {
		return text, nil
	}
	text, err := r.refer(ctx, location)
	if err == nil && r.size()+int64(len(text)) > r.limit {
		err = tooLarge(r.limit)
	}
	if err != nil {
		r.incomplete = true
		return nil, err
	}
	r.files[name] = text
	return text, nil
}

// load parses and resolves the document, and completes and seals the texts, also if that fails. If a file could not be
// read, they have no hash, so that they are the same as nothing.
func (r *reading) load(ctx context.Context) (*document.Document, error) {
	defer func() {
		if r.seal(); r.incomplete {
			r.hash = ""
		}
	}()
	doc, err := document.Load(ctx, document.Source{Location: r.location, Data: r.files[r.location], Read: r.read})
	if err != nil {
		return nil, err
	}
	used := make(map[string][]byte)
	for _, location := range doc.Locations() {
		used[location] = r.files[location]
	}
	r.files = used
	return doc, nil
}

// errNoReferences is why a pushed document may not refer to files beside it.
var errNoReferences = errors.New("a pushed document stands alone: it can refer to files of hosts that allow_refs names, no others")

// pushedReference reads what a pushed document refers to.
func pushedReference(s trackSettings, client *http.Client) document.Read {
	remote := document.AllowHosts(client, s.AllowRefs, s.MaxDocument)
	return func(ctx context.Context, location *url.URL) ([]byte, error) {
		if location.Scheme != "https" && location.Scheme != "http" {
			return nil, errNoReferences
		}
		return remote(ctx, location)
	}
}
