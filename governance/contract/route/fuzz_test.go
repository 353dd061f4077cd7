package route

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzMatch compares the tree with a scan of all templates, one template a line. Those that accept refuses have an x.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{"/a/{b}\n/a/b\n/{c}/b", "/a/b"},
		{"/{a}.{b}\n/x{c}\n/{d}", "/x.%79"},
		{"/files/{id}\n/files/{id}/content\n/files/thumbnail.{ext}", "/files/%2E%2E/content"},
		{"/{a}-{b}-{c}\n/{a}--{b}\n/-{a}-", "/----"},
		{"/é{a}\n/%C3%A9x\n/", "/%c3%a9x"},
		{"/a//b\n/a/{x}/b\n/a/", "/a//b"},
		{"/{a}ab{b}\n/{a}b{b}b\n/ab{x}ba", "/abababab"},
		{"/{a}/{b}/{c}/{d}\n/a/{b}/c/x\n/{a}/b/{c}/x", "/a/b/c/d"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, list, path string) {
		if len(path) > 200 || len(list) > 2000 { // the scan tries all ways to take a segment apart
			return
		}
		var tree Tree[string]
		var templates []string
		for template := range strings.SplitSeq(list, "\n") {
			usable := strings.Count(template, "{") < 8 && !strings.Contains(template, "\x00") && !strings.Contains(template, "%00")
			if usable && tree.Add(template, template) == nil {
				templates = append(templates, template)
			}
		}
		accept := func(template string) bool { return !strings.Contains(template, "x") }
		got, values, ok := tree.Match(path, nil, accept)
		var want naiveMatch
		for _, m := range naive(templates, path) {
			if accept(m.template) {
				want = m
				break
			}
		}
		decoded := make([]string, len(values))
		for i, value := range values {
			decoded[i], _ = url.PathUnescape(value)
		}
		if got != want.template || ok != (want.template != "") || !slices.Equal(decoded, want.values) {
			t.Fatalf("%q of %q: got %q %q, want %q %q", path, templates, got, decoded, want.template, want.values)
		}
	})
}
