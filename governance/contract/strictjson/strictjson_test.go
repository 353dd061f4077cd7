package strictjson

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/cputime"
)

func TestDecodeBuildsTheValue(t *testing.T) {
	tests := []struct {
		name, text string
		value      any
		nodes      int
	}{
		{"null", `null`, nil, 1},
		{"booleans", `[true,false]`, []any{true, false}, 3},
		{"empty containers", ` { "a" : [ ] , "b" : { } } `, map[string]any{"a": []any{}, "b": map[string]any{}}, 3},
		{"numbers keep their spelling", `[-0, 1.0, 1E+2, 9007199254740993, 0.1e-7]`,
			[]any{json.Number("-0"), json.Number("1.0"), json.Number("1E+2"), json.Number("9007199254740993"),
				json.Number("0.1e-7")}, 6},
		{"number alone", "\t12\n", json.Number("12"), 1},
		{"escapes", `"\u00e9\n\"\\\/\ud83d\ude00"`, "é\n\"\\/😀", 1},
		{"text beyond ASCII", `{"größe":"日本"}`, map[string]any{"größe": "日本"}, 2},
		{"names with escapes", `{"\u0061\/b":1}`, map[string]any{"a/b": json.Number("1")}, 2},
		{"quotes and commas inside strings", `[",\"", ":"]`, []any{`,"`, ":"}, 3},
		{"escaped zero", `"a\u0000b"`, "a\x00b", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			value, nodes, err := Decode([]byte(test.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(value, test.value) || nodes != test.nodes {
				t.Errorf("Decode = %#v of %d values, want %#v of %d", value, nodes, test.value, test.nodes)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct {
		name, text, code, pointer string
		offset                    int
	}{
		{"nothing", ``, CodeSyntax, "", 0},
		{"white space", "  \n", CodeSyntax, "", 3},
		{"half an object", `{"a":`, CodeSyntax, "/a", 5},
		{"half a string", `["ab`, CodeSyntax, "/0", 4},
		{"a word", `{"a":yes}`, CodeSyntax, "/a", 5},
		{"a word that begins well", `[nil]`, CodeSyntax, "/0", 2},
		{"not a number", `[NaN]`, CodeSyntax, "/0", 1},
		{"leading zero", `[1,012]`, CodeSyntax, "", 4},
		{"hexadecimal", `0x1F`, CodeTrailingData, "", 1},
		{"leading plus", `+1`, CodeSyntax, "", 0},
		{"no digit after the point", `[1.]`, CodeSyntax, "/0", 3},
		{"trailing comma in an array", `[1,]`, CodeSyntax, "", 2},
		{"trailing comma in an object", `{"a":1,}`, CodeSyntax, "", 6},
		{"no comma", `{"a":1 "b":2}`, CodeSyntax, "", 7},
		{"no colon", `{"a" 1}`, CodeSyntax, "/a", 5},
		{"name without quotes", `{a:1}`, CodeSyntax, "", 1},
		{"name that is a number", `{1:1}`, CodeSyntax, "", 1},
		{"single quotes", `['a']`, CodeSyntax, "/0", 1},
		{"comment", `[1 /* one */]`, CodeSyntax, "", 3},
		{"wrong closing bracket", `{"a":[1}}`, CodeSyntax, "/a", 7},
		{"line break in a string", "[\"a\nb\"]", CodeSyntax, "/0", 3},
		{"unknown escape", `["a\x41"]`, CodeSyntax, "/0", 3},
		{"byte order mark", "\ufeff{}", CodeSyntax, "", 0},
		{"UTF-16", "\xfe\xff\x00{\x00}", CodeInvalidUTF8, "", 0},
		{"second value", `{} {}`, CodeTrailingData, "", 3},
		{"closing bracket too many", `[]]`, CodeTrailingData, "", 2},
		{"zero byte behind", "1\x00", CodeTrailingData, "", 1},
		{"member twice", `{"a":{"b":1,"b":2}}`, CodeDuplicateKey, "/a/b", 15},
		{"member twice in another spelling", `{"a":1,"\u0061":2}`, CodeDuplicateKey, "/a", 15},
		{"member twice with a slash", `[{"a/~":1,"a\/~":2}]`, CodeDuplicateKey, "/0/a~1~0", 16},
		{"invalid UTF-8 in a value", "{\"a\":\"x\xff\"}", CodeInvalidUTF8, "/a", 7},
		{"invalid UTF-8 in a name", "{\"a\xc3\":1}", CodeInvalidUTF8, "", 3},
		{"overlong UTF-8", "[\"\xc0\xaf\"]", CodeInvalidUTF8, "/0", 2},
		{"surrogate in UTF-8", "[\"\xed\xa0\x80\"]", CodeInvalidUTF8, "/0", 2},
		{"high surrogate alone", `["\ud800"]`, CodeInvalidUTF8, "/0", 2},
		{"low surrogate alone", `["a\uDC00b"]`, CodeInvalidUTF8, "/0", 3},
		{"two high surrogates", `["\ud800\ud800"]`, CodeInvalidUTF8, "/0", 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			value, _, err := Decode([]byte(test.text), &Settings{})
			if err == nil {
				t.Fatalf("accepted as %#v", value)
			}
			if err.Code != test.code || err.Pointer != test.pointer || err.Offset != test.offset {
				t.Errorf("got %s at %q, byte %d (%s); want %s at %q, byte %d",
					err.Code, err.Pointer, err.Offset, err.Detail, test.code, test.pointer, test.offset)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%d":0`, i)
		}
		return "{" + strings.TrimPrefix(b.String(), ",") + "}"
	}
	items := func(n int) string { return "[0" + strings.Repeat(",0", n-2) + "]" } // n values with the array
	small := Limits{Depth: 3, Nodes: 10, Properties: 4, Digits: 5}
	tests := []struct {
		name, within, beyond, code string
		limits                     Limits
	}{
		{"depth by default", nested(64), nested(65), CodeDepth, Limits{}},
		{"depth", `{"a":[{}]}`, `{"a":[{"b":[]}]}`, CodeDepth, small},
		{"nodes by default", items(100_000), items(100_001), CodeNodes, Limits{}},
		{"nodes", items(10), items(11), CodeNodes, small},
		{"properties by default", members(10_000), members(10_001), CodeProperties, Limits{}},
		{"properties", members(4), members(5), CodeProperties, small},
		{"digits by default", strings.Repeat("1", 400), strings.Repeat("1", 401), CodeDigits, Limits{}},
		{"digits", `-123.45`, `123456`, CodeDigits, small},
		{"exponent", `1e4`, `1e5`, CodeDigits, small},
		{"negative exponent", `1.5E-3`, `1.5E-4`, CodeDigits, small},
		{"exponent beyond all", `0`, `1e99999999999999999999999999999999999999`, CodeDigits, Limits{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, _, err := Decode([]byte(test.within), &Settings{Limits: test.limits}); err != nil {
				t.Errorf("within the limit: %v", err)
			}
			_, _, err := Decode([]byte(test.beyond), &Settings{Limits: test.limits})
			if err == nil || err.Code != test.code {
				t.Errorf("beyond the limit: %v", err)
			}
		})
	}
}

func TestPropertiesCountDuplicates(t *testing.T) {
	text := `{"a":1` + strings.Repeat(`,"a":1`, 10) + `}`
	_, _, err := Decode([]byte(text), &Settings{Limits: Limits{Properties: 5}, DuplicateKeys: true})
	if err == nil || err.Code != CodeProperties {
		t.Errorf("got %v", err)
	}
}

func TestLenient(t *testing.T) {
	tests := []struct {
		name, text string
		settings   Settings
		value      any
	}{
		{"duplicate names: the last counts", `{"a":1,"a":2}`, Settings{DuplicateKeys: true},
			map[string]any{"a": json.Number("2")}},
		{"trailing data", `[] nonsense`, Settings{TrailingData: true}, []any{}},
		{"invalid UTF-8", "[\"a\xffb\"]", Settings{InvalidUTF8: true}, []any{"a\ufffdb"}},
		{"lone surrogate", `["\ud800!"]`, Settings{InvalidUTF8: true}, []any{"\ufffd!"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			value, _, err := Decode([]byte(test.text), &test.settings)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(value, test.value) {
				t.Errorf("got %#v, want %#v", value, test.value)
			}
			if _, _, err := Decode([]byte(test.text), nil); err == nil {
				t.Error("the strict zero value accepts it too")
			}
		})
	}
	// What becomes U+FFFD twice is one name.
	if _, _, err := Decode([]byte("{\"\xff\":1,\"\xfe\":2}"), &Settings{InvalidUTF8: true}); err == nil {
		t.Error("two names that become the same text were accepted")
	}
}

// TestHostileTexts: 10 MB of anything take a time in proportion.
func TestHostileTexts(t *testing.T) {
	const size = 10 << 20
	fill := func(part string) string { return strings.Repeat(part, size/len(part)) }
	tests := []struct{ name, text, code string }{
		{"arrays inside each other", fill("["), CodeDepth},
		{"objects inside each other", fill(`{"a":`), CodeDepth},
		{"a number", fill("7"), CodeDigits},
		{"a fraction", "0." + fill("7"), CodeDigits},
		{"an exponent", "1e" + fill("7"), CodeDigits},
		{"many values", "[" + fill("0,") + "0]", CodeNodes},
		{"many empty objects", "[" + fill("{},") + "0]", CodeNodes},
		{"one member again and again", "{" + fill(`"a":0,`) + `"b":0}`, CodeDuplicateKey},
		{"a string", `"` + fill("a") + `"`, ""},
		{"a string of escapes", `"` + fill(`\u00e9`) + `"`, ""},
		{"a name that is given twice", `{"` + fill("a") + `":0,"` + fill("a") + `":0}`, CodeDuplicateKey},
		{"a string without end", `"` + fill(`\"`), CodeSyntax},
		{"white space", fill(" \n"), CodeSyntax},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := []byte(test.text)
			var err *Error
			took := cputime.Within(t, time.Second, func() { _, _, err = Decode(text, nil) })
			t.Logf("took %v", took)
			if test.code == "" {
				if err != nil {
					t.Error(err)
				}
			} else if err == nil || err.Code != test.code {
				t.Errorf("got %.200v", err)
			}
		})
	}
}

// TestErrorsShowNothingOfTheText: a text may hold secrets wherever it is broken.
func TestErrorsShowNothingOfTheText(t *testing.T) {
	for _, text := range []string{
		`["secret\q"]`, `["\ud8secret"]`, `[secret]`, `[1secret]`, `{"a":1 secret}`, `{secret:1}`, `[] secret`,
		"[\"\xffsecret\"]", `[trusecret]`, `[1.secret]`,
	} {
		_, _, err := Decode([]byte(text), nil)
		if err == nil {
			t.Errorf("%q was accepted", text)
			continue
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), `\q`) ||
			strings.Contains(err.Error(), `'s'`) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestDecodeLeavesTheTextAlone(t *testing.T) {
	text := []byte(`{"a":"b","c":["\u00e9",12]}`)
	before := string(text)
	value, _, err := Decode(text, nil)
	if err != nil || string(text) != before {
		t.Fatalf("%v, text is now %q", err, text)
	}
	clear(text)
	want := map[string]any{"a": "b", "c": []any{"é", json.Number("12")}}
	if !reflect.DeepEqual(value, want) {
		t.Errorf("the value shares memory with the text: %#v", value)
	}
}
