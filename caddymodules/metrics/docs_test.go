package metrics

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/weirproxy/weir/internal/adapttest"
)

// The examples of the documentation adapt, and its JSON is a handler of its
// Caddyfile.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/modules/request_metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	example := func(language string) string {
		_, rest, _ := strings.Cut(string(page), "\n```"+language+"\n")
		text, _, found := strings.Cut(rest, "```\n")
		if !found {
			t.Fatalf("there is no %s example", language)
		}
		return text
	}
	adapted, err := adapttest.Adapt(example("caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	var config, handler any
	if err := json.Unmarshal([]byte(adapted), &config); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(example("json")), &handler); err != nil {
		t.Fatal(err)
	}
	if !contains(config, handler) {
		t.Errorf("the JSON is not in the adapted Caddyfile:\n%s", adapted)
	}
	if buckets := formatBuckets(defaultBuckets); !strings.Contains(string(page), "Default: `"+buckets+"`") {
		t.Errorf("the page has other default buckets than %s", buckets)
	}
}

// contains reports whether part is somewhere in whole.
func contains(whole, part any) bool {
	if reflect.DeepEqual(whole, part) {
		return true
	}
	switch v := whole.(type) {
	case map[string]any:
		for _, inner := range v {
			if contains(inner, part) {
				return true
			}
		}
	case []any:
		for _, inner := range v {
			if contains(inner, part) {
				return true
			}
		}
	}
	return false
}
