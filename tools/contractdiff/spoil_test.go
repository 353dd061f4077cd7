package contractdiff

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// spoilt is a body with one thing changed, which may or may not break the contract.
type spoilt struct {
	title string
	body  []byte
}

// spoiltTexts changes a JSON text as a text, so that it is no JSON or JSON that others read in another way.
func spoiltTexts(text []byte) []spoilt {
	s := string(text)
	all := []spoilt{
		{"text: trailing object", []byte(s + " {}")},
		{"text: trailing letters", []byte(s + "x")},
		{"text: white space around", []byte(" \r\n\t" + s + "\n ")},
		{"text: truncated", []byte(s[:len(s)-1])},
		{"text: byte order mark", []byte("\ufeff" + s)},
		{"text: empty", nil},
		{"text: only white space", []byte("  ")},
		{"text: null", []byte("null")},
		{"text: NaN", []byte("NaN")},
		{"text: comment", []byte("/* */" + s)},
		{"text: deep array", []byte(strings.Repeat("[", 80) + strings.Repeat("]", 80))},
	}
	if strings.HasPrefix(s, "{") && len(s) > 2 {
		rest := s[1:]
		all = append(all,
			spoilt{"text: trailing comma", []byte(s[:len(s)-1] + ",}")},
			spoilt{"text: duplicate key", []byte("{" + firstMember(s) + "," + rest)},
			spoilt{"text: duplicate key of another type", []byte(`{"` + firstKey(s) + `":[[]],` + rest)},
			spoilt{"text: single quotes", []byte(`{'a':1,` + rest)},
			spoilt{"text: leading zero", []byte(`{"zzz":01,` + rest)},
			spoilt{"text: huge number", []byte(`{"zzz":1e400,` + rest)},
			spoilt{"text: lone surrogate", []byte(`{"zzz":"\ud800",` + rest)},
			spoilt{"text: invalid UTF-8", []byte("{\"zzz\":\"\xff\"," + rest)},
			spoilt{"text: invalid UTF-8 in a name", []byte("{\"\xff\":1," + rest)},
			spoilt{"text: control character", []byte("{\"zzz\":\"\x01\"," + rest)},
			spoilt{"text: deep member", []byte(`{"zzz":` + strings.Repeat("[", 80) + strings.Repeat("]", 80) + "," + rest)},
		)
	}
	return all
}

// firstKey and firstMember are those of an object that encoding/json has written.
func firstKey(object string) string {
	decoder := json.NewDecoder(strings.NewReader(object))
	_, _ = decoder.Token()
	key, _ := decoder.Token()
	return fmt.Sprint(key)
}

func firstMember(object string) string {
	decoder := json.NewDecoder(strings.NewReader(object))
	_, _ = decoder.Token()
	_, _ = decoder.Token()
	var value json.RawMessage
	if err := decoder.Decode(&value); err != nil {
		return `"a":1`
	}
	return fmt.Sprintf("%q:%s", firstKey(object), value)
}

// change is what may be done to a value at a place: a new value, or its end.
type change struct {
	title  string
	value  any
	remove bool
}

// spoiltValues changes one place of a value at a time: all in all ways, or count drawn by chance.
func spoiltValues(random *rand.Rand, value any, count int) []spoilt {
	places := placesOf(nil, nil, value)
	var bodies []spoilt
	spoil := func(at []string, c change) {
		text, err := json.Marshal(changed(value, at, c))
		if err == nil {
			bodies = append(bodies, spoilt{fmt.Sprintf("%s at /%s", c.title, strings.Join(at, "/")), text})
		}
	}
	for range count {
		at := places[random.IntN(len(places))]
		changes := changesOf(lookUp(value, at), len(at) > 0)
		spoil(at, changes[random.IntN(len(changes))])
	}
	if count == all {
		for _, at := range places {
			for _, c := range changesOf(lookUp(value, at), len(at) > 0) {
				spoil(at, c)
			}
		}
	}
	return bodies
}

// placesOf are the paths to all parts of a value.
func placesOf(places [][]string, at []string, value any) [][]string {
	places = append(places, at)
	below := func(token string, member any) {
		places = placesOf(places, append(slices.Clone(at), token), member)
	}
	switch value := value.(type) {
	case []any:
		for i := range value {
			below(fmt.Sprint(i), value[i])
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			below(name, value[name])
		}
	}
	return places
}

func lookUp(value any, at []string) any {
	for _, token := range at {
		switch v := value.(type) {
		case []any:
			var i int
			_, _ = fmt.Sscan(token, &i)
			value = v[i]
		case map[string]any:
			value = v[token]
		}
	}
	return value
}

// changed is a copy of a value with one place changed.
func changed(value any, at []string, c change) any {
	if len(at) == 0 {
		return c.value
	}
	switch v := value.(type) {
	case []any:
		var i int
		_, _ = fmt.Sscan(at[0], &i)
		copied := slices.Clone(v)
		if len(at) == 1 && c.remove {
			return slices.Delete(copied, i, i+1)
		}
		copied[i] = changed(v[i], at[1:], c)
		return copied
	case map[string]any:
		copied := maps.Clone(v)
		if len(at) == 1 && c.remove {
			delete(copied, at[0])
			return copied
		}
		copied[at[0]] = changed(v[at[0]], at[1:], c)
		return copied
	}
	return value
}

// changesOf are the changes worth trying at a value.
func changesOf(value any, removable bool) []change {
	all := []change{
		{title: "null", value: nil}, {title: "true", value: true}, {title: "0", value: json.Number("0")},
		{title: "-1", value: json.Number("-1")}, {title: "1.5", value: json.Number("1.5")},
		{title: "1.0", value: json.Number("1.0")}, {title: "1e2", value: json.Number("1e2")},
		{title: "2^31", value: json.Number("2147483648")}, {title: "2^53+1", value: json.Number("9007199254740993")},
		{title: "2^63", value: json.Number("9223372036854775808")},
		{title: "30 digits", value: json.Number("123456789012345678901234567890")},
		{title: "empty string", value: ""}, {title: "string", value: "x"}, {title: "number as a string", value: "12"},
		{title: "long string", value: strings.Repeat("long", 1300)},
		{title: "empty array", value: []any{}}, {title: "array around", value: []any{value}},
		{title: "empty object", value: map[string]any{}}, {title: "object", value: map[string]any{"zzz": json.Number("1")}},
	}
	if removable {
		all = append(all, change{title: "removed", remove: true}, change{title: "removed", remove: true})
	}
	switch v := value.(type) {
	case string:
		for _, text := range []string{
			v + " ", " " + v, v + "\n", v + "\v", v + "é", v + "😀", v + v, strings.ToUpper(v), strings.ToLower(v),
			strings.TrimSuffix(v, "Z"), strings.Replace(v, "2", "9", 1), strings.Replace(v, "-29", "-30", 1),
		} {
			all = append(all, change{title: fmt.Sprintf("text %.20q", text), value: text})
		}
	case []any:
		if len(v) > 0 {
			all = append(all, change{title: "an item twice", value: append(slices.Clone(v), v[0])},
				change{title: "an item many times", value: slices.Repeat(v[:1], 150)},
				change{title: "another item", value: append(slices.Clone(v), map[string]any{})})
		}
	case map[string]any:
		more := maps.Clone(v)
		more["zzz"] = "undeclared"
		all = append(all, change{title: "undeclared property", value: more}, change{title: "undeclared property", value: more})
	}
	return all
}
