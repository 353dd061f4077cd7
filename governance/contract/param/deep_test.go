package param

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

func TestDeepObject(t *testing.T) {
	tree := objectOf(integer, "n", "m")
	tree.Properties["list"] = arrayOf(integer)
	tree.Properties["objects"] = arrayOf(tree)
	tree.Properties["kid"] = tree
	tree.Properties["either"] = &schema.Shape{
		Types: schema.Array | schema.Object, Items: integer, Additional: str,
	}
	closed := objectOf(integer, "n")
	closed.Additional = nil
	tree.Properties["closed"] = closed
	tests := []struct {
		text  string
		value string
		wrong string
	}{
		{"color[n]=1&color[m]=2", `{"m":2,"n":1}`, ""},
		{"color%5Bn%5D=1&x=2", `{"n":1}`, ""},
		{"color[other]=1", `{"other":"1"}`, ""},
		{"color[kid][kid][n]=1", `{"kid":{"kid":{"n":1}}}`, ""},
		{"color[list]=1", `{"list":[1]}`, ""},
		{"color[list]=1&color[list]=2", `{"list":[1,2]}`, ""},
		{"color[list][]=1&color[list][]=2", `{"list":[1,2]}`, ""},
		{"color[list][1]=1&color[list][0]=2", `{"list":[2,1]}`, ""},
		{"color[objects][0][n]=1&color[objects][0][m]=2", `{"objects":[{"m":2,"n":1}]}`, ""},
		{"color[either][0]=1", `{"either":[1]}`, ""},
		{"color[either][x]=1", `{"either":{"x":"1"}}`, ""},
		{"color[a%2Fb]=1", `{"a/b":"1"}`, ""},
		{"color[]=1", `{"":"1"}`, ""},

		{"color[n]=x", "", "type /n"},
		{"color[kid][list][0]=1&color[kid][list][1]=x", "", "type /kid/list/1"},
		{"color[n]=1&color[n]=2", "", "repeated /n"},
		{"color[n]=1&color[n][m]=2", "", "syntax /n"},
		{"color[list][1]=1", "", "array_index /list"},
		{"color[list][0]=1&color[list][2]=1", "", "array_index /list"},
		{"color[list][1001]=1", "", "array_index /list"},
		{"color[list][99999999999999999999]=1", "", "array_index /list"},
		{"color[list][-1]=1", "", "syntax /list"},
		{"color[list][00]=1", "", "syntax /list"},
		{"color[list][+0]=1", "", "syntax /list"},
		{"color[list][0x0]=1", "", "syntax /list"},
		{"color[list][x]=1", "", "syntax /list"},
		{"color[list][]=1&color[list][0]=2", "", "syntax /list"},
		{"color[list][][n]=1", "", "syntax /list"},
		{"color[n=1", "", "syntax"},
		{"color[n]x=1", "", "syntax"},
		{"color[n]]=1", "", "syntax"},
		{"color[[n]]=1", "", "syntax"},
		{"color" + strings.Repeat("[kid]", 65) + "=1", "", "depth"},
	}
	for _, test := range tests {
		got, report := read(t, Spec{In: inQuery, Style: deepObject, Shape: tree}, test.text)
		if test.wrong != "" {
			wantViolations(t, got, report, test.wrong)
		} else {
			wantValue(t, got, report, test.value)
		}
		if t.Failed() {
			t.Fatalf("%.200q", test.text)
		}
	}
}

// Memory follows what was sent, not the indexes and not the limits.
func TestDeepObjectLimits(t *testing.T) {
	list := &schema.Shape{Types: schema.Object, Properties: map[string]*schema.Shape{"a": arrayOf(integer)}}
	spec := Spec{In: inQuery, Style: deepObject, Shape: list, MaxIndex: 1 << 40}
	got, report := read(t, spec, "color[a][1099511627776]=1") // as much as MaxIndex allows
	wantViolations(t, got, report, "array_index /a")

	var raw strings.Builder
	for i := range 9999 { // and the array itself
		fmt.Fprintf(&raw, "color[a][%d]=1&", i)
	}
	if got, report := read(t, spec, raw.String()); report.Total > 0 || len(got.value.(map[string]any)["a"].([]any)) != 9999 {
		t.Errorf("9,999 items: got %v", report.Violations)
	}
	raw.WriteString("color[a][9999]=1")
	got, report = read(t, spec, raw.String())
	wantViolations(t, got, report, "properties")

	spec.MaxIndex, spec.MaxProperties = 2, 3
	got, report = read(t, spec, "color[a][3]=1")
	wantViolations(t, got, report, "array_index /a")
	got, report = read(t, spec, "color[a]=1&color[b]=1&color[c]=1&color[d]=1")
	wantViolations(t, got, report, "properties")
	got, report = read(t, spec, "color[a][0]=1&color[b][0]=1")
	wantViolations(t, got, report, "properties")
}
