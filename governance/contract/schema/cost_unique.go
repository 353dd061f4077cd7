package schema

import (
	"encoding/json"
	"hash/maphash"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// This file counts what uniqueItems costs. The library compares each item of a short array with each other; those
// of longer ones only where their hashes are the same. As the hash is over the parts of an item one after the other,
// without their lengths, a sender can make many items that have the same: ["a\u0004b"] and ["a","b"] have. The
// bound therefore counts comparisons by the same hash.

const (
	shortArray    = 20       // up to here all items are compared with each other
	compareWeight = 1.0 / 32 // compare two texts
	hashWeight    = 1.0      // hash a value
)

func (w *walk) unique(array []any) {
	if len(array) <= shortArray {
		w.compareAll(array)
		return
	}
	seed := maphash.MakeSeed()
	same := make(map[uint64][]any)
	for _, item := range array {
		if w.spent += w.hashCost(item); w.over() {
			return
		}
		if kindOf(item)&(kindArray|kindObject) == 0 {
			continue // at most a few of these have the same hash
		}
		var h maphash.Hash
		h.SetSeed(seed)
		writeParts(&h, item)
		sum := h.Sum64()
		for _, other := range same[sum] {
			if w.compare(item, other); w.over() {
				return
			}
		}
		same[sum] = append(same[sum], item)
	}
}

func (w *walk) compareAll(array []any) {
	for i := range array {
		for j := range i {
			if w.compare(array[i], array[j]); w.over() {
				return
			}
		}
	}
}

// hashCost is what hashing a value costs the library.
func (w *walk) hashCost(value any) float64 {
	nodes, text := measure(value)
	return float64(nodes)*(hashWeight+parseWeight) + float64(text)*digitWeight
}

// compare counts the comparison of two values, and tells whether they may be equal. Where the library stops at the
// first difference, in any order, this goes on to the end of the object.
func (w *walk) compare(a, b any) (equal bool) {
	w.spent += compareWeight
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		equal = true
		for name, member := range a {
			other, ok := b[name]
			equal = ok && w.compare(member, other) && equal
			if w.over() {
				return false
			}
		}
		return equal
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !w.compare(a[i], b[i]) || w.over() {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		w.spent += 2*parseWeight + digitWeight*float64(digits(string(a))+digits(string(b)))
		return a == b || !plain(a) || !plain(b)
	}
	return a == b
}

// plain tells whether a number is an integer in the only spelling that it has without point and exponent.
func plain(number json.Number) bool {
	return number != "-0" && !strings.ContainsAny(string(number), ".eE")
}

// writeParts writes what the library hashes: the parts of a value, each behind a byte for its kind.
func writeParts(h *maphash.Hash, value any) {
	switch value := value.(type) {
	case map[string]any:
		h.WriteByte(0)
		for _, name := range slices.Sorted(maps.Keys(value)) {
			writeParts(h, name)
			writeParts(h, value[name])
		}
	case []any:
		h.WriteByte(1)
		for _, item := range value {
			writeParts(h, item)
		}
	case nil:
		h.WriteByte(2)
	case bool:
		h.WriteByte(3)
		if value {
			h.WriteByte(1)
		} else {
			h.WriteByte(0)
		}
	case string:
		h.WriteByte(4)
		h.WriteString(value)
	case json.Number:
		h.WriteByte(5)
		if number, ok := new(big.Rat).SetString(string(value)); ok {
			h.Write(number.Num().Bytes())
			h.Write(number.Denom().Bytes())
		}
	}
}
