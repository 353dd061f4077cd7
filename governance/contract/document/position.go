package document

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// mark is where the name of a member, an item or the whole stands in correct JSON. What is inside of its value is found
// when that is asked for, and kept, as errors and notes come in numbers.
type mark struct {
	at, line, column int
	value            int // where the value begins, after the name
	inside           map[string]*mark
}

// find is the mark to which the path leads, or the last one on the way if it leads nowhere.
func (m *mark) find(text []byte, path []string) *mark {
	for _, name := range path {
		if m.inside == nil {
			m.inside = m.look(text)
		}
		next := m.inside[name]
		if next == nil {
			break
		}
		m = next
	}
	return m
}

// look finds the members or items of the value.
func (m *mark) look(text []byte) map[string]*mark {
	inside := make(map[string]*mark)
	s := scanner{text: text, at: m.value}
	opening := s.peek()
	if opening != '{' && opening != '[' {
		return inside
	}
	s.at++
	last := m
	for i := 0; ; i++ {
		at := s.space()
		if c := s.peek(); c == '}' || c == ']' || c == 0 {
			return inside
		}
		last = last.forward(text, at)
		name := strconv.Itoa(i)
		if opening == '{' {
			name = s.name()
		}
		last.value = s.space()
		inside[name] = last
		s.skip()
		if s.space(); s.peek() == ',' {
			s.at++
		}
	}
}

// forward is the mark of a byte that comes later.
func (m *mark) forward(text []byte, at int) *mark {
	between, line, column := text[m.at:at], m.line, m.column
	if lines := bytes.Count(between, []byte{'\n'}); lines > 0 {
		line, column = line+lines, 1
		between = between[bytes.LastIndexByte(between, '\n')+1:]
	}
	column += utf8.RuneCount(between)
	return &mark{at: at, value: at, line: line, column: column}
}

// markJSON is the mark of the whole.
func markJSON(text []byte) *mark {
	s := scanner{text: text}
	return (&mark{line: 1, column: 1}).forward(text, s.space())
}

// scanner moves over correct JSON without decoding it.
type scanner struct {
	text []byte
	at   int
}

// name reads the name of a member and the colon.
func (s *scanner) name() string {
	begin := s.at
	s.skip()
	quoted := s.text[begin:s.at]
	name := string(quoted[1 : len(quoted)-1])
	if strings.Contains(name, `\`) && json.Unmarshal(quoted, &name) != nil {
		return ""
	}
	if s.space(); s.peek() == ':' {
		s.at++
	}
	return name
}

// skip moves over a value.
func (s *scanner) skip() {
	for depth := 0; s.at < len(s.text); {
		c := s.text[s.at]
		switch {
		case c == '"':
			s.skipString()
		case c == '{' || c == '[':
			depth++
			s.at++
		case c == '}' || c == ']':
			if depth == 0 {
				return // the end of a scalar
			}
			depth--
			s.at++
		case depth == 0 && (c == ',' || c == ':' || isSpace(c)):
			return
		default:
			s.at++
			continue
		}
		if depth == 0 {
			return
		}
	}
}

func (s *scanner) skipString() {
	for s.at++; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return
		}
	}
}

// space moves over white space and returns where it ends.
func (s *scanner) space() int {
	for s.at < len(s.text) && isSpace(s.text[s.at]) {
		s.at++
	}
	return s.at
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// positionInYAML is where the value stands to which the path leads: the name of a member, or an item. If the path leads
// nowhere, it is where its last value stands.
func positionInYAML(n *yaml.Node, path []string) (line, column int) {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	line, column = max(1, n.Line), max(1, n.Column)
	for _, name := range path {
		at, next := childNode(n, name, 0)
		if at == nil {
			break
		}
		line, column, n = at.Line, at.Column, next
	}
	return line, column
}

// childNode finds the member or item with a name: where it stands, and its value.
func childNode(n *yaml.Node, name string, depth int) (at, value *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if depth > maxDepth || n == nil { // merge keys of merge keys
		return nil, nil
	}
	switch n.Kind {
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i]
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == name && !isMerge(n.Content[i]) {
				return n.Content[i], n.Content[i+1]
			}
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if isMerge(n.Content[i]) {
				for _, merged := range mergedNodes(n.Content[i+1]) {
					if at, value := childNode(merged, name, depth+1); at != nil {
						return at, value
					}
				}
			}
		}
	}
	return nil, nil
}

// mergedNodes are the mappings that a merge key brings.
func mergedNodes(n *yaml.Node) []*yaml.Node {
	whole := n
	if n.Kind == yaml.AliasNode {
		whole = n.Alias
	}
	if whole != nil && whole.Kind == yaml.SequenceNode {
		return whole.Content
	}
	return []*yaml.Node{n}
}
