package schema

// Violation is one way in which a request or a response does not keep the contract.
type Violation struct {
	// In is where it is: path, query, header, cookie, body or status. A content type is one of the body.
	In string `json:"in"`

	// Name is the name of the parameter or header.
	Name string `json:"name,omitempty"`

	// Pointer is the place in the value, as a JSON pointer (RFC 6901); "" is the whole. For what is missing it
	// is where that would stand.
	Pointer string `json:"pointer,omitempty"`

	// Code says what kind of violation it is, in snake case. Codes do not change.
	Code string `json:"code"`

	// Detail says it to a person. It never shows the value unless Report.Values is set.
	Detail string `json:"detail"`
}

// DefaultViolations is how many violations a Report keeps whose Max is 0.
const DefaultViolations = 20

// maxNamed is how long a name and a pointer get, in bytes: a client chooses the names of properties and, where what is
// not declared is refused, of parameters.
const maxNamed = 512

// Report collects the violations of one request or response.
type Report struct {
	Max    int  // how many violations are kept. Default: 20
	Values bool // details may show values

	// In and Name are the place that is being checked, see At.
	In, Name string

	Violations []Violation
	Total      int // all that were found, also those not kept
}

// At sets the place that the violations belong to which are added next.
func (r *Report) At(in, name string) { r.In, r.Name = in, name }

// Add adds a violation at the place last set by At.
func (r *Report) Add(pointer, code, detail string) {
	if r.Total++; len(r.Violations) >= r.max() {
		return
	}
	r.Violations = append(r.Violations, Violation{
		In: r.In, Name: cut(r.Name, maxNamed), Pointer: cut(pointer, maxNamed), Code: code, Detail: detail})
}

// Full tells whether no further violation would be kept, so checking may stop.
func (r *Report) Full() bool { return r.Total >= r.max() }

func (r *Report) max() int {
	if r.Max <= 0 {
		return DefaultViolations
	}
	return r.Max
}
