package openapi

// judging.go tells operators which engine judges what, as that is what makes one operation slower than another.

import (
	"net/url"
	"strings"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// judging is how the values of an operation are judged.
type judging struct {
	// Engine is the slowest that is needed; absent where nothing is judged.
	Engine engine `json:"engine,omitempty"`
	// JudgedWhole are the places in the document of the schemas whose values are judged whole.
	JudgedWhole []string `json:"judged_whole,omitempty"`
}

// engine is what values need to be judged.
type engine string

const (
	onePass     engine = "one pass"
	withChoices engine = "one pass with choices" // branches judge a value in turn
	whole       engine = "whole"                 // some values are decoded and judged by another engine
)

// judging looks at requests, and at responses where these are judged.
func (o *operation) judging() judging {
	if o.mode == skipped {
		return judging{}
	}
	coverage := o.Coverage(schema.Request)
	if o.responses != skipped {
		coverage.Add(o.Coverage(schema.Response))
	}
	j := judging{Engine: onePass}
	switch {
	case len(coverage.Whole) > 0:
		j.Engine = whole
	case coverage.Choices > 0:
		j.Engine = withChoices
	}
	for _, location := range coverage.Whole {
		j.JudgedWhole = append(j.JudgedWhole, shownLocation(location))
	}
	return j
}

// shownLocation is a place in a document without what its URL may have of secrets.
func shownLocation(location string) string {
	file, pointer, _ := strings.Cut(location, "#")
	if u, err := url.Parse(file); err == nil && u.Scheme == "file" {
		return u.Path + "#" + pointer
	}
	return shownSource(file) + "#" + pointer
}
