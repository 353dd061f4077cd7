package param

// value.go reads without judging, for forms and parts of multipart bodies.

import "github.com/weirproxy/weir/governance/contract/schema"

// Value reads a query parameter without judging it, for forms, whose fields are written like a query. Where the schema
// allows several readings, it is the first that can be read. ok is false if the parameter is missing, which is no
// violation here, or cannot be read.
func (d *Decoder) Value(q *Query, report *schema.Report) (value any, ok bool) {
	s, broken := d.sent(&q.pairs, nil)
	if broken {
		return nil, false
	}
	spellings := []sent{s}
	if d.encodedCommas(s) {
		spellings = append(spellings, withCommas(s))
	}
	var first schema.Report
	for _, s := range spellings {
		for _, r := range d.readings {
			if !d.has(r, s) {
				continue
			}
			a := attempt{Decoder: d, report: d.scratch(report)}
			if value, ok = a.read(r, s); ok {
				return value, true
			}
			if first.Total == 0 {
				first = *a.report
			}
		}
	}
	report.At(d.spec.In, d.spec.Name)
	merge(report, &first)
	return nil, false
}

// Text reads a text that is not encoded, as the part of a form is, as what its schema allows. ok is false if it is
// none of that; what is wrong is in the report, at the pointer.
func Text(text string, shape *schema.Shape, pointer string, report *schema.Report) (value any, ok bool) {
	d := Decoder{spec: Spec{MaxDigits: defaultDigits}}
	a := attempt{Decoder: &d, report: report, base: pointer}
	return a.leaf(text, shape)
}
