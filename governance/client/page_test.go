package client

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the page shows is what the examples run.
func TestPageShowsTheExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/client.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	flush := regexp.MustCompile(`(?m)^\t`).ReplaceAllString(string(source), "") // as in the page
	blocks := regexp.MustCompile("(?s)\n```go\n(.*?\n)```\n").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 2 {
		t.Errorf("the page has %d examples, want 2", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(flush, block[1]) {
			t.Errorf("example_test.go does not contain\n%s", block[1])
		}
	}
}
