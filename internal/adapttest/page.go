package adapttest

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"testing"
)

// Page checks the examples on a module's page: every Caddyfile adapts, and every
// JSON example is a part of what the first of them adapts to.
func Page(t *testing.T, file string) {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("reading the page: %v", err)
	}
	if err := checkPage(string(page)); err != nil {
		t.Errorf("%s: %v", file, err)
	}
}

func checkPage(page string) error {
	var first any
	for i, example := range examples(page, "caddyfile") {
		adapted, err := Adapt(example)
		if err != nil {
			return fmt.Errorf("%w in\n%s", err, example)
		}
		if i == 0 {
			if err := json.Unmarshal([]byte(adapted), &first); err != nil {
				return err
			}
		}
	}
	if first == nil {
		return fmt.Errorf("there is no Caddyfile example")
	}
	for _, example := range examples(page, "json") {
		var part any
		if err := json.Unmarshal([]byte(example), &part); err != nil {
			return fmt.Errorf("%w in\n%s", err, example)
		}
		if !contains(first, part) {
			return fmt.Errorf("the first Caddyfile does not mean\n%s", example)
		}
	}
	return nil
}

// examples returns the code blocks of a language.
func examples(page, language string) []string {
	var found []string
	for _, match := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?\n)```\n").FindAllStringSubmatch(page, -1) {
		found = append(found, match[1])
	}
	return found
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
