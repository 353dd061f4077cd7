package route

// naive_test.go is a matcher that is too simple to be wrong: it tries all templates, and all ways to take a segment
// apart.

import (
	"net/url"
	"slices"
	"strings"
)

type naiveMatch struct {
	template string
	rank     []string // of each segment; the smaller the better
	values   []string // decoded
}

// naive returns all templates that match a path, the best first.
func naive(templates []string, path string) []naiveMatch {
	segments, ok := naiveSegments(path)
	if !ok {
		return nil
	}
	var found []naiveMatch
	for _, template := range templates {
		wanted := strings.Split(template, "/")[1:]
		if len(wanted) != len(segments) {
			continue
		}
		m := naiveMatch{template: template}
		ok := true
		for i, segment := range segments {
			var values []string
			texts := naiveTexts(wanted[i])
			if values, ok = naiveTake(texts, segment); !ok {
				break
			}
			m.values = append(m.values, values...)
			m.rank = append(m.rank, naiveRank(texts))
		}
		if ok {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b naiveMatch) int { return slices.Compare(a.rank, b.rank) })
	return found
}

// naiveSegments are the decoded segments of a path that can match something.
func naiveSegments(path string) ([]string, bool) {
	if !strings.HasPrefix(path, "/") {
		return nil, false
	}
	var segments []string
	for _, raw := range strings.Split(path, "/")[1:] {
		text, err := url.PathUnescape(raw)
		if err != nil {
			return nil, false
		}
		for _, part := range strings.Split(strings.ReplaceAll(text, `\`, "/"), "/") {
			if part == "." || part == ".." {
				return nil, false
			}
		}
		segments = append(segments, text)
	}
	return segments, true
}

// naiveTexts are the decoded texts around the parameters of a segment.
func naiveTexts(segment string) []string {
	var texts []string
	for i, piece := range strings.Split(segment, "{") {
		if i > 0 {
			_, piece, _ = strings.Cut(piece, "}")
		}
		text, _ := url.PathUnescape(piece)
		texts = append(texts, text)
	}
	return texts
}

// naiveTake tries for the first parameter all lengths, the longest first.
func naiveTake(texts []string, s string) ([]string, bool) {
	if !strings.HasPrefix(s, texts[0]) {
		return nil, false
	}
	s = s[len(texts[0]):]
	if len(texts) == 1 {
		return nil, s == ""
	}
	for n := len(s); n >= 1; n-- {
		if values, ok := naiveTake(texts[1:], s[n:]); ok {
			return append([]string{s[:n]}, values...), true
		}
	}
	return nil, false
}

func naiveRank(texts []string) string {
	length := len(strings.Join(texts, ""))
	switch {
	case len(texts) == 1:
		return "0"
	case length > 0: // more text first, then as the texts are ordered
		return "1" + string([]byte{byte(255 - length>>8), byte(255 - length&255)}) + strings.Join(texts, "\x00")
	}
	return "2"
}
