package param

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// fuzzed are decoders of all places, styles and kinds.
func fuzzed(t testing.TB) (all []*Decoder) {
	nested := objectOf(integer, "n", "a")
	nested.Properties["list"] = arrayOf(num)
	nested.Properties["kid"] = nested
	several := &schema.Shape{
		Types: schema.Integer | schema.Boolean | schema.Array | schema.Object, Items: num, Additional: boolean,
	}
	for _, in := range []string{inPath, inQuery, inHeader, inCookie} {
		for _, style := range styles[in] {
			for _, explode := range []*bool{yes(), no()} {
				for _, shape := range []*schema.Shape{str, integer, num, boolean, arrayOf(num), nested, several, anyType} {
					spec := Spec{In: in, Name: "a", Style: style, Explode: explode, Shape: shape}
					if d, err := New(spec); err == nil {
						all = append(all, d)
					}
				}
			}
		}
		for _, mediaType := range []string{"application/json", "text/plain", "image/png"} {
			d, err := New(Spec{In: in, Name: "a", MediaType: mediaType})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, d)
		}
	}
	return all
}

// checked requires of values what validators expect.
type checked struct{ nodes int }

func (c *checked) JSON([]byte, *schema.Report) {}

func (c *checked) Value(value any, _ *schema.Report) {
	c.nodes++
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			c.Value(item, nil)
		}
	case map[string]any:
		for name, member := range value {
			c.Value(name, nil)
			c.Value(member, nil)
		}
	case string:
		if !utf8.ValidString(value) {
			panic(fmt.Sprintf("%q is not UTF-8", value))
		}
	case bool:
	case fmt.Stringer: // json.Number
		if n, ok := parseNumber(value.String()); !ok || n.digits > defaultDigits {
			panic(fmt.Sprintf("%q is no number", value))
		}
	default:
		panic(fmt.Sprintf("%T is not a value", value))
	}
}

func FuzzDecode(f *testing.F) {
	decoders := fuzzed(f)
	for _, seed := range []string{
		"", "a", "a=", "a=1,2,3", "a=1&a=2", ".1.2", ";a=1;a=2", ";a", ";n=1;list=2", "a[n]=1&a[list][0]=1",
		"a[list][]=1&a[kid][kid][n]=x", "a=n|1|list|2", "a=n%201", "a=%ff", "%61=%", "a=1e5&n=0x1f", "n,1,list,2",
		"n=1,list=2", "a=true; n=1\na=2", "a[list][99]=1", "a[[]]=", "a=%7B%22x%22:1%7D", "a[n]=1&a=2", "a[a][a][a]=1",
		"1e999999", "a=%2C,", "a[", "a]", "a[]]=1", "a=-0.0e+0", "a[\x80]",
	} {
		for i := range decoders {
			f.Add(uint16(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, choice uint16, input string) {
		d := *decoders[int(choice)%len(decoders)]
		values := new(checked)
		d.spec.Validator = values
		report := schema.Report{Max: 3}
		decode(&d, input, &report)
		// Each value has text of its own, at least a delimiter, in each reading of the parameter.
		if most := 4 * (len(input) + 2); values.nodes > most || len(report.Violations) > 3 {
			t.Fatalf("%+v: %q became %d values and %d violations", d.spec, input, values.nodes, len(report.Violations))
		}
	})
}
