package document

import (
	"maps"
	"net/url"
	"strings"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// schema walks over a schema. base is what its $refs are relative to: the file, or in 3.1 the $id of the schema
// around it.
func (r *resolver) schema(at spot, members map[string]any, base *url.URL) {
	this := visit{at, schemaObject}
	if _, known := r.open[this]; known {
		return
	}
	r.open[this] = false
	if r.dialect != schema.OpenAPI30 {
		base = r.identify(at, members, base)
	}
	if ref, has := members["$ref"]; has {
		r.putAside(at, "$ref", ref, base)
		if r.dialect == schema.OpenAPI30 {
			return // what stands beside it is ignored
		}
	}
	if ref, has := members["$dynamicRef"]; has && r.dialect != schema.OpenAPI30 {
		r.putAside(at, "$dynamicRef", ref, base)
	}
	r.mapping(at, members, base)
	o := objectOf(schemaObject, r.dialect)
	for _, name := range sortedKeys(members) {
		if f, known := r.fieldOf(at, name, o); known && (members[name] != nil || !absent(f)) {
			r.field(at.member(name), members[name], f, base)
		}
	}
}

// identify notes the names by which others may refer to a schema, and returns the base inside of it.
func (r *resolver) identify(at spot, members map[string]any, base *url.URL) *url.URL {
	if id, _ := members["$id"].(string); strings.TrimSuffix(id, "#") != "" {
		u, err := base.Parse(id)
		switch {
		case err != nil:
			r.fault(at.member("$id"), "$id must be a URL: %v", err)
			return base
		case u.Fragment != "":
			r.fault(at.member("$id"), "$id must not have a fragment: use $anchor to name a part of a schema")
			return base
		}
		u.RawFragment = ""
		if f := r.files[u.String()]; f != nil && at != (spot{f, ""}) {
			r.fault(at.member("$id"), "$id must not be the URL of a file, which is more than this schema")
			return base
		}
		base = u
		r.named[u.String()] = at
	}
	for _, keyword := range []string{"$anchor", "$dynamicAnchor"} {
		if name, ok := members[keyword].(string); ok {
			r.named[base.String()+"#"+name] = at
		}
	}
	return base
}

func (r *resolver) putAside(at spot, keyword string, ref any, base *url.URL) {
	to, ok := ref.(string)
	if !ok {
		r.must(at.member(keyword), ref, "a string")
		return
	}
	r.aside = append(r.aside, reference{at, keyword, to, base})
}

// mapping puts those references of a discriminator aside that are written as URLs. The others are names of schemas.
func (r *resolver) mapping(at spot, members map[string]any, base *url.URL) {
	discriminator, _ := members["discriminator"].(map[string]any)
	mapping, _ := discriminator["mapping"].(map[string]any)
	for _, value := range sortedKeys(mapping) {
		if to, ok := mapping[value].(string); ok && isURL(to) {
			r.putAside(at, member("discriminator/mapping", value), to, base)
		}
	}
}

// isURL tells a mapping's URL from a schema's name: names consist of letters, digits, and . - _ .
func isURL(to string) bool {
	return strings.ContainsAny(to, "/#") || strings.HasSuffix(to, ".yaml") || strings.HasSuffix(to, ".yml") ||
		strings.HasSuffix(to, ".json")
}

// reference finds where a schema's reference leads, and walks over the schema there.
func (r *resolver) reference(ref reference) {
	target, v, err := r.target(ref.to, ref.base, ref.from.file)
	if err != nil {
		r.refFault(spot{ref.from.file, ref.from.pointer + "/" + ref.keyword}, err)
		return
	}
	if ref.keyword == "$ref" {
		r.links[ref.from] = target
	}
	base := target.file.url
	if ref.base != ref.from.file.url && strings.HasPrefix(ref.to, "#") {
		base = ref.base // inside a schema with an $id
	}
	r.schemas = append(r.schemas, target)
	r.value(target, v, schemaObject, base)
}

// circles finds schemas whose $refs lead back to them with nothing between: they would be checked for ever.
func (r *resolver) circles() {
	ends := make(map[spot]bool) // chains that have been gone through
	for start := range r.links {
		passed := make(map[spot]bool)
		at, more := start, true
		for more && !ends[at] && !passed[at] {
			passed[at] = true
			at, more = next(r.links, at)
		}
		if more && passed[at] {
			r.fault(at.member("$ref"), "this $ref leads back to itself: break the circle")
		}
		maps.Copy(ends, passed)
	}
}

func next(links map[spot]spot, at spot) (spot, bool) {
	to, more := links[at]
	return to, more
}
