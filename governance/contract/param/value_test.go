package param

import (
	"encoding/json"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

func TestValue(t *testing.T) {
	either := &schema.Shape{Types: schema.Integer | schema.Array, Items: integer}
	tests := []struct {
		spec  Spec
		text  string
		value string // JSON, "" if it cannot be read
		wrong []string
	}{
		{Spec{Shape: integer}, "color=5", "5", nil},
		{Spec{Shape: integer}, "color=x", "", []string{"type"}},
		{Spec{Shape: integer, Required: true}, "x=5", "", nil},
		{Spec{Shape: integer}, "color=%", "", []string{"syntax"}},
		{Spec{Shape: either}, "color=5", "5", nil},
		{Spec{Shape: either}, "color=5&color=6", "[5,6]", nil},
		{Spec{Shape: either}, "color=x", "", []string{"type"}},
		{Spec{Shape: objectOf(str)}, "color=5&a=b", `{"a":"b","color":"5"}`, nil},
	}
	for _, test := range tests {
		test.spec.In, test.spec.Name = inQuery, "color"
		d, err := New(test.spec)
		if err != nil {
			t.Fatal(err)
		}
		var q Query
		var report schema.Report
		q.Parse(test.text, &report)
		value, ok := d.Value(&q, &report)
		if ok != (test.value != "") {
			t.Errorf("%+v: got %v, %t", test, value, ok)
		} else if ok {
			wantValue(t, &kept{asked: true, value: value}, &report, test.value)
		}
		wantViolations(t, &kept{}, &report, test.wrong...)
		for _, v := range report.Violations {
			if v.In != inQuery || v.Name != "color" {
				t.Errorf("%+v: got %+v", test, v)
			}
		}
	}
}

func TestText(t *testing.T) {
	tests := []struct {
		text  string
		shape *schema.Shape
		want  any
		wrong string
	}{
		{"a%2Cb+c %", str, "a%2Cb+c %", ""},
		{" a ", str, " a ", ""},
		{"7", integer, json.Number("7"), ""},
		{" 7", integer, nil, "type /n"},
		{"true", boolean, true, ""},
		{"\xff", str, nil, "invalid_utf8 /n"},
		{"1e999", num, nil, "digits /n"},
		{"x", nil, "x", ""},
	}
	for _, test := range tests {
		var report schema.Report
		got, ok := Text(test.text, test.shape, "/n", &report)
		if got != test.want || ok != (test.wrong == "") {
			t.Errorf("%q: got %v, %t, want %v", test.text, got, ok, test.want)
		}
		if test.wrong != "" {
			wantViolations(t, &kept{}, &report, test.wrong)
		}
	}
}
