package config

// keys.go knows which keys there are: they are the yaml tags of the structs.

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/weirproxy/weir/internal/spelling"
)

// keysOf returns the keys of a struct, in the order of its fields.
func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// fieldOf returns the field of a struct that has a key.
func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key && key != "" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// join returns the path of a key within another one.
func join(around, key string) string {
	if around == "" {
		return key
	}
	return around + "." + key
}

// suggestion tells which key an unknown one may have been meant to be.
func suggestion(unknown string, known []string) string {
	best, least := "", 3
	for _, key := range known {
		if d := spelling.Distance(strings.ToLower(unknown), key); d < least {
			best, least = key, d
		}
	}
	if len(known) == 0 {
		return "no key may stand here"
	}
	if best == "" {
		return "here may stand " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("did you mean %s?", best)
}
