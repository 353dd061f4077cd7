package config

// environment.go puts what environment variables say into the tree that was read
// from the file, so that both are decoded and checked by the same code and an error
// can name the variable. (caarlos0/env names the struct's field instead, ignores
// variables it does not know, and fills no pointers, which is what sinks are.)

import (
	"cmp"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Prefix is what the names of all environment variables of the worker begin with.
// The rest is the key's path in upper case, with _ between its parts and an index
// for an entry of a list: outboxes[0].sink.webhook.url is
// OUTBOXWORKER_OUTBOXES_0_SINK_WEBHOOK_URL. A variable without a value counts as not
// set.
const Prefix = "OUTBOXWORKER_"

// foreign are variables that Kubernetes and Docker make for a service that has the
// worker's own name.
var foreign = regexp.MustCompile(`^(PORT|SERVICE_HOST|SERVICE_PORT)(_|$)`)

// step is one part of a key's path: a name or, where the name is empty, an index.
type step struct {
	name  string
	index int
}

// variable is an environment variable that says something about the configuration.
type variable struct {
	name, value string
	path        []step
}

// variableOf returns the name of a key's environment variable.
func variableOf(key string) string {
	name := strings.NewReplacer(".", "_", "[", "_", "]", "").Replace(key)
	return Prefix + strings.ToUpper(name)
}

// environment returns the variables that say something, in the order in which they
// can be put in: a list grows by its end. What begins with the prefix and is no key
// is a problem, as an unknown key of the file is.
func (d *decoder) environment(environ []string) []variable {
	var found []variable
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		rest, ok := strings.CutPrefix(name, Prefix)
		if !ok || value == "" || foreign.MatchString(rest) {
			continue
		}
		path, ok := resolve(reflect.TypeFor[Config](), rest)
		if !ok {
			d.found = append(d.found, Problem{
				Variable: name,
				Text:     "no key has this name; the name is the key's path in upper case, as in " + Prefix + "OUTBOXES_0_WORKERS",
			})
			continue
		}
		found = append(found, variable{name: name, value: value, path: path})
	}
	slices.SortFunc(found, func(a, b variable) int {
		return slices.CompareFunc(a.path, b.path, func(a, b step) int {
			return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.index, b.index))
		})
	})
	return found
}

// resolve finds the key of type t that a variable's name stands for. Names of keys
// contain _ themselves, so each one is tried.
func resolve(t reflect.Type, rest string) ([]step, bool) {
	if isLeaf(t) {
		return nil, rest == ""
	}
	switch t.Kind() {
	case reflect.Pointer:
		if rest == "" {
			return nil, true // a mapping without keys: {}
		}
		return resolve(t.Elem(), rest)
	case reflect.Slice:
		digits, rest, _ := strings.Cut(rest, "_")
		index, err := strconv.Atoi(digits)
		if err != nil || index < 0 {
			return nil, false
		}
		path, ok := resolve(t.Elem(), rest)
		return append([]step{{index: index}}, path...), ok
	case reflect.Struct:
		for i := range t.NumField() {
			key := t.Field(i).Tag.Get("yaml")
			after, ok := strings.CutPrefix(rest, strings.ToUpper(key))
			if key == "" || !ok || after != "" && after[0] != '_' {
				continue
			}
			if path, ok := resolve(t.Field(i).Type, strings.TrimPrefix(after, "_")); ok {
				return append([]step{{name: key}}, path...), true
			}
		}
	}
	return nil, false
}

// isLeaf tells whether a type's values are written as one word in the environment.
func isLeaf(t reflect.Type) bool {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	_, ok := scalarKind(t)
	return ok
}

// merge puts a variable into the tree.
func (d *decoder) merge(root *yaml.Node, v variable) {
	at := root
	for i, s := range v.path {
		var ok bool
		if at, ok = d.descend(at, s, v); !ok {
			return
		}
		if at.Kind == yaml.ScalarNode && at.Tag == "!!null" && i < len(v.path)-1 {
			// Nothing was there, or a key without a value.
			at.Kind, at.Tag, at.Value = yaml.MappingNode, "!!map", ""
			if v.path[i+1].name == "" {
				at.Kind, at.Tag = yaml.SequenceNode, "!!seq"
			}
		}
	}
	*at = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v.value}
	if v.value == "{}" {
		*at = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	}
	d.variables[at] = v.name
}

// descend returns the node that a step leads to, making it if it is not there.
func (d *decoder) descend(at *yaml.Node, s step, v variable) (*yaml.Node, bool) {
	made := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	d.variables[made] = v.name
	switch {
	case s.name == "" && at.Kind == yaml.SequenceNode:
		if s.index < len(at.Content) {
			at.Content[s.index] = copied(at.Content[s.index])
			return at.Content[s.index], true
		}
		if s.index == len(at.Content) {
			at.Content = append(at.Content, made)
			return made, true
		}
		d.found = append(d.found, Problem{
			Variable: v.name,
			Text:     "the list has no entry before this one; indexes begin at 0 and have no gaps",
		})
		return nil, false
	case s.name != "" && at.Kind == yaml.MappingNode:
		d.supersede(at, s.name)
		for i := 0; i+1 < len(at.Content); i += 2 {
			if at.Content[i].Value == s.name {
				at.Content[i+1] = copied(at.Content[i+1])
				return at.Content[i+1], true
			}
		}
		at.Content = append(at.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s.name}, made)
		return made, true
	default:
		// The file has another kind of thing there, which is told when it is decoded.
		return nil, false
	}
}

// supersede takes out the file's other spelling of a secret: a variable for x also
// overrides x_file, and the reverse.
func (d *decoder) supersede(mapping *yaml.Node, name string) {
	other := name + "_file"
	if secret, ok := strings.CutSuffix(name, "_file"); ok {
		other = secret
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if _, variable := d.variables[mapping.Content[i+1]]; mapping.Content[i].Value == other && !variable {
			mapping.Content = slices.Delete(mapping.Content, i, i+2)
			return
		}
	}
}

// copied returns what a reference to an anchor stands for as nodes of its own, so
// that a variable does not change the other places that refer to it.
func copied(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return cloned(node.Alias)
	}
	return node
}

func cloned(node *yaml.Node) *yaml.Node {
	own := *node
	own.Anchor = ""
	own.Content = nil
	for _, child := range node.Content {
		own.Content = append(own.Content, cloned(child))
	}
	return &own
}
