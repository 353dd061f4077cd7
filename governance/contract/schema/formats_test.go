package schema

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFormats(t *testing.T) {
	long := strings.Repeat("a", 63)
	tests := map[string]struct{ right, wrong []string }{ // JSON texts without quotes are numbers
		"date": {[]string{`"2024-02-29"`, `"0000-01-01"`, `1`},
			[]string{`""`, `"2023-02-29"`, `"2024-2-29"`, `"2024-13-01"`, `"2024-00-01"`, `"2024-01-32"`, `"24-01-01"`, `"2024-01-01 "`, `"২০২৪-01-01"`}},
		"date-time": {[]string{`"2024-02-29T12:00:00Z"`, `"2024-02-29t12:00:00.123456789z"`, `"1985-04-12T23:20:50.52-05:30"`, `"1998-12-31T23:59:60Z"`, `"1998-12-31T15:59:60.123-08:00"`},
			[]string{`"2024-02-29"`, `"2024-02-29 12:00:00Z"`, `"2024-02-29T12:00:00"`, `"2024-02-30T12:00:00Z"`, `"2024-02-29T24:00:00Z"`, `"2024-02-29T12:60:00Z"`,
				`"2024-02-29T12:00:00+0200"`, `"2024-02-29T12:00:00.Z"`, `"1998-12-31T22:59:60Z"`, `"1998-12-31T23:58:60Z"`, `"2024-02-29T12:00:00+24:00"`, `"2024-02-29T1:00:00Z"`}},
		"time": {[]string{`"08:30:06Z"`, `"23:59:60Z"`, `"00:29:60+00:30"`, `"08:30:06.283185z"`},
			[]string{`"08:30:06"`, `"8:30:06Z"`, `"08:30:06 PST"`, `"08:30:61Z"`, `"22:59:60Z"`, `"01:02:03+00:60"`, `"01:02:03+00:"`, `"01:02:03Z+00:30"`}},
		"duration": {[]string{`"P4DT12H30M5S"`, `"P4Y"`, `"PT0S"`, `"P1M"`, `"PT1M"`, `"P2W"`, `"PT1H30S"`, `"PT1.5S"`, `"P1DT2M0.25S"`},
			[]string{`""`, `"P"`, `"PT"`, `"P1"`, `"4DT12H"`, `"P1DT"`, `"P2D1Y"`, `"P1D2H"`, `"PT1D"`, `"P1Y2W"`, `"P2S"`, `"PT1.5M"`, `"PT.5S"`, `"PT1.S"`, `"P1.5D"`, `"PT1.5S2S"`, `"P1H"`, `"P1W1D"`}},
		"uuid": {[]string{`"2eb8aa08-aa98-11ea-b4aa-73b441d16380"`, `"2EB8AA08-AA98-11EA-B4AA-73B441D16380"`, `"00000000-0000-0000-0000-000000000000"`},
			[]string{`"2eb8aa08-aa98-11ea-b4aa-73b441d1638"`, `"2eb8aa08aa9811eab4aa73b441d16380"`, `"2eb8aa08-aa98-11ea-b4aa-73b441d1638g"`, `"{2eb8aa08-aa98-11ea-b4aa-73b441d16380}"`, `"2eb8-aa08-aa98-11ea-b4aa73b44-1d16380"`}},
		"email": {[]string{`"joe.bloggs@example.com"`, `"te~st@example.com"`, `"\"joe bloggs\"@example.com"`, `"joe@[127.0.0.1]"`, `"joe@[IPv6:::1]"`, `"a+b@x"`},
			[]string{`"2962"`, `"@x"`, `"a@"`, `".a@x.org"`, `"a.@x.org"`, `"a..b@x.org"`, `"a@x..org"`, `"a b@x.org"`, `"a@[127.0.0.300]"`, `"a@-x.org"`, `"\"a@x.org"`,
				`"` + strings.Repeat("a", 65) + `@x.org"`}},
		"hostname": {[]string{`"www.example.com"`, `"xn--4gbwdl.xn--wgbh1c"`, `"a"`, `"1host"`, `"a--b"`, `"` + long + `"`},
			[]string{`""`, `"-a"`, `"a-"`, `"a-.b"`, `"a_b"`, `"a b"`, `"ä.de"`, `".a"`, `"a."`, `"a..b"`, `"` + long + `a"`, `"` + strings.Repeat(long+".", 4) + `"`}},
		"ipv4": {[]string{`"192.168.0.1"`, `"0.0.0.0"`}, []string{`"256.0.0.1"`, `"127.0.0"`, `"0x7f.1"`, `"087.10.0.1"`, `"::1"`, `"1.2.3.4/24"`, `"1২7.0.0.1"`}},
		"ipv6": {[]string{`"::1"`, `"::"`, `"1:2:3:4:5:6:7:8"`, `"::ffff:192.168.0.1"`}, []string{`"12345::"`, `"1::2::3"`, `"fe80::1%eth0"`, `"127.0.0.1"`, `"[::1]"`, `"::1/64"`, `":1"`}},
		"uri": {[]string{`"http://foo.bar/?baz=qux#quux"`, `"urn:isbn:1"`, `"mailto:a@b.c"`, `"http://[2001:db8::7]/c=GB?a"`, `"HTTP://u:p@[::1]:80?a@b@c"`, `"a:"`, `"http://%41"`, `"http://[v7.a:b]:/"`, `"x+y.z-1:?/?#/?"`, `"tel:+1-816-555-1212"`},
			[]string{`"//foo.bar/"`, `"/abc"`, `"abc"`, `"http:// x"`, `"http://a/ä"`, `"http://a/%zz"`, `"http://a/\\"`, `"bar,baz:foo"`, `"http://[::x]/"`, `"http://a/<b>"`, `"http://a/[b]"`, `"http:/[::1]"`,
				`"http://a?b[c]=1"`, `"http://[::1]/#[a"`, `"urn:a]"`, `"http://a@b@c/"`, `"http://]"`,
				`"http://[::1]a"`, `"http://a:8b/"`, `"a:b#c#d"`, `"http://[v.a]/"`, `"http://a/%4"`, `":a"`, `"1a:b"`}},
		"uri-reference": {[]string{`"/abc?x#y"`, `"abc"`, `"#a"`, `""`, `"//a/b"`, `"//[::1]"`, `"a@b@c"`},
			[]string{`"\\\\a"`, `"a b"`, `"#a\\b"`, `"a{b}"`, `"/[::1]"`, `"//a@b@c/"`}},
		"json-pointer": {[]string{`""`, `"/"`, `"/a~0b/~1"`}, []string{`"a"`, `"/~"`, `"/~2"`, `"#/a"`}},
		"byte":         {[]string{`""`, `"QQ=="`, `"QUI="`, `"QUJD+/=="`}, []string{`"QQ"`, `"Q==="`, `"QQ=\n"`, `"QU I"`, `"_-=="`, `"===="`, `"=QQQ"`}},
		"regex":        {[]string{`"^a+$"`, `"(?=a)(b)\\1"`}, []string{`"a("`, `"\\a"`, `"[z-a]"`}},
		"int32":        {[]string{`2147483647`, `-2147483648`, `1.0`, `1e3`, `"x"`}, []string{`2147483648`, `-2147483649`, `1.5`, `1e10`}},
		"int64":        {[]string{`9223372036854775807`, `-9223372036854775808`, `9.223372036854775807e18`, `"x"`}, []string{`9223372036854775808`, `-9223372036854775809`, `0.5`, `1e19`}},
		"float":        {[]string{`3.4e38`, `-1e-60`, `0.1`}, []string{`3.5e38`}},
		"double":       {[]string{`1.7e308`, `0`}, []string{`1.8e308`, `-1e309`}},
	}
	for name, test := range tests {
		for _, dialect := range []Dialect{OpenAPI30, OpenAPI31} {
			schema := `{"A": {"format": "` + name + `"}}`
			v := compile(t, compilerFor(t, dialect, schema, Settings{}), atA, Request)
			for _, text := range test.right {
				expect(t, v, text)
			}
			for _, text := range test.wrong {
				if got := judge(v, text); len(got) != 1 || got[0] != " format" {
					t.Errorf("%s: violations of %s are %q", name, text, got)
				}
			}
			lenient := compile(t, compilerFor(t, dialect, schema, Settings{IgnoreFormats: true}), atA, Request)
			expect(t, lenient, test.wrong[0])
		}
	}
	for name, format := range formats {
		if _, ok := tests[name]; !ok {
			t.Errorf("%s is not tested", name)
		}
		if formatDetails[format.Name] == "" {
			t.Errorf("%s has no detail", name)
		}
	}
}

// The engine knows more formats than this package asserts.
func TestOtherFormatsAreAnnotations(t *testing.T) {
	for _, name := range []string{"semver", "period", "iri", "uri-template", "relative-json-pointer", "password", "binary", "<width>x<height>", "ecma-262-regex"} {
		v := compile(t, compilerFor(t, OpenAPI31, `{"A": {"format": "`+name+`"}}`, Settings{}), atA, Request)
		expect(t, v, `"( no such thing"`)
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int{"0": 1, "-12": 2, "1.50": 3, "1e400": 401, "1.5E-30": 32, "1e+9": 10, "1e99999999999999999999": 1000,
		"1e0000000000000000000000009": 10} {
		if !modest(text, want) && want < 1000 || modest(text, want-1) {
			t.Errorf("%s does not count for %d digits", text, want)
		}
	}
	for text, want := range map[string]int64{"0": 0, "-0": 0, "17": 17, "-999999999999999999": -999999999999999999} {
		if got, ok := integral(text); !ok || got != want {
			t.Errorf("%s is %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "-", "1.0", "1e2", "+1", "9999999999999999999"} {
		if got, ok := integral(text); ok {
			t.Errorf("%q is the integer %d", text, got)
		}
	}
}

func FuzzFormats(f *testing.F) {
	for _, seed := range []string{"2024-02-29T12:00:00Z", "P1DT1H", "a@b.c", "::1", "http://a", "/~0", "QQ==", "1e400", "2eb8aa08-aa98-11ea-b4aa-73b441d16380"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		for _, format := range formats {
			_ = format.Validate(text)
			if json.Valid([]byte(text)) && modest(text, 400) {
				_ = format.Validate(json.Number(text))
			}
		}
	})
}
