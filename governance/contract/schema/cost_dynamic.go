package schema

import (
	"reflect"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// scope learns the $dynamicAnchors of the resource that a schema is in: a $dynamicRef leads to one of any resource
// on the way to it. The library does not tell them, so they are read from its fields; TestCostKnowsTheLibrary fails
// if these are not there.
func (b *planner) scope(s *jsonschema.Schema) {
	resource := reflect.ValueOf(s).Elem().FieldByName("resource")
	if !resource.IsValid() || resource.IsNil() || b.scopes[resource.Pointer()] {
		return
	}
	b.scopes[resource.Pointer()] = true
	anchors := resource.Elem().FieldByName("dynamicAnchors")
	if !anchors.IsValid() {
		return
	}
	for entry := anchors.MapRange(); entry.Next(); {
		name, target := entry.Key().String(), (*jsonschema.Schema)(entry.Value().UnsafePointer())
		b.anchors[name] = append(b.anchors[name], target)
	}
}

// resolveDynamic adds to each $dynamicRef all that it may lead to. The plans of these may bring others.
func (b *planner) resolveDynamic() {
	for known := -1; known != len(b.plans); {
		known = len(b.plans)
		for p, name := range b.dynamic {
			for _, target := range b.anchors[name] {
				if sub := b.plan(target); !slices.Contains(p.self, sub) {
					p.self = append(p.self, sub)
				}
			}
		}
	}
}
