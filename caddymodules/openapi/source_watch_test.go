package openapi

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// realDir is a temporary folder without a link on the way to it.
func realDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWay(t *testing.T) {
	dir := realDir(t)
	if err := os.Mkdir(filepath.Join(dir, "v1"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "v1", "api.yaml"), "")
	link(t, "v1", filepath.Join(dir, "..data"))
	link(t, "..data/api.yaml", filepath.Join(dir, "api.yaml"))
	link(t, filepath.Join(dir, "v1"), filepath.Join(dir, "absolute"))
	link(t, "loop", filepath.Join(dir, "loop"))
	for _, tc := range []struct {
		path string
		want []string
	}{
		{"v1/api.yaml", []string{"v1/api.yaml"}},
		{"api.yaml", []string{"api.yaml", "..data", "v1/api.yaml"}},
		{"absolute/api.yaml", []string{"absolute", "v1/api.yaml"}},
		{"v1/../v1/api.yaml", []string{"v1/api.yaml"}},
		{"v1/missing.yaml", []string{"v1/missing.yaml"}},
		{"missing/folder/api.yaml", []string{"missing"}},
	} {
		var want []string
		for _, name := range tc.want {
			want = append(want, filepath.Join(dir, name))
		}
		if got := way(filepath.Join(dir, tc.path)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", tc.path, got, want)
		}
	}
	if got := way(filepath.Join(dir, "loop", "api.yaml")); len(got) != maxLinks+1 {
		t.Errorf("a link to itself is followed %d times, want %d", len(got), maxLinks+1)
	}
}
