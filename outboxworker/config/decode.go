package config

// decode.go fills structs from a YAML tree. The YAML library's own strict mode knows
// neither the path of a wrong key nor what may stand beside it, and an operator
// needs both.

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// defaulter is a struct with defaults. They are set before the tree is read, so that
// a value of zero can be written.
type defaulter interface{ setDefaults() }

// wordy is a list that may be written as a word.
type wordy interface {
	word() string
	// setWord sets the list if the text is the word.
	setWord(text string) bool
}

// decoder fills structs from a tree.
type decoder struct {
	*problems
	// variables are the nodes that came from the environment.
	variables map[*yaml.Node]string
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[Size]()
)

// value fills v, which can be set, from a node.
func (d *decoder) value(key string, node *yaml.Node, v reflect.Value) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if variable, ok := d.variables[node]; ok {
		d.origins[key] = origin{variable: variable}
	} else if _, ok := d.origins[key]; !ok {
		d.origins[key] = origin{line: node.Line}
	}
	if _, isText := scalarKind(v.Type()); isText {
		d.scalar(key, node, v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(key, node, v.Elem())
	case reflect.Struct:
		if withDefaults, ok := v.Addr().Interface().(defaulter); ok {
			withDefaults.setDefaults()
		}
		d.mapping(key, node, v)
	case reflect.Map:
		d.table(key, node, v)
	default:
		d.list(key, node, v)
	}
}

// scalarKind tells whether values of a type are single words, and how to call them
// in an error.
func scalarKind(t reflect.Type) (string, bool) {
	switch {
	case t == durationType:
		return "a duration such as 500ms, 10s or 1m30s", true
	case t == sizeType:
		return "a size such as 65536, 512KiB or 4MiB", true
	case t.Kind() == reflect.String:
		return "text", true
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return "a whole number", true
	case t.Kind() == reflect.Bool:
		return "true or false", true
	default:
		return "", false
	}
}

// mapping fills a struct from a mapping. One without content leaves the defaults.
func (d *decoder) mapping(key string, node *yaml.Node, v reflect.Value) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		d.cannotRead(key, "here a mapping is needed, with keys of %s", strings.Join(keysOf(v.Type()), ", "))
		return
	}
	lines := make(map[string]int)
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, content := node.Content[i], node.Content[i+1]
		full := join(key, name.Value)
		if first, twice := lines[name.Value]; twice {
			d.found = append(d.found, Problem{
				Key: full, Line: name.Line,
				Text: fmt.Sprintf("the key stands on line %d already; remove one", first),
			})
			continue
		}
		lines[name.Value] = name.Line
		if name.Line > 0 {
			d.origins[full] = origin{line: name.Line}
		}
		field, ok := fieldOf(v, name.Value)
		if name.Kind != yaml.ScalarNode || !ok {
			d.at(full, "unknown key; %s", suggestion(name.Value, keysOf(v.Type())))
			continue
		}
		d.value(full, content, field)
	}
}

// table fills a map of text from a mapping.
func (d *decoder) table(key string, node *yaml.Node, v reflect.Value) {
	if node.Kind != yaml.MappingNode {
		d.cannotRead(key, "here a mapping of names to text is needed")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i]
		full := join(key, name.Value)
		if v.MapIndex(reflect.ValueOf(name.Value)).IsValid() {
			d.at(full, "the key stands here twice; remove one")
			continue
		}
		d.origins[full] = origin{line: name.Line}
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(full, node.Content[i+1], element)
		v.SetMapIndex(reflect.ValueOf(name.Value), element)
	}
}

// list fills a slice from a sequence, or from one word of the environment with
// commas in it.
func (d *decoder) list(key string, node *yaml.Node, v reflect.Value) {
	orWord := ""
	if w, ok := v.Addr().Interface().(wordy); ok {
		if node.Kind == yaml.ScalarNode && w.setWord(node.Value) {
			return
		}
		orWord = ", or the word " + w.word()
	}
	content := node.Content
	_, words := scalarKind(v.Type().Elem())
	if _, ok := d.variables[node]; ok && words {
		content = nil
		for word := range strings.SplitSeq(node.Value, ",") {
			element := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimSpace(word)}
			d.variables[element] = d.variables[node]
			content = append(content, element)
		}
	} else if node.Kind != yaml.SequenceNode {
		d.cannotRead(key, "here a list is needed: lines that begin with a dash, or [a, b]%s", orWord)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(content), len(content)))
	for i, element := range content {
		d.value(fmt.Sprintf("%s[%d]", key, i), element, v.Index(i))
	}
}

// scalar fills a single word.
func (d *decoder) scalar(key string, node *yaml.Node, v reflect.Value) {
	want, _ := scalarKind(v.Type())
	switch {
	case node.Kind != yaml.ScalarNode:
		d.cannotRead(key, "here %s is needed", want)
		return
	case node.Tag == "!!null":
		d.cannotRead(key, "the key has no value; write one, or leave the key out for its default")
		return
	case !slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp"}, node.Tag):
		d.cannotRead(key, "the value begins with a YAML tag; put it in quotes")
		return
	}
	if err := setScalar(v, node.Value); err != nil {
		// The value is not shown: a secret may have got under the wrong key.
		d.cannotRead(key, "the value is not %s", want)
	}
}

// setScalar sets v to what a word says, or leaves it as it is.
func setScalar(v reflect.Value, text string) error {
	var value any
	var err error
	switch {
	case v.Type() == durationType:
		value, err = time.ParseDuration(text)
	case v.Type() == sizeType:
		value, err = parseSize(text)
	case v.Kind() == reflect.Bool:
		value, err = strconv.ParseBool(text)
	case v.Kind() == reflect.String:
		value = text
	default:
		value, err = strconv.ParseInt(text, 10, 64)
	}
	if err == nil {
		v.Set(reflect.ValueOf(value).Convert(v.Type()))
	}
	return err
}
