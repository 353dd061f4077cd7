package openapi

// source_file.go reads documents from files.

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/weirproxy/weir/governance/contract/document"
)

// fileSource is a file, with the files of its folder and below that it refers to.
type fileSource struct {
	path  string // absolute
	limit int64
	refer document.Read
}

func newFileSource(path string, s trackSettings, client *http.Client) *fileSource {
	return &fileSource{
		path:  path,
		limit: s.MaxDocument,
		refer: document.AnyOf(document.FolderOnly(filepath.Dir(path)), document.AllowHosts(client, s.AllowRefs, s.MaxDocument)),
	}
}

func (f *fileSource) origin() string { return originFile }
func (f *fileSource) shown() string  { return f.path }

func (f *fileSource) root(context.Context, *texts) (*texts, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // of which some never end, and some block when they are opened
		return nil, fmt.Errorf("%s is not a regular file", f.path)
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, f.limit+1))
	if err != nil {
		return nil, err
	}
	location := fileURL(f.path)
	return &texts{location: location, files: map[string][]byte{location: text}}, nil
}

func (f *fileSource) reference(ctx context.Context, location *url.URL) ([]byte, error) {
	return f.refer(ctx, location)
}

// paths are those of all files of x that are on this machine, to be watched.
func (f *fileSource) paths(x *texts) []string {
	paths := []string{f.path}
	if x == nil {
		return paths
	}
	for location := range x.files {
		if at, err := url.Parse(location); err == nil && at.Scheme == "file" && location != x.location {
			paths = append(paths, filepath.FromSlash(at.Path))
		}
	}
	return paths
}
