package param

import (
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

const (
	blue   = `"blue"`
	colors = `["blue","black","brown"]`
	rgb    = `{"B":150,"G":200,"R":100}`
)

// The table of OpenAPI 3.0.4 and 3.1.1, section "Style Examples", with every place that has the style.
func TestStyles(t *testing.T) {
	rgbShape := objectOf(integer, "R", "G", "B")
	const none = "n/a"
	tests := []struct {
		style                                    string
		explode                                  *bool
		in                                       string
		empty, primitiveText, arrayText, objText string
	}{
		{matrix, no(), inPath, ";color", ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"},
		{matrix, yes(), inPath, ";color", ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"},
		{label, no(), inPath, ".", ".blue", ".blue,black,brown", ".R,100,G,200,B,150"},
		{label, yes(), inPath, ".", ".blue", ".blue.black.brown", ".R=100.G=200.B=150"},
		{simple, no(), inPath, "", "blue", "blue,black,brown", "R,100,G,200,B,150"},
		{simple, yes(), inPath, "", "blue", "blue,black,brown", "R=100,G=200,B=150"},
		{simple, no(), inHeader, none, "blue", "blue,black,brown", "R,100,G,200,B,150"},
		{simple, yes(), inHeader, none, "blue", "blue,black,brown", "R=100,G=200,B=150"},
		{simple, yes(), inHeader, none, " blue\t", "blue, black\nbrown,", "R=100, G=200 ,,\nB=150"},
		{form, no(), inQuery, "color=", "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"},
		{form, yes(), inQuery, "color=", "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"},
		{form, no(), inCookie, "color=", "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"},
		{form, yes(), inCookie, "color=", "color=blue", "color=blue; color=black; color=brown", "R=100; G=200; B=150"},
		{form, yes(), inCookie, `color=""`, `x=1; color="blue"`, "color=blue; color=black\ncolor=brown", "R=100;G=200\nB=150;"},
		{spaceDelimited, no(), inQuery, none, none, "color=blue%20black%20brown", "color=R%20100%20G%20200%20B%20150"},
		{spaceDelimited, no(), inQuery, none, none, "color=blue+black+brown", "color=R+100+G+200+B+150"},
		{spaceDelimited, yes(), inQuery, none, none, "color=blue&color=black&color=brown", none},
		{pipeDelimited, no(), inQuery, none, none, "color=blue%7Cblack%7cbrown", "color=R%7C100%7CG%7C200%7CB%7C150"},
		{pipeDelimited, no(), inQuery, none, none, "color=blue|black|brown", "color=R|100|G|200|B|150"},
		{pipeDelimited, yes(), inQuery, none, none, "color=blue&color=black&color=brown", none},
		{deepObject, yes(), inQuery, none, none, none, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"},
		{deepObject, no(), inQuery, none, none, none, "color[R]=100&color[G]=200&color[B]=150"},
	}
	for _, test := range tests {
		name := test.in + " " + test.style
		if *test.explode {
			name += " explode"
		}
		cells := []struct {
			kind, text string
			shape      *schema.Shape
			want       string
		}{
			{"empty", test.empty, str, `""`},
			{"string", test.primitiveText, str, blue},
			{"array", test.arrayText, arrayOf(str), colors},
			{"object", test.objText, rgbShape, rgb},
		}
		for _, cell := range cells {
			t.Run(name+" "+cell.kind, func(t *testing.T) {
				spec := Spec{In: test.in, Name: "color", Style: test.style, Explode: test.explode, Required: true, Shape: cell.shape}
				if cell.text == none {
					if test.in == inHeader {
						return // a header that is there may be empty, see TestHeaders
					}
					if _, err := New(spec); err == nil || !strings.Contains(err.Error(), "use ") {
						t.Errorf("got error %v, want one that says what to use", err)
					}
					return
				}
				got, report := read(t, spec, cell.text)
				wantValue(t, got, report, cell.want)
			})
		}
	}
}

func TestDefaultStyles(t *testing.T) {
	for in, text := range map[string]string{
		inPath: "a,b", inHeader: "a,b", inQuery: "color=a&color=b", inCookie: "color=a; color=b",
	} {
		got, report := read(t, Spec{In: in, Shape: arrayOf(str)}, text)
		wantValue(t, got, report, `["a","b"]`)
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		spec   Spec
		reason string
	}{
		{Spec{In: "body", Name: "a"}, "in must be path, query, header or cookie"},
		{Spec{In: inQuery}, "name is missing"},
		{Spec{In: inPath, Name: "a", Style: form}, `style "form" is not for path: use simple, label, matrix`},
		{Spec{In: inQuery, Name: "a", Style: simple}, "use form, spaceDelimited, pipeDelimited, deepObject"},
		{Spec{In: inHeader, Name: "a", Style: form}, `style "form" is not for header: use simple`},
		{Spec{In: inCookie, Name: "a", Style: deepObject}, `style "deepObject" is not for cookie: use form`},
		{Spec{In: inQuery, Name: "a", Style: "tabDelimited"}, `style "tabDelimited"`},
		{Spec{In: inQuery, Name: "a", Style: deepObject, Shape: arrayOf(str)}, "is for objects: use form"},
		{Spec{In: inQuery, Name: "a", Style: pipeDelimited, Shape: integer}, "is for arrays and objects: use form"},
		{Spec{In: inQuery, Name: "a", Style: spaceDelimited, Explode: yes(), Shape: objectOf(str)}, "is for arrays: use form"},
		{Spec{In: inQuery, Name: "a", Shape: arrayOf(arrayOf(str))}, "content: application/json"},
		{Spec{In: inPath, Name: "a", Shape: arrayOf(objectOf(str))}, "content: application/json"},
	}
	for _, test := range tests {
		if _, err := New(test.spec); err == nil || !strings.Contains(err.Error(), test.reason) {
			t.Errorf("%+v: got %v, want %q", test.spec, err, test.reason)
		}
	}
}

// What is between delimiters is decoded after it is split, so data may have them.
func TestDelimitersAreSplitBeforeDecoding(t *testing.T) {
	tests := []struct {
		spec Spec
		text string
		want string
	}{
		{Spec{In: inPath, Shape: arrayOf(str)}, "a%2Cb,c", `["a,b","c"]`},
		{Spec{In: inPath, Style: label, Explode: yes(), Shape: arrayOf(str)}, ".a%2Eb.c", `["a.b","c"]`},
		{Spec{In: inPath, Style: matrix, Explode: yes(), Shape: arrayOf(str)}, ";c%6Flor=a%3Bb;color=c", `["a;b","c"]`},
		{Spec{In: inPath, Style: matrix, Shape: str}, ";color=a%3Bcolor=b", `"a;color=b"`},
		{Spec{In: inPath, Explode: yes(), Shape: objectOf(str)}, "a%3D=b%2Cc,d=e=f", `{"a=":"b,c","d":"e=f"}`},
		{Spec{In: inQuery, Explode: no(), Shape: arrayOf(str)}, "color=a%2Cb,c", `["a,b","c"]`},
		{Spec{In: inQuery, Shape: arrayOf(str)}, "color=a,b&color=c%26color=d", `["a,b","c\u0026color=d"]`},
		{Spec{In: inQuery, Style: pipeDelimited, Explode: no(), Shape: arrayOf(str)}, "color=a%2Cb|c+d", `["a,b","c d"]`},
		{Spec{In: inQuery, Style: spaceDelimited, Explode: no(), Shape: arrayOf(str)}, "color=a%2Bb+c|d", `["a+b","c|d"]`},
		{Spec{In: inQuery, Shape: str}, "c%6flor=a;b", `"a;b"`},
		{Spec{In: inCookie, Explode: no(), Shape: arrayOf(str)}, "color=a%2Cb,c+d", `["a,b","c+d"]`},
		{Spec{In: inHeader, Shape: arrayOf(str)}, "a%2Cb,c+d", `["a%2Cb","c+d"]`},
		{Spec{In: inPath, Shape: str}, "a+b", `"a+b"`},
		{Spec{In: inQuery, Shape: str}, "color=a+b%2B", `"a b+"`},
	}
	for _, test := range tests {
		got, report := read(t, test.spec, test.text)
		if wantValue(t, got, report, test.want); t.Failed() {
			t.Fatalf("%+v", test)
		}
	}
}

// A list that a client has encoded as a whole is still one, unless it is valid as it is.
func TestEncodedCommas(t *testing.T) {
	for _, in := range []string{inPath, inQuery, inCookie} {
		text := func(s string) string {
			if in == inPath {
				return s
			}
			return "color=" + s
		}
		spec := Spec{In: in, Explode: no(), Shape: arrayOf(integer)}
		got, report := read(t, spec, text("1%2C2%2c3,4"))
		wantValue(t, got, report, "[1,2,3,4]")
		got, report = read(t, spec, text("1%2Cx"))
		wantViolations(t, got, report, "type /0")
		spec.Shape = arrayOf(str)
		got, report = read(t, spec, text("a%2Cb"))
		wantValue(t, got, report, `["a,b"]`)
		spec.Validator = oneOf{"a", "b"}
		if _, report = read(t, spec, text("a%2Cb")); report.Total > 0 {
			t.Errorf("%s: %+v", in, report.Violations)
		}
		if _, report = read(t, spec, text("a%2Cc")); report.Total != 1 {
			t.Errorf("%s: %+v", in, report.Violations)
		}
		spec.Validator, spec.Shape = nil, objectOf(integer, "R")
		got, report = read(t, spec, text("R%2C1"))
		wantValue(t, got, report, `{"R":1}`)
	}
	got, report := read(t, Spec{In: inHeader, Shape: arrayOf(integer)}, "1%2C2")
	wantViolations(t, got, report, "type /0")
	got, report = read(t, Spec{In: inQuery, Shape: arrayOf(integer)}, "color=1%2C2")
	wantViolations(t, got, report, "type /0")
}

// oneOf is a validator of arrays whose items are some of these.
type oneOf []string

func (o oneOf) JSON([]byte, *schema.Report) {}
func (o oneOf) Value(value any, report *schema.Report) {
	for _, item := range value.([]any) {
		if !slices.Contains(o, item.(string)) {
			report.Add("", "enum", "")
			return
		}
	}
}

// Texts that do not have the form of their style.
func TestForms(t *testing.T) {
	tests := []struct {
		spec Spec
		text string
		want string
	}{
		{Spec{In: inPath, Style: label, Shape: str}, "blue", "syntax"},
		{Spec{In: inPath, Style: label, Explode: yes(), Shape: objectOf(str)}, "a=b", "syntax"},
		{Spec{In: inPath, Style: matrix, Shape: str}, "color=blue", "syntax"},
		{Spec{In: inPath, Style: matrix, Shape: str}, ";colour=blue", "syntax"},
		{Spec{In: inPath, Style: matrix, Shape: str}, ";color=blue;color=red", "syntax"},
		{Spec{In: inPath, Style: matrix, Shape: arrayOf(str)}, ";color=blue;color=red", "syntax"},
		{Spec{In: inPath, Style: matrix, Explode: yes(), Shape: arrayOf(str)}, "color=blue;color=red", "syntax"},
		{Spec{In: inPath, Style: matrix, Explode: yes(), Shape: arrayOf(str)}, ";color=blue;red", "syntax"},
		{Spec{In: inPath, Style: matrix, Explode: yes(), Shape: arrayOf(str)}, ";%63olor=blue;%6=red", "syntax"},
		{Spec{In: inPath, Shape: objectOf(str)}, "a,b,c", "syntax"},
		{Spec{In: inPath, Explode: yes(), Shape: objectOf(str)}, "a=b,c", "syntax"},
		{Spec{In: inPath, Shape: objectOf(str)}, "a,b,a,c", "repeated /a"},
		{Spec{In: inPath, Explode: yes(), Shape: objectOf(str)}, "a~/b=1,a~/b=1", "repeated /a~0~1b"},
		{Spec{In: inPath, Explode: yes(), Shape: objectOf(str)}, "%zz=1", "syntax"},
		{Spec{In: inPath, Shape: str}, "%", "syntax"},
		{Spec{In: inPath, Shape: str}, "%ff", "invalid_utf8"},
		{Spec{In: inPath, Shape: arrayOf(str)}, "a,%ff", "invalid_utf8 /1"},
		{Spec{In: inHeader, Shape: str}, "\xe9", "invalid_utf8"},
		{Spec{In: inQuery, Shape: str}, "color=%2", "syntax"},
		{Spec{In: inQuery, Shape: objectOf(str, "a")}, "a=%", "syntax"},
		{Spec{In: inQuery, Shape: objectOf(str)}, "%ff=1", "invalid_utf8"},
		{Spec{In: inQuery, Style: deepObject, Shape: objectOf(str)}, "color[%ff]=1", "invalid_utf8"},
		{Spec{In: inPath, Shape: objectOf(str)}, "%ff,1", "invalid_utf8"},
		{Spec{In: inQuery, Shape: objectOf(str, "a")}, "a=1&a=2", "repeated /a"},
		{Spec{In: inCookie, Shape: str}, "color=%2", "syntax"},
		{Spec{In: inQuery, Shape: str}, "color=1&color=1", "repeated"},
		{Spec{In: inQuery, Explode: no(), Shape: arrayOf(str)}, "color=1&color=1", "repeated"},
		{Spec{In: inCookie, Shape: str}, "color=1; color=1", "repeated"},
		{Spec{In: inHeader, Shape: str}, "1\n1", "repeated"},
	}
	for _, test := range tests {
		got, report := read(t, test.spec, test.text)
		if wantViolations(t, got, report, test.want); t.Failed() {
			t.Fatalf("%+v", test)
		}
	}
}
