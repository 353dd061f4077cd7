package document

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// maxFiles is how many files a document may consist of.
const maxFiles = 1000

// maxNested is how many objects may be inside each other when $refs are followed; schemas do not count.
const maxNested = 1000

// maxPointers is how much longer than the files the pointers to all values may be together, beyond 16 MiB. Real documents
// have 0.8 to 1.5.
const maxPointers = 20

// spot is a value's place in a tree.
type spot struct {
	file    *file
	pointer string
}

func (s spot) member(name string) spot { return spot{s.file, member(s.pointer, name)} }
func (s spot) item(i int) spot         { return spot{s.file, item(s.pointer, i)} }

// resolver walks over all objects of a document, checks that they are built as the specification says, reads the
// files that they refer to, and finds where each $ref leads.
//
// Schemas may refer to each other in circles, and by names ($id, $anchor) that stand anywhere. So their $refs are put
// aside until all that is known by then has been walked over. Other objects must not contain themselves: they are
// followed at once, and met again while they are open they make a circle.
type resolver struct {
	ctx     context.Context
	read    Read
	dialect schema.Dialect
	files   map[string]*file // by location
	failed  map[string]error // locations that cannot be read, and why
	errors  errorList

	open    map[visit]bool  // true while its inside is walked over
	depth   int             //
	long    int             // bytes of the pointers to all values, see tooLong
	links   map[spot]spot   // from objects with a $ref to what it refers to
	named   map[string]spot // schemas by $id, and by base URL#anchor
	aside   []reference     // $refs of schemas
	schemas []spot          // what these lead to
}

type visit struct {
	spot
	kind kind
}

// reference is a reference from a schema.
type reference struct {
	from    spot   // the schema
	keyword string // $ref, $dynamicRef, or the pointer to a discriminator's mapping
	to      string
	base    *url.URL
}

func newResolver(ctx context.Context, root *file, read Read, d schema.Dialect) *resolver {
	return &resolver{
		ctx: ctx, read: read, dialect: d,
		files: map[string]*file{root.location: root}, failed: make(map[string]error),
		open: make(map[visit]bool), links: make(map[spot]spot), named: make(map[string]spot),
	}
}

func (r *resolver) run(root *file) {
	r.value(spot{root, ""}, root.tree, openAPIObject, root.url)
	for len(r.aside) > 0 && r.errors.left == 0 {
		next := r.aside[0]
		r.aside = r.aside[1:]
		r.reference(next)
	}
	if len(r.errors.errors) == 0 {
		r.circles()
	}
}

func (r *resolver) fault(at spot, format string, args ...any) {
	r.errors.add(at.file.fault(at.pointer, fmt.Sprintf(format, args...)))
}

func (r *resolver) refFault(at spot, err error) {
	fault := at.file.fault(at.pointer, err.Error())
	fault.cause = err
	r.errors.add(fault)
}

// must says what a value must be.
func (r *resolver) must(at spot, v any, what string) {
	r.fault(at, "%s must be %s, not %s", lastName(at.pointer), what, describe(v, what))
}

func (r *resolver) field(at spot, v any, f field, base *url.URL) {
	switch f.many {
	case list:
		items, ok := v.([]any)
		if !ok {
			r.must(at, v, "an array")
			return
		}
		for i, item := range items {
			r.value(at.item(i), item, f.kind, base)
		}
	case dict:
		members, ok := v.(map[string]any)
		if !ok {
			r.must(at, v, "an object")
			return
		}
		for _, name := range sortedKeys(members) {
			r.value(at.member(name), members[name], f.kind, base)
		}
	default:
		r.value(at, v, f.kind, base)
	}
}

func (r *resolver) value(at spot, v any, k kind, base *url.URL) {
	if r.tooLong(at) {
		return
	}
	o := objectOf(k, r.dialect)
	if o == nil {
		if what := leaf(k, v); what != "" {
			r.must(at, v, what)
		}
		return
	}
	members, isObject := v.(map[string]any)
	_, isFlag := v.(bool)
	switch {
	case k == schemaObject && isFlag && (r.dialect != schema.OpenAPI30 || lastName(at.pointer) == "additionalProperties"):
	case !isObject && o.refers:
		r.must(at, v, "a "+o.name+", or a $ref to one")
	case !isObject:
		r.must(at, v, article(o.name))
	case k == schemaObject:
		r.schema(at, members, base)
	default:
		r.object(at, members, k, o)
	}
}

// tooLong bounds what the pointers to all values take together, which all that is made from a document writes and in
// part keeps: a name of 100,000 bytes is part of the pointer to each value that is inside of it.
func (r *resolver) tooLong(at spot) bool {
	limit := 16 << 20
	for _, f := range r.files {
		limit += maxPointers * len(f.text)
	}
	before := r.long
	if r.long += len(at.pointer); before <= limit && r.long > limit {
		r.fault(spot{at.file, ""}, "the names of members inside each other are so long that the pointers to all values take "+
			"more than %d times what the document does: shorten the names", maxPointers)
	}
	return r.long > limit
}

// object walks over an object that is not a schema.
func (r *resolver) object(at spot, members map[string]any, k kind, o *object) {
	this := visit{at, k}
	if open, known := r.open[this]; known {
		if open {
			r.fault(at, "this %s leads back to itself by its $refs: break the circle", o.name)
		}
		return
	}
	if r.depth++; r.depth > maxNested {
		r.fault(at, "more than %d objects are inside each other by their $refs", maxNested)
	} else {
		r.open[this] = true
		r.inside(at, members, k, o)
		r.open[this] = false
	}
	r.depth--
}

func (r *resolver) inside(at spot, members map[string]any, k kind, o *object) {
	if ref, has := members["$ref"]; has {
		if r.follow(at, ref, k, o) && k != pathItemObject {
			return // what else a Reference Object holds is ignored, or text for people
		}
	}
	for _, name := range sortedKeys(members) {
		f, known := r.fieldOf(at, name, o)
		if !known || members[name] == nil && (absent(f) && o.rest == nil || f.kind == pathItemObject) {
			continue
		}
		r.field(at.member(name), members[name], f, at.file.url)
	}
}

// absent tells whether null stands for a field that is not there, as authors of YAML leave it behind. Not for a schema,
// as it would allow anything.
func absent(f field) bool { return f != single(schemaObject) }

// fieldOf finds a field. What is unknown and no extension is an error: it would be a check that nobody does.
func (r *resolver) fieldOf(at spot, name string, o *object) (field, bool) {
	if f, known := o.fields[name]; known {
		return f, true
	}
	_, is2020 := keywords2020[name]
	switch {
	case isExtension(name):
		return field{}, false
	case o.rest != nil:
		return *o.rest, true
	case o == schema31, o == schema30 && is2020:
		return field{}, false // has no meaning
	}
	r.fault(at.member(name), "%s has no field %q%s; extensions must begin with x-",
		article(o.name), name, near(name, maps.Keys(o.fields)))
	return field{}, false
}

// isExtension tells names that a specification extension has, or that mean something to editors: $schema, $id.
func isExtension(name string) bool {
	return strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "$")
}

// follow walks over what a Reference Object refers to. It is false if this is none.
func (r *resolver) follow(at spot, ref any, k kind, o *object) bool {
	if !o.refers {
		r.fault(at.member("$ref"), "%s cannot be a $ref: write it here, or refer to its members", article(o.name))
		return false
	}
	to, ok := ref.(string)
	if !ok {
		r.must(at.member("$ref"), ref, "a string")
		return true
	}
	target, v, err := r.target(to, at.file.url, at.file)
	if err != nil {
		r.refFault(at.member("$ref"), err)
		return true
	}
	r.links[at] = target
	r.value(target, v, k, target.file.url)
	return true
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
