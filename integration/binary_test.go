package integration

import (
	"os"
	"path/filepath"
	"testing"
)

// git ends like this where somebody else owns the checkout, and the Go toolchain
// ends the build with it if it wants to stamp the version.
func TestBinariesAreBuiltInACheckoutThatGitRefusesToRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte("#!/bin/sh\nexit 128\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	// a small command of this module: the flags are what is tested
	if _, err := build("./integration/bench", "bench"); err != nil {
		t.Error(err)
	}
}
