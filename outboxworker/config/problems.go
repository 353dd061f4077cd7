package config

// problems.go holds what a configuration is told to be wrong about, all at once.

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration, and how to mend it. It
// never holds a secret.
type Problem struct {
	// Key is the key that is wrong, as outboxes[0].sink.webhook.url; empty for the
	// file as a whole.
	Key string
	// Line is where the key stands in the file; for a key that is missing, where
	// the key stands that lacks it. 0 if the file has no such line.
	Line int
	// Variable is the environment variable that the value came from, or empty.
	Variable string
	// Text says what is wrong, and the fix.
	Text string
}

// String returns the problem in one line.
func (p Problem) String() string {
	var parts []string
	switch {
	case p.Variable != "":
		parts = append(parts, p.Variable)
	case p.Line > 0:
		parts = append(parts, fmt.Sprintf("line %d", p.Line))
	}
	if p.Key != "" {
		parts = append(parts, p.Key)
	}
	return strings.Join(append(parts, p.Text), ": ")
}

// InvalidError is the error of a configuration that cannot be used.
type InvalidError struct {
	// File is the name of the configuration's file; empty if it has none.
	File string
	// Problems are all that is wrong, in the order of the file, then of the
	// environment.
	Problems []Problem
}

func (e *InvalidError) Error() string {
	source := e.File
	if source == "" {
		source = "the environment, without a file"
	}
	count := "1 problem"
	if len(e.Problems) != 1 {
		count = fmt.Sprintf("%d problems", len(e.Problems))
	}
	text := fmt.Sprintf("reading the configuration from %s: %s", source, count)
	for _, p := range e.Problems {
		text += "\n  " + p.String()
	}
	return text
}

// origin is where a key was written.
type origin struct {
	line     int
	variable string
}

// problems collects what is wrong, and knows where each key was written.
type problems struct {
	found   []Problem
	origins map[string]origin
	// unread are keys whose values could not be read. What is in their places is
	// nobody's mistake.
	unread map[string]bool
}

// at notes a problem with a key. A key that was not written stands where the
// nearest one around it does.
func (p *problems) at(key, format string, args ...any) {
	from, ok := p.origins[key]
	for around := key; around != ""; around = parent(around) {
		if p.unread[around] {
			return
		}
		if !ok {
			from, ok = p.origins[around]
		}
	}
	if p.unread[""] {
		return
	}
	p.found = append(p.found, Problem{Key: key, Line: from.line, Variable: from.variable, Text: fmt.Sprintf(format, args...)})
}

// cannotRead is at for a key whose value could not be read.
func (p *problems) cannotRead(key, format string, args ...any) {
	p.at(key, format, args...)
	p.unread[key] = true
}

// parent returns the key around a key: of outboxes[0].sink it is outboxes[0], of
// that outboxes.
func parent(key string) string {
	return key[:max(strings.LastIndexAny(key, ".["), 0)]
}

// err returns the problems as an error, or nil if there are none.
func (p *problems) err(file string) error {
	if len(p.found) == 0 {
		return nil
	}
	slices.SortStableFunc(p.found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Variable, b.Variable), cmp.Compare(a.Line, b.Line))
	})
	return &InvalidError{File: file, Problems: p.found}
}
