package param

// deep.go reads objects whose members are parameters of their own: exploded forms and deepObject.

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// maxNesting is how many brackets a deepObject's parameter may have.
const maxNesting = 64

// gather takes the members of an object from the parameters of its place.
func (d *Decoder) gather(p *pairs) (members []pair, broken bool) {
	for i := range *p {
		member := &(*p)[i]
		if !d.owns(member) {
			continue
		}
		member.taken = true
		broken = broken || member.broken
		members = append(members, *member)
	}
	return members, broken
}

func (d *Decoder) owns(p *pair) bool {
	if d.spec.Style == deepObject {
		rest, ok := strings.CutPrefix(p.name, d.spec.Name)
		return ok && strings.HasPrefix(rest, "[")
	}
	return d.spec.Shape.Properties[p.name] != nil || d.rest && !p.taken
}

// branch is a place inside a deepObject. What it holds has been sent: nothing is made for an index that is not there.
type branch struct {
	texts []string
	kids  map[string]*branch
	names []string // of kids, as they came
}

func (b *branch) kid(name string) *branch {
	if b.kids[name] == nil {
		if b.kids == nil {
			b.kids = make(map[string]*branch)
		}
		b.kids[name] = new(branch)
		b.names = append(b.names, name)
	}
	return b.kids[name]
}

// deep reads a deepObject.
func (a *attempt) deep(members []pair) (any, bool) {
	var root branch
	made := 0
	for _, m := range members {
		at, path, nesting := &root, m.name[len(a.spec.Name):], 0
		for path != "" {
			name, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
			if !ok || path[0] != '[' || strings.Contains(name, "[") {
				return nil, a.fail("syntax", "must have names of the form "+cut(a.spec.Name)+"[member]")
			}
			if nesting++; nesting > maxNesting {
				return nil, a.fail("depth", fmt.Sprintf("must not have more than %d brackets in a name", maxNesting))
			}
			if at.kids[name] == nil {
				if made++; made > a.spec.MaxProperties {
					return nil, a.fail("properties", fmt.Sprintf("must not have more than %d members", a.spec.MaxProperties))
				}
			}
			at, path = at.kid(name), rest
		}
		at.texts = append(at.texts, m.value)
	}
	return a.branch(&root, a.spec.Shape)
}

// branch reads one place of a deepObject.
func (a *attempt) branch(b *branch, shape *schema.Shape) (any, bool) {
	if shape == nil {
		shape = new(schema.Shape)
	}
	switch {
	case len(b.kids) == 0:
		return a.member(b.texts, shape)
	case len(b.texts) > 0:
		return nil, a.fail("syntax", "must not be sent both as a value and with members")
	case shape.Types&schema.Array != 0 && (shape.Types&schema.Object == 0 || !slices.ContainsFunc(b.names, isNoIndex)):
		return a.indexed(b, shape)
	}
	value, allOK := make(map[string]any, len(b.kids)), true
	for _, name := range b.names {
		a.enter(step{member: true, name: name})
		member, ok := a.branch(b.kids[name], memberShape(shape, name))
		a.leave()
		if value[name] = member; !ok {
			if allOK = false; a.report.Full() {
				break
			}
		}
	}
	return value, allOK
}

func isNoIndex(name string) bool {
	n, ok := parseNumber(name)
	return name != "" && !(ok && n.integer && name[0] != '-')
}

// indexed reads an array whose items have brackets, with indexes or all without.
func (a *attempt) indexed(b *branch, shape *schema.Shape) (any, bool) {
	if unnumbered := b.kids[""]; unnumbered != nil && len(b.kids) == 1 && len(unnumbered.kids) == 0 {
		return a.array(unnumbered.texts, shape)
	}
	values, allOK := make([]any, len(b.kids)), true
	for _, name := range b.names {
		index, err := strconv.Atoi(name)
		switch {
		case name == "" || isNoIndex(name):
			return nil, a.fail("syntax", "must have indexes in its brackets, or nothing in all of them")
		case err != nil || index > a.spec.MaxIndex:
			return nil, a.fail("array_index", "must not have an index over "+strconv.Itoa(a.spec.MaxIndex))
		case index >= len(values):
			return nil, a.fail("array_index", "must have indexes from 0 on, without gaps")
		}
		a.enter(step{index: index})
		item, ok := a.branch(b.kids[name], itemShape(shape, index))
		a.leave()
		values[index], allOK = item, allOK && ok
	}
	return values, allOK
}
