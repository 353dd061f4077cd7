package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"strings"
	"sync"
	"unicode/utf8"
	"weak"

	"go.yaml.in/yaml/v3"

	"github.com/weirproxy/weir/governance/contract/strictjson"
)

// Limits on one file. They are far above what documents have, and keep what is done with them from exploding.
const (
	maxDepth  = 500        // arrays and objects inside each other
	maxNodes  = 10_000_000 // values
	maxDigits = strictjson.DefaultDigits
)

// file is one file of a document. It keeps its text, which says where a value stands.
type file struct {
	location string
	url      *url.URL
	text     []byte // without a byte order mark
	isJSON   bool
	tree     any

	// nodes are those of a YAML text, mark is that of a JSON text. Only errors and notes need them, but these come in
	// numbers.
	mu    sync.Mutex
	nodes weak.Pointer[yaml.Node]
	mark  weak.Pointer[mark]
}

// parse reads a file's text: JSON if it begins like JSON, else YAML. YAML that begins with a brace is found by the
// file's name, or because it is no JSON.
func parse(location *url.URL, text []byte) (f *file, fault *Error) {
	f = &file{location: location.String(), url: location, text: bytes.TrimPrefix(text, []byte("\ufeff"))}
	defer func() { // the YAML parser is not proven never to panic
		if p := recover(); p != nil {
			fault = f.faultAt(0, fmt.Sprintf("it cannot be read: the parser failed: %v", p))
		}
	}()
	content := bytes.TrimLeft(f.text, " \t\r\n")
	if len(content) == 0 {
		return nil, f.faultAt(0, "the file is empty: it must hold an OpenAPI document")
	}
	if at := invalidUTF8(f.text); at >= 0 {
		return nil, f.faultAt(at, "this is not text in UTF-8: save it as YAML or JSON in that encoding")
	}
	extension := strings.ToLower(path.Ext(location.Path))
	if content[0] == '{' || content[0] == '[' || extension == ".json" {
		fault := f.parseJSON()
		if fault == nil || extension == ".json" || f.parseYAML() != nil {
			return f, fault
		}
		return f, nil
	}
	return f, f.parseYAML()
}

func (f *file) parseJSON() *Error {
	tree, _, err := strictjson.Decode(f.text, &strictjson.Settings{Limits: strictjson.Limits{
		Depth: maxDepth, Nodes: maxNodes, Properties: maxNodes, Digits: maxDigits,
	}})
	if err == nil {
		f.tree, f.isJSON = ownStrings(tree), true
		return nil
	}
	reason := "the JSON text " + err.Detail
	if detail, ok := strings.CutPrefix(err.Detail, "is not valid JSON: "); ok {
		reason = "this is not correct JSON: " + detail
	}
	switch err.Code {
	case strictjson.CodeTrailingData:
		reason = "the JSON text ends before this: remove it"
	case strictjson.CodeDuplicateKey:
		reason = "this member is written twice: remove one"
	case strictjson.CodeInvalidUTF8:
		reason = "this is half of a surrogate pair, no character: mend the escape"
	case strictjson.CodeDepth:
		reason = fmt.Sprintf("values are nested more than %d deep", maxDepth)
	case strictjson.CodeNodes, strictjson.CodeProperties:
		reason = fmt.Sprintf("the file holds more than %d values", maxNodes)
	case strictjson.CodeDigits:
		reason = fmt.Sprintf("this number has more than %d digits", maxDigits)
	}
	fault := f.faultAt(err.Offset, reason)
	fault.Pointer = err.Pointer
	return fault
}

// ownStrings copies all strings of a tree, which are parts of one as long as the whole text: the name of an operation is
// kept in counts and lists when its document is long gone, and must not keep the text.
func ownStrings(v any) any {
	switch v := v.(type) {
	case string:
		return strings.Clone(v)
	case json.Number:
		return json.Number(strings.Clone(string(v)))
	case []any:
		for i, item := range v {
			v[i] = ownStrings(item)
		}
	case map[string]any:
		own := make(map[string]any, len(v))
		for name, member := range v {
			own[strings.Clone(name)] = ownStrings(member)
		}
		return own
	}
	return v
}

func (f *file) faultAt(offset int, reason string) *Error {
	return &Error{Place: f.placeAt(offset), Reason: reason}
}

// fault is an error at a value of the file.
func (f *file) fault(pointer, reason string) *Error {
	return &Error{Place: f.place(pointer), Pointer: pointer, Reason: reason}
}

// place is where the value at a pointer stands, or what is nearest around it.
func (f *file) place(pointer string) Place {
	if f.isJSON {
		return f.placeInJSON(names(pointer))
	}
	line, column := positionInYAML(f.yamlNodes(), names(pointer))
	return Place{File: f.location, Line: line, Column: column}
}

func (f *file) placeInJSON(path []string) Place {
	f.mu.Lock()
	defer f.mu.Unlock()
	root := f.mark.Value()
	if root == nil {
		root = markJSON(f.text)
		f.mark = weak.Make(root)
	}
	at := root.find(f.text, path)
	return Place{File: f.location, Line: at.line, Column: at.column}
}

func (f *file) yamlNodes() *yaml.Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	root := f.nodes.Value()
	if root == nil {
		root = new(yaml.Node)
		_ = yaml.Unmarshal(f.text, root) // it has been parsed before without an error
		f.nodes = weak.Make(root)
	}
	return root
}

// placeAt is the place of a byte.
func (f *file) placeAt(offset int) Place {
	before := f.text[:min(offset, len(f.text))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return Place{
		File:   f.location,
		Line:   1 + bytes.Count(before, []byte{'\n'}),
		Column: 1 + utf8.RuneCount(before[start:]),
	}
}

// invalidUTF8 is where the first byte is that is not UTF-8, or a control character that neither JSON nor YAML allows;
// -1 if there is none.
func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
				return i
			}
			i++
			continue
		}
		_, size := utf8.DecodeRune(text[i:])
		if size == 1 {
			return i
		}
		i += size
	}
	return -1
}
