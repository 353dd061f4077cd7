package strictjson

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
)

// decodeStandard is encoding/json's reading of one whole text.
func decodeStandard(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, io.ErrNoProgress
	}
	return value, nil
}

func count(value any) int {
	n := 1
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			n += count(item)
		}
	case map[string]any:
		for _, member := range value {
			n += count(member)
		}
	}
	return n
}

// FuzzDecode holds Decode against encoding/json: what both accept they read alike, what only one accepts
// is what strictness or leniency says.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		product, `{"a":1,"a":2}`, `["\ud800"]`, `["\ud83d\ude00"]`, "\"\xff\"", `[1e400]`, `[1e401]`, `{} {}`, ` `, `01`,
		`{"a":[{"b":null}]}`, "\ufeff{}", `[-]`, `{"":""}`, `{"a`, strings.Repeat("[", 70), `[0.10E-05]`, `"\u0000"`,
		`{"a":1,}`, `[tru]`, `{"\u0061":1,"a":2}`, "{\"\xff\":1,\"\xfe\":2}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		strict, nodes, err := Decode(text, nil)
		standard, standardErr := decodeStandard(text)
		if !bytes.Equal(text, before) {
			t.Fatalf("Decode changed the text %q", before)
		}
		switch {
		case err == nil && standardErr != nil:
			t.Fatalf("accepts %q, which encoding/json refuses: %v", text, standardErr)
		case err == nil && !reflect.DeepEqual(strict, standard):
			t.Fatalf("reads %q as %#v, encoding/json as %#v", text, strict, standard)
		case err == nil && nodes != count(strict):
			t.Fatalf("counts %d values in %q, there are %d", nodes, text, count(strict))
		case err != nil:
			checkError(t, text, err)
			if standardErr == nil && (err.Code == CodeSyntax || err.Code == CodeTrailingData) {
				t.Fatalf("refuses %q, which encoding/json accepts: %v", text, err)
			}
		}
		lenient(t, text, standard, standardErr)
	})
}

// lenient is the same comparison with everything accepted that encoding/json accepts.
func lenient(t *testing.T, text []byte, standard any, standardErr error) {
	huge := Limits{Depth: maxDepth, Nodes: 1 << 40, Properties: 1 << 40, Digits: 1 << 40}
	value, _, err := Decode(text, &Settings{Limits: huge, DuplicateKeys: true, InvalidUTF8: true})
	if (err == nil) != (standardErr == nil) {
		t.Fatalf("lenient on %q: %v, encoding/json: %v", text, err, standardErr)
	}
	if err == nil && !reflect.DeepEqual(value, standard) {
		t.Fatalf("lenient reads %q as %#v, encoding/json as %#v", text, value, standard)
	}
	if err != nil {
		checkError(t, text, err)
	}
}

// checkError: the place is in the text, and its container was read before it.
func checkError(t *testing.T, text []byte, err *Error) {
	if err.Code == "" || err.Detail == "" {
		t.Fatalf("%q: error without code or detail: %#v", text, err)
	}
	if err.Offset < 0 || err.Offset > len(text) {
		t.Fatalf("%q: error at byte %d of %d", text, err.Offset, len(text))
	}
	if err.Pointer != "" && err.Pointer[0] != '/' {
		t.Fatalf("%q: %q is no JSON pointer", text, err.Pointer)
	}
	opened := bytes.Count(text[:err.Offset], []byte("[")) + bytes.Count(text[:err.Offset], []byte("{"))
	if depth := strings.Count(err.Pointer, "/"); depth > opened {
		t.Fatalf("%q: error at %q, but %d arrays and objects begin before byte %d", text, err.Pointer, opened, err.Offset)
	}
}
