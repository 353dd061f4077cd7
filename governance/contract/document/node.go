package document

import (
	"maps"
	"slices"
)

// Node is a raw value of a document with its location. The zero Node does not exist; all methods may be used on it.
type Node struct {
	document *Document
	at       spot
	value    any
	exists   bool
}

// Get is the member of an object. If the node is a Reference Object it is followed first, also into other files, and
// what else stands in it is ignored. Only the fields of a Path Item Object beside its $ref come before those of the
// item that it refers to.
func (n Node) Get(name string) Node {
	for _, h := range n.holders() {
		if v, has := h.members[name]; has {
			return Node{n.document, h.at.member(name), v, true}
		}
	}
	return Node{document: n.document}
}

// Keys are the names of an object's members, sorted. A Reference Object is followed first, as in Get.
func (n Node) Keys() []string {
	all := make(map[string]bool)
	for _, h := range n.holders() {
		for name := range h.members {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// holders are the objects in which members are looked for, in this order.
func (n Node) holders() []holder {
	members, _ := n.value.(map[string]any)
	if _, refers := members["$ref"].(string); !refers {
		return []holder{{n.at, members}}
	}
	var found []holder
	for at, v := n, true; v; at, v = at.step() {
		members, _ := at.value.(map[string]any)
		if _, refers := members["$ref"].(string); refers {
			members = beside(members)
		}
		found = append(found, holder{at.at, members})
		if len(found) > maxNested { // a schema's circle
			break
		}
	}
	return found
}

// beside are the fields of a Path Item Object beside a $ref. No other object for which a $ref may stand has fields of
// these names, except a Link Object, which has parameters and nothing that stands here to be validated.
func beside(members map[string]any) map[string]any {
	own := make(map[string]any)
	for name, v := range members {
		f, known := objects[pathItemObject].fields[name]
		if known && f.kind != prose && v != nil {
			own[name] = v
		}
	}
	return own
}

// Follow is the value that a Reference Object refers to in the end, or the node itself if it is none.
func (n Node) Follow() Node {
	for range maxNested {
		next, more := n.step()
		if !more {
			break
		}
		n = next
	}
	return n
}

// step follows one $ref.
func (n Node) step() (Node, bool) {
	members, _ := n.value.(map[string]any)
	if _, refers := members["$ref"].(string); !refers || n.document == nil {
		return Node{}, false
	}
	at, known := n.document.links[n.at]
	if !known {
		return Node{}, false // a value that is called $ref in an example
	}
	v, _, exists := lookup(at.file.tree, at.pointer)
	return Node{n.document, at, v, exists}, exists
}

// Item is the i-th item of an array.
func (n Node) Item(i int) Node {
	items, _ := n.value.([]any)
	if i < 0 || i >= len(items) {
		return Node{document: n.document}
	}
	return Node{n.document, n.at.item(i), items[i], true}
}

// Len is the number of items of an array, else 0.
func (n Node) Len() int {
	items, _ := n.value.([]any)
	return len(items)
}

// Location is "<file URL>#<JSON pointer>"; the pointer is not percent-encoded. It is "" for what does not exist.
func (n Node) Location() string {
	if !n.exists {
		return ""
	}
	return n.at.file.location + "#" + n.at.pointer
}

// Exists tells whether there is such a value. null is a value.
func (n Node) Exists() bool { return n.exists }

// Value is nil, bool, json.Number, string, []any or map[string]any. It must not be changed.
func (n Node) Value() any { return n.value }

// String is the value if it is a string, else "".
func (n Node) String() string { s, _ := n.value.(string); return s }

// Bool is the value if it is a boolean, else false.
func (n Node) Bool() bool { b, _ := n.value.(bool); return b }
