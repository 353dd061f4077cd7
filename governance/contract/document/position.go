package document

import (
	"encoding/json"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// offsetInJSON is where the value stands to which the path leads: the name of a member, or an item. If the path
// leads nowhere, it is where its last value stands. The text is correct JSON.
func offsetInJSON(text []byte, path []string) int {
	s := scanner{text: text}
	at := s.space()
	for _, name := range path {
		next, found := s.enter(name)
		if !found {
			break
		}
		at = next
	}
	return at
}

// scanner moves over correct JSON without decoding it.
type scanner struct {
	text []byte
	at   int
}

// enter moves into the array or object that begins here, to the value with a name. It returns where that stands.
func (s *scanner) enter(name string) (at int, found bool) {
	opening := s.peek()
	if opening != '{' && opening != '[' {
		return 0, false
	}
	s.at++
	for i := 0; ; i++ {
		at = s.space()
		if c := s.peek(); c == '}' || c == ']' || c == 0 {
			return 0, false
		}
		this := strconv.Itoa(i)
		if opening == '{' {
			this = s.name()
		}
		if s.space(); this == name {
			return at, true
		}
		s.skip()
		if s.space(); s.peek() == ',' {
			s.at++
		}
	}
}

// name reads the name of a member and the colon.
func (s *scanner) name() string {
	begin := s.at
	s.skip()
	var name string
	if json.Unmarshal(s.text[begin:s.at], &name) != nil {
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

// positionInYAML is offsetInJSON for the nodes of a YAML text.
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
