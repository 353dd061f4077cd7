package fingerprint

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestShape(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"no such topic", "no such topic"},
		{"  too \t many\n\nspaces ", "too many spaces"},
		{"order 4711 of 3.5 kg costs -12.50, or 3,5", "order <n> of <n> kg costs <n>, or <n>,<n>"},
		{"offset 0x1f4, 1e9, 10.0.0.1:5432", "offset <n>, <n>, <n>:<n>"},
		{"user 6F9619FF-8B86-D011-B42D-00C04FC964FF is gone", "user <uuid> is gone"},
		{"trace 4bf92f3577b34da6a3ce929d0e0e4736.", "trace <hex>."},
		{"dead beef facade", "dead beef facade"},
		{"evt_1NG8Du2eZvKYlo2CUI79vXWy and SHA256", "<id> and SHA<n>"},
		{"at 2025-11-02T09:30:00.123Z, 2024-01-01 or 12:30:01 after 1m3.5s", "at <time>, <time> or <time> after <time>"},
		{"mail to bob.smith+x@mail.example.com failed", "mail to <email> failed"},
		{`user "alice" or 'bob' or ` + "`carol`" + ` unknown`, "user <text> or <text> or <text> unknown"},
		{"can't and don't", "can't and don't"},
		{`a " that never ends`, `a " that never ends`},
		{"posting to https://hooks.example.com:8443/orders/17/x?token=1#y: status 500", "posting to https://hooks.example.com:<n>/orders/<n>/x?<query>: status <n>"},
		{"at postgres://bob:pw@db7/shop", "at postgres://db<n>/shop"},
		{`{"error":"order 17 is closed","user":"alice","n":12}`, `{"error":"order <n> is closed","user":<text>,"n":<n>}`},
		{`{"code": "E12_CLOSED", "id": "a b"}`, `{"code": "E<n>_CLOSED", "id": "a b"}`},
		{`{"a":"it \"is\" so"}`, `{"a":"it \"is\" so"}`},
		{"(see https://a.example/b/2?c=d, or ask)", "(see https://a.example/b/<n>?<query>, or ask)"},
		{"OOM command not allowed when used memory > 'maxmemory'.", "OOM command not allowed when used memory > <text>."},
		{"größer als 5 µm", "größer als <n> µm"},
		{"\x00\xff", "\uFFFD"},
	} {
		if got := Shape(test.text); got != test.want {
			t.Errorf("%q\n has the shape %q\n          want %q", test.text, got, test.want)
		}
	}
}

func TestShapeIsBounded(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("é", 5000), strings.Repeat("a ", 5000), strings.Repeat(`"`, 5000), strings.Repeat("'a", 5000),
		strings.Repeat("1a", 5000), strings.Repeat("{", 5000), strings.Repeat("\xff", 5000), "x" + strings.Repeat("€", 400),
	} {
		got := Shape(text)
		if len(got) > 200 || !utf8.ValidString(got) {
			t.Errorf("%.20q has a shape of %d bytes: %q", text, len(got), got)
		}
	}
}

func TestOf(t *testing.T) {
	a := Of("status 422", `{"error":"order 17 is closed"}`)
	if len(a) != 16 || strings.Trim(a, "0123456789abcdef") != "" {
		t.Errorf("%q are not 16 hexadecimal digits", a)
	}
	if a != Of("status 422", `{"error":"order 9001 is closed"}`) {
		t.Error("a number makes another fingerprint")
	}
	if a == Of("status 400", `{"error":"order 17 is closed"}`) || a == Of("status 422", `{"error":"order 17 is unknown"}`) {
		t.Error("another class or another text makes no other fingerprint")
	}
	// Rows in the database have it: it must not change with a release.
	if want := "93b4d3b210ad2133"; Of("timeout", "after 5s") != want {
		t.Errorf("%s, want %s", Of("timeout", "after 5s"), want)
	}
}

func FuzzShape(f *testing.F) {
	f.Add(`posting to https://a.example/x/1?y: status 500: {"error":"it's \"17\""}`)
	f.Add("2025-11-02T09:30:00Z 'a' b@c.de 0xffffffff")
	f.Fuzz(func(t *testing.T, text string) {
		shape := Shape(text)
		if len(shape) > maxShape || !utf8.ValidString(shape) {
			t.Errorf("%q has the shape %q", text, shape)
		}
		if again := Shape(shape); len(again) > maxShape {
			t.Errorf("the shape %q has the shape %q", shape, again)
		}
	})
}
