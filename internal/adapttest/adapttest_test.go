package adapttest

import (
	"strings"
	"testing"
)

const site = `localhost {
	respond hello
}
`

// adapted is what site becomes.
func adapted(t *testing.T) string {
	t.Helper()
	result, err := Adapt(site)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestRun(t *testing.T) { Run(t, "testdata") }

func TestCheck(t *testing.T) {
	good := adapted(t)
	bad := "localhost {\n\trespond hello\n\tno_such_directive\n}\n"
	tests := []struct {
		name    string
		content string
		want    []string // parts of the complaint; none means that it passes
	}{
		{"same JSON", site + "----------\n" + good, nil},
		{"same JSON with CRLF", strings.ReplaceAll(site+"----------\n"+good+"\n", "\n", "\r\n"), nil},
		{"expected error", bad + "----------\nunrecognized directive: no_such_directive", nil},
		{"error names file and line", bad + "----------\nCaddyfile:3", nil},
		{"one JSON line differs", site + "----------\n" + strings.Replace(good, `"hello"`, `"goodbye"`, 1),
			[]string{"differs", `"goodbye"`, `"hello"`}},
		{"first JSON line differs", site + "----------\n{ \n" + strings.TrimPrefix(good, "{\n"),
			[]string{"line 5 differs"}},
		{"JSON ends early", site + "----------\n" + strings.TrimSuffix(good, "\n}"), []string{"no line"}},
		{"JSON goes on", site + "----------\n" + good + "\n}", []string{"no line"}},
		{"JSON expected, error got", bad + "----------\n" + good, []string{"adapting", "no_such_directive"}},
		{"error expected, JSON got", site + "----------\nsome error", []string{"expected an error", `"hello"`}},
		{"other error", bad + "----------\nsome error", []string{"some error", "no_such_directive"}},
		{"no separator", site, []string{"there is no line"}},
		{"nothing expected", site + "----------\n", []string{"nothing is expected"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := check(tt.content)
			if len(tt.want) == 0 {
				if err != nil {
					t.Fatalf("unexpected complaint: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("there is no complaint")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the complaint lacks %q: %v", part, err)
				}
			}
		})
	}
}
