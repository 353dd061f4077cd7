package document

import (
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// target is the value that a reference leads to. base is what it is relative to, and from the file that it stands in.
func (r *resolver) target(ref string, base *url.URL, from *file) (spot, any, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return spot{}, nil, fmt.Errorf("$ref %q is not a URL: %v", ref, errors.Unwrap(err))
	}
	if base.Opaque != "" && u.Scheme == "" && (u.Path != "" || u.Host != "") {
		return spot{}, nil, fmt.Errorf("$ref %q is relative, but this document has no folder: use an absolute URL, "+
			"or put all into one document", ref)
	}
	u = base.ResolveReference(u)
	fragment := u.Fragment
	u.Fragment, u.RawFragment, u.OmitHost = "", "", false
	at, v, err := r.resource(u)
	if err != nil {
		if base.String() != from.location && !strings.HasPrefix(ref, u.Scheme+":") {
			return spot{}, nil, fmt.Errorf("$ref %q, which is relative to the $id %q: %w", ref, base, err)
		}
		return spot{}, nil, fmt.Errorf("$ref %q: %w", ref, err)
	}
	if fragment != "" && fragment[0] != '/' {
		named, known := r.anchor(u, fragment, at, v)
		if !known {
			return spot{}, nil, fmt.Errorf("$ref %q leads nowhere: there is no $anchor %q", ref, fragment)
		}
		v, _, _ := lookup(named.file.tree, named.pointer)
		return named, v, nil
	}
	found, depth, ok := lookup(v, fragment)
	if !ok {
		return spot{}, nil, fmt.Errorf("$ref %q leads nowhere: %s", ref, missing(at, fragment, found, depth))
	}
	// the pointer as Node and the schema compiler write it
	for _, name := range names(fragment) {
		at = at.member(name)
	}
	return at, found, nil
}

// anchor is the schema with an $anchor in a resource. Of a file that is a schema, only parts may have been walked over yet.
func (r *resolver) anchor(u *url.URL, name string, at spot, v any) (spot, bool) {
	key := u.String() + "#" + name
	named, known := r.named[key]
	if _, isObject := v.(map[string]any); !known && isObject && at.pointer == "" && r.dialect != schema.OpenAPI30 {
		r.value(at, v, schemaObject, at.file.url)
		named, known = r.named[key]
	}
	return named, known
}

// missing says what of a pointer is not there.
func missing(at spot, pointer string, last any, depth int) string {
	path := names(pointer)
	around := at.pointer
	for _, name := range path[:depth] {
		around = member(around, name)
	}
	var has iter.Seq[string] = func(func(string) bool) {}
	if members, ok := last.(map[string]any); ok {
		has = slices.Values(sortedKeys(members))
		if _, refers := members["$ref"].(string); refers {
			return fmt.Sprintf("#%s is itself a $ref, which a reference does not pass: refer to its target", around)
		}
	}
	return fmt.Sprintf("%s#%s has no member %q%s",
		Place{File: at.file.location}, around, path[depth], near(path[depth], has))
}

// resource is the schema with an $id, or the file, at a URL.
func (r *resolver) resource(u *url.URL) (spot, any, error) {
	location := u.String()
	if at, known := r.named[location]; known {
		v, _, _ := lookup(at.file.tree, at.pointer)
		return at, v, nil
	}
	f, known := r.files[location]
	if known {
		return spot{f, ""}, f.tree, nil
	}
	err, known := r.failed[location]
	if !known {
		if f, err = r.load(u); err != nil {
			r.failed[location] = err
		}
	}
	if err != nil {
		return spot{}, nil, err
	}
	r.files[location] = f
	return spot{f, ""}, f.tree, nil
}

// load reads a file.
func (r *resolver) load(u *url.URL) (*file, error) {
	switch {
	case r.read == nil:
		return nil, &Refused{"no other file may be read for this document: put all into one document"}
	case len(r.files) >= maxFiles:
		return nil, fmt.Errorf("the document consists of more than %d files", maxFiles)
	}
	given := *u
	text, err := r.read(r.ctx, &given)
	if err != nil {
		return nil, err
	}
	f, fault := parse(u, text)
	if fault != nil {
		r.errors.add(fault)
		return nil, errors.New("the file is not correct: see the error there")
	}
	return f, nil
}
