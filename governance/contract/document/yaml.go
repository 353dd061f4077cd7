package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yaml.go turns YAML into the tree that the same document in JSON would give. Numbers keep their spelling where JSON
// has it too, so that they stay exact. Keys are what is written: 200 is "200", 1.0 is "1.0".

// maxRepeated is how many values the aliases of one file may stand for. They are not copied here, but all that is
// made from the document goes through each of them: nine lines can say three billion values.
const maxRepeated = 200_000

func (f *file) parseYAML() *Error {
	decoder := yaml.NewDecoder(bytes.NewReader(f.text))
	root := new(yaml.Node)
	if err := decoder.Decode(root); err != nil {
		if errors.Is(err, io.EOF) { // comments only
			return f.faultAt(0, "the file is empty: it must hold an OpenAPI document")
		}
		return f.syntaxFault(err)
	}
	second := new(yaml.Node)
	switch err := decoder.Decode(second); {
	case err == nil:
		return f.nodeFault(second, "a second YAML document begins here: a file may hold only one")
	case !errors.Is(err, io.EOF):
		return f.syntaxFault(err)
	}
	c := converter{file: f, anchors: make(map[*yaml.Node]*converted)}
	made, fault := c.value(root, 0)
	if fault != nil {
		return fault
	}
	f.tree = made.value
	return nil
}

var (
	yamlLine    = regexp.MustCompile(`^yaml: line (\d+): `)
	yamlUnknown = regexp.MustCompile(`^yaml: unknown anchor '(.*)' referenced`)
)

// syntaxFault places an error of the parser. It tells a line only, so the column is that of the line's first word.
func (f *file) syntaxFault(err error) *Error {
	if m := yamlUnknown.FindStringSubmatch(err.Error()); m != nil {
		alias := max(0, bytes.Index(f.text, []byte("*"+m[1])))
		return f.faultAt(alias, fmt.Sprintf("there is no anchor &%s before this alias", m[1]))
	}
	line, reason := 1, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		reason = err.Error()[len(m[0]):]
	}
	offset := 0
	for ; line > 1; line-- {
		next := bytes.IndexByte(f.text[offset:], '\n')
		if next < 0 {
			break
		}
		offset += next + 1
	}
	for offset < len(f.text) && (f.text[offset] == ' ' || f.text[offset] == '\t') {
		offset++
	}
	return f.faultAt(offset, "this, or what stands just before it, is not correct YAML: "+reason)
}

func (f *file) nodeFault(n *yaml.Node, reason string) *Error {
	return &Error{Place: Place{File: f.location, Line: max(1, n.Line), Column: max(1, n.Column)}, Reason: reason}
}

// converter makes the tree of a YAML file. The values of aliases are shared.
type converter struct {
	file     *file
	anchors  map[*yaml.Node]*converted // nil while it is being made
	repeated int
}

// converted is a value with the number of values in it and how deep they are.
type converted struct {
	value      any
	size, deep int
}

func (c *converter) value(n *yaml.Node, depth int) (*converted, *Error) {
	if depth > maxDepth {
		return nil, c.file.nodeFault(n, fmt.Sprintf("values are nested more than %d deep", maxDepth))
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return c.value(n.Content[0], depth)
	case yaml.AliasNode:
		return c.alias(n, depth)
	}
	if n.Anchor == "" {
		return c.content(n, depth)
	}
	c.anchors[n] = nil
	made, fault := c.content(n, depth)
	c.anchors[n] = made
	return made, fault
}

func (c *converter) content(n *yaml.Node, depth int) (*converted, *Error) {
	switch n.Kind {
	case yaml.MappingNode:
		return c.mapping(n, depth)
	case yaml.SequenceNode:
		items := make([]any, len(n.Content))
		whole := &converted{value: items, size: 1, deep: 1}
		for i, item := range n.Content {
			made, fault := c.value(item, depth+1)
			if fault != nil {
				return nil, fault
			}
			items[i] = made.value
			whole.holds(made)
		}
		return whole, nil
	}
	value, reason := scalar(n)
	if reason != "" {
		return nil, c.file.nodeFault(n, reason)
	}
	return &converted{value: value, size: 1, deep: 1}, nil
}

func (w *converted) holds(part *converted) {
	w.size += part.size
	w.deep = max(w.deep, part.deep+1)
}

func (c *converter) alias(n *yaml.Node, depth int) (*converted, *Error) {
	made, known := c.anchors[n.Alias]
	switch {
	case !known || made == nil:
		return nil, c.file.nodeFault(n, fmt.Sprintf("the alias *%s stands inside of what it repeats: "+
			"use a $ref for what is recursive", n.Value))
	case depth+made.deep > maxDepth:
		return nil, c.file.nodeFault(n, fmt.Sprintf("values are nested more than %d deep", maxDepth))
	}
	if c.repeated += made.size; c.repeated > maxRepeated {
		return nil, c.file.nodeFault(n, fmt.Sprintf("the aliases of this file stand for more than %d values: "+
			"use $refs instead", maxRepeated))
	}
	return made, nil
}

func (c *converter) mapping(n *yaml.Node, depth int) (*converted, *Error) {
	members := make(map[string]any, len(n.Content)/2)
	whole := &converted{value: members, size: 1, deep: 1}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch _, twice := members[key.Value]; {
		case isMerge(key):
			merges = append(merges, value)
			continue
		case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null" && key.Value != "null":
			return nil, c.file.nodeFault(n.Content[i], "the name of a member must be a string")
		case twice:
			return nil, c.file.nodeFault(n.Content[i], fmt.Sprintf("the member %q is written twice: remove one", key.Value))
		}
		made, fault := c.value(value, depth+1)
		if fault != nil {
			return nil, fault
		}
		members[key.Value] = made.value
		whole.holds(made)
	}
	for _, merge := range merges {
		if fault := c.merge(members, whole, merge, depth); fault != nil {
			return nil, fault
		}
	}
	return whole, nil
}

// merge adds the members that a merge key (<<) brings and the mapping does not have itself; see
// https://yaml.org/type/merge.html.
func (c *converter) merge(members map[string]any, whole *converted, n *yaml.Node, depth int) *Error {
	made, fault := c.value(n, depth)
	if fault != nil {
		return fault
	}
	parts, several := made.value.([]any)
	if !several {
		parts = []any{made.value}
	}
	for _, part := range parts {
		merged, ok := part.(map[string]any)
		if !ok {
			return c.file.nodeFault(n, "a merge key (<<) needs a mapping, or a sequence of mappings")
		}
		for name, value := range merged {
			if _, has := members[name]; !has {
				members[name] = value
			}
		}
	}
	whole.size += made.size
	whole.deep = max(whole.deep, made.deep)
	return nil
}

func isMerge(key *yaml.Node) bool { return key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge" }

// scalar is the value of a scalar node, or why it has none.
func scalar(n *yaml.Node) (value any, reason string) {
	switch n.ShortTag() {
	case "!!null":
		return nil, ""
	case "!!bool":
		var b bool
		if n.Decode(&b) != nil {
			return nil, "this is neither true nor false"
		}
		return b, ""
	case "!!int", "!!float":
		return yamlNumber(n)
	case "!!binary":
		return nil, "binary data has no place in an OpenAPI document: write it as a base64 string, without !!binary"
	}
	return n.Value, "" // timestamps too: JSON has none
}

// jsonNumber is the number of RFC 8259, section 6.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE]([-+]?[0-9]+))?$`)

func yamlNumber(n *yaml.Node) (any, string) {
	if m := jsonNumber.FindStringSubmatch(n.Value); m != nil {
		exponent, err := strconv.Atoi(m[4])
		if m[4] != "" && err != nil || len(n.Value)+max(exponent, -exponent) > maxDigits {
			return nil, fmt.Sprintf("this number has more than %d digits: if it is text, quote it", maxDigits)
		}
		return json.Number(n.Value), ""
	}
	var v any // hexadecimal, octal, with a plus sign, .5, 1_000
	if len(n.Value) > maxDigits || n.Decode(&v) != nil {
		return nil, fmt.Sprintf("this number cannot be read, or has more than %d digits: if it is text, quote it", maxDigits)
	}
	switch v := v.(type) {
	case int:
		return json.Number(strconv.Itoa(v)), ""
	case int64:
		return json.Number(strconv.FormatInt(v, 10)), ""
	case uint64:
		return json.Number(strconv.FormatUint(v, 10)), ""
	case float64:
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			return json.Number(strconv.FormatFloat(v, 'g', -1, 64)), ""
		}
	}
	return nil, "JSON has no such number: an OpenAPI document cannot hold it"
}
