package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each golden file has a configuration, a line of ten dashes, and every problem of
// the configuration, in order. None may show a secret, which all contain "s3cret".
func TestEveryProblemIsToldAtOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(content), "----------\n")
			_, err = Load(written(t, input), nil)
			got := ""
			if invalid := (*InvalidError)(nil); errors.As(err, &invalid) {
				for _, p := range invalid.Problems {
					got += p.String() + "\n"
				}
			} else if err != nil {
				t.Fatalf("the error is no *InvalidError: %v", err)
			}
			if got != want {
				t.Errorf("problems:\n%s\nwant:\n%s", got, want)
			}
			if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), "old_secret", ""), "s3") {
				t.Errorf("a secret is shown: %v", err)
			}
		})
	}
}

// written returns the name of a file with a configuration.
func written(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "worker.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
