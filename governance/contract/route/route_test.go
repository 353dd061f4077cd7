package route

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// treeOf holds each template as its own value.
func treeOf(t testing.TB, templates ...string) *Tree[string] {
	t.Helper()
	tree := new(Tree[string])
	for _, template := range templates {
		if err := tree.Add(template, template); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func TestFold(t *testing.T) {
	tree := Tree[string]{Fold: true}
	for _, template := range []string{"/Pets/{id}", "/pets/MINE", "/pets/{Name}.Json", "/\u212Aelvin"} {
		if err := tree.Add(template, template); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.Add("/PETS/{x}", ""); !errors.Is(err, ErrDuplicate) {
		t.Errorf("the same but for capital letters: %v", err)
	}
	for path, want := range map[string][]string{
		"/pets/A":           {"/Pets/{id}", "A"},
		"/PETS/mine":        {"/pets/MINE"},
		"/p%45ts/%FFA.jSON": {"/pets/{Name}.Json", "%FFA"},
		"/kelvin":           {""},
		"/\u212aELVIN":      {"/\u212Aelvin"},
	} {
		value, values, _ := tree.Match(path, nil, nil)
		if got := append([]string{value}, values...); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	tests := []struct {
		name      string
		templates string // separated by spaces
		path      string
		want      string // template, "" for none
		values    []string
	}{
		{"root", "/", "/", "/", nil},
		{"root is no parameter", "/{id}", "/", "", nil},
		{"no path", "/ /{id}", "", "", nil},
		{"asterisk of OPTIONS", "/ /{id}", "*", "", nil},
		{"without a slash", "/pets", "pets", "", nil},
		{"text", "/pets /pets/{id}", "/pets", "/pets", nil},
		{"parameter", "/pets /pets/{id}", "/pets/7", "/pets/{id}", []string{"7"}},
		{"longer than any template", "/pets /pets/{id}", "/pets/7/x", "", nil},
		{"case matters", "/pets", "/Pets", "", nil},

		{"slash at the end of the path", "/pets", "/pets/", "", nil},
		{"slash at the end of the template", "/pets/", "/pets", "", nil},
		{"slash at the end of both", "/pets/", "/pets/", "/pets/", nil},
		{"parameter does not match nothing", "/pets/{id}", "/pets/", "", nil},
		{"nothing in the middle", "/{a}/x", "//x", "", nil},
		{"empty segment of a template", "/a//b /a/{x}/b", "/a//b", "/a//b", nil},

		{"text before parameter", "/users/{id} /users/me", "/users/me", "/users/me", nil},
		{"mixed before parameter", "/f/{id} /f/t.{ext} /f/{name}.{ext}", "/f/a.b", "/f/{name}.{ext}", []string{"a", "b"}},
		{"more text before less", "/f/{id} /f/t.{ext} /f/{name}.{ext}", "/f/t.b", "/f/t.{ext}", []string{"b"}},
		{"text before mixed", "/f/t.{ext} /f/t.jpg", "/f/t.jpg", "/f/t.jpg", nil},
		{"parameter where no mixed one fits", "/f/{id} /f/t.{ext}", "/f/t.", "/f/{id}", []string{"t."}},
		{"left before right", "/{a}/x /y/{b}", "/y/x", "/y/{b}", []string{"x"}},
		{"back from text", "/a/b /{x}/c", "/a/c", "/{x}/c", []string{"a"}},
		{"back from mixed", "/a.{x}/b /{y}/c", "/a.1/c", "/{y}/c", []string{"a.1"}},
		{"back from mixed to mixed", "/a{x}/b /{y}a/c", "/aa/c", "/{y}a/c", []string{"a"}},
		{"back from far", "/a/{x}/b/{y}/c /{p}/q/{r}/s/{u}", "/a/q/b/s/d", "/{p}/q/{r}/s/{u}", []string{"a", "b", "d"}},

		{"text around", "/b({id})", "/b(7)", "/b({id})", []string{"7"}},
		{"text around nothing", "/b({id})", "/b()", "", nil},
		{"texts that overlap", "/ab{x}ba", "/aba", "", nil},
		{"last dot", "/{name}.{ext}", "/x.tar.gz", "/{name}.{ext}", []string{"x.tar", "gz"}},
		{"last dot is the end", "/{name}.{ext}", "/x.y.", "/{name}.{ext}", []string{"x", "y."}},
		{"only dots", "/{name}.{ext}", "/...", "/{name}.{ext}", []string{".", "."}},
		{"three parameters", "/{a}-{b}-{c}", "/1-2-3-4", "/{a}-{b}-{c}", []string{"1-2", "3", "4"}},
		{"text twice", "/{a}--{b}", "/1---2", "/{a}--{b}", []string{"1-", "2"}},
		{"verb", "/levels /levels:trim /{x}:{verb}", "/levels:trim", "/levels:trim", nil},
		{"any verb", "/levels /levels:trim /{x}:{verb}", "/levels:cut", "/{x}:{verb}", []string{"levels", "cut"}},

		{"encoded text of the path", "/pets", "/%70ets", "/pets", nil},
		{"encoded text of the template", "/caf%C3%A9", "/café", "/caf%C3%A9", nil},
		{"encoded text of both", "/café", "/caf%c3%a9", "/café", nil},
		{"decoded once", "/a%25", "/a%2525", "", nil},
		{"values stay encoded", "/{a}/x", "/%C3%A9%2Cb/x", "/{a}/x", []string{"%C3%A9%2Cb"}},
		{"encoded slash is no separator", "/{a} /{a}/{b}", "/x%2Fy", "/{a}", []string{"x%2Fy"}},
		{"encoded slash is text", "/a%2Fb /a/b", "/a%2fb", "/a%2Fb", nil},
		{"encoded separator of a mixed segment", "/{a}.{b}", "/%C3%A9%2Exy%20", "/{a}.{b}", []string{"%C3%A9", "xy%20"}},
		{"encoded parts of a mixed segment", "/n{a}.t", "/%6E%41%42%2E%74", "/n{a}.t", []string{"%41%42"}},
		{"plus is a plus", "/a+b", "/a%2Bb", "/a+b", nil},
		{"broken escape", "/{a}", "/%", "", nil},
		{"broken escape of one digit", "/{a}", "/%4", "", nil},
		{"broken escape of other letters", "/{a}", "/%4g", "", nil},
		{"not UTF-8", "/{a}", "/%ff", "/{a}", []string{"%ff"}},
		{"question mark is data", "/{a}", "/x%3Fy", "/{a}", []string{"x%3Fy"}},

		{"dot segment", "/a/{b}", "/a/.", "", nil},
		{"dots", "/{a}/b", "/../b", "", nil},
		{"encoded dots", "/{a}/b", "/%2e%2E/b", "", nil},
		{"half encoded dots", "/{a}/b", "/.%2e/b", "", nil},
		{"dots for mixed", "/.{a}", "/..", "", nil},
		{"dots for text before mixed", "/{a}.", "/..", "", nil},
		{"dots behind an encoded slash", "/{a}", "/..%2Fadmin", "", nil},
		{"dots between encoded slashes", "/{a}", "/x%2f..%2fadmin", "", nil},
		{"dots behind an encoded backslash", "/{a}", "/x%5C..", "", nil},
		{"three dots are a name", "/{a}", "/...", "/{a}", []string{"..."}},
		{"dots in a name", "/{a}", "/..x%2F.y", "/{a}", []string{"..x%2F.y"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			templates := strings.Fields(test.templates)
			for range 2 { // the order in which templates are added does not matter
				got, values, ok := treeOf(t, templates...).Match(test.path, nil, nil)
				if got != test.want || ok != (test.want != "") || !slices.Equal(values, test.values) {
					t.Errorf("got %q %q %t, want %q %q", got, values, ok, test.want, test.values)
				}
				slices.Reverse(templates)
			}
		})
	}
}

// What accept refuses is passed over for what is less specific, and accept sees the best first.
func TestMatchAccept(t *testing.T) {
	tree := treeOf(t, "/files/content", "/files/c{x}", "/files/{id}", "/{all}/content", "/other")
	order := []string{"/files/content", "/files/c{x}", "/files/{id}", "/{all}/content"}
	values := [][]string{nil, {"ontent"}, {"content"}, {"files"}}
	for i, wanted := range order {
		var seen []string
		got, params, ok := tree.Match("/files/content", make([]string, 7), func(template string) bool {
			seen = append(seen, template)
			return template == wanted
		})
		if !ok || got != wanted || !slices.Equal(seen, order[:i+1]) || !slices.Equal(params, values[i]) {
			t.Errorf("got %q %q %t after %q, want %q", got, params, ok, seen, wanted)
		}
	}
	got, params, ok := tree.Match("/files/content", nil, func(string) bool { return false })
	if ok || got != "" || len(params) > 0 {
		t.Errorf("got %q %q %t, want nothing", got, params, ok)
	}
}

func TestAddRefuses(t *testing.T) {
	tests := []struct {
		template string
		kind     error
		reason   string
	}{
		{"", ErrSyntax, "must begin with a slash"},
		{"pets", ErrSyntax, "must begin with a slash"},
		{"{pets}", ErrSyntax, "must begin with a slash"},
		{"/files/{id}#share", ErrUnreachable, "fragment"},
		{"/files?x={x}", ErrUnreachable, "query"},
		{"/files{?x}", ErrUnreachable, "query"},
		{"/a/../b", ErrUnreachable, "dot segment"},
		{"/a/.", ErrUnreachable, "dot segment"},
		{"/a/%2E%2e/b", ErrUnreachable, "dot segment"},
		{"/{", ErrSyntax, "has a { without"},
		{"/{id", ErrSyntax, "has a { without"},
		{"/{}", ErrSyntax, "has a { without a name"},
		{"/{a{b}}", ErrSyntax, "has a { without"},
		{"/{a/b}", ErrSyntax, "has a { without"},
		{"/id}", ErrSyntax, "has a } without"},
		{"/{id}}", ErrSyntax, "has a } without"},
		{"/}{", ErrSyntax, "has a } without"},
		{"/{a}{b}", ErrSyntax, "no text between"},
		{"/{a}/b/{a}", ErrSyntax, "same parameter twice"},
		{"/100%", ErrSyntax, "%25"},
		{"/100%zz", ErrSyntax, "%25"},
		{"/there", ErrDuplicate, "same paths as /there"},
		{"/t%68ere", ErrDuplicate, "same paths as /there"},
		{"/there/{other}", ErrDuplicate, "same paths as /there/{id}"},
		{"/there/{x}.{y}", ErrDuplicate, "same paths as /there/{name}.{ext}"},
	}
	for _, test := range tests {
		tree := treeOf(t, "/there", "/there/{id}", "/there/{name}.{ext}")
		err := tree.Add(test.template, "new")
		if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.reason) || !strings.Contains(err.Error(), test.template) {
			t.Errorf("%s: got %v, want %q", test.template, err, test.reason)
		}
		for _, path := range []string{"/there", "/there/1", "/there/1.2", "/a/b"} {
			if got, _, _ := tree.Match(path, nil, nil); got == "new" {
				t.Errorf("%s was refused, but matches %s", test.template, path)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for template, want := range map[string][]string{
		"/":                 nil,
		"/{a}/b/{c-d}.{e}/": {"a", "c-d", "e"},
		"/b({id})":          {"id"},
		"/{a}/{b":           {"a"},
	} {
		if got := Names(template); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", template, got, want)
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	tree := treeOf(t, "/files/{id}", "/files/{id}/content", "/files/{name}.{ext}/content", "/files/{id}/x{y}z", "/{a}/{b}/d")
	params := make([]string, 0, 4)
	for _, path := range []string{"/files/7", "/files/a.b.c/content", "/files/7/xyz", "/files/7/d", "/none", "/files/7/x/y/z"} {
		wanted := strings.Count(path, "/") // captured, as a caller's closure captures the method
		allocations := testing.AllocsPerRun(100, func() {
			_, params, _ = tree.Match(path, params, func(template string) bool {
				return strings.Count(template, "/") == wanted
			})
		})
		if allocations != 0 {
			t.Errorf("%s: %v allocations", path, allocations)
		}
	}
}
