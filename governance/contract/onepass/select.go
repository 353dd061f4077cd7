package onepass

// This file holds how the branch of a discriminator is found: by looking ahead for the property, which is mostly among
// the first.

// selected returns the node for the object that begins here.
func (r *run) selected(s *selector) (*objectNode, Verdict) {
	start := r.at
	text, ok := r.ahead(s.property)
	paid := r.budget.pay((r.at - start) / bytesPerVisit)
	r.at = start
	if !paid {
		return nil, Unknown
	}
	n := s.branches[text]
	return n, verdict(ok && n != nil)
}

// bytesPerVisit is how many bytes are looked at in the time of one visit, about.
const bytesPerVisit = 16

// ahead returns the text of a member of the object that begins here, by which it selects.
func (r *run) ahead(property string) (text string, ok bool) {
	var t token
	r.at++
	for r.space() == '"' {
		if !r.scanString(&t) {
			return "", false
		}
		found := t.text == property
		if r.space() != ':' {
			return "", false
		}
		r.at++
		r.space()
		start := r.at
		if !r.skip(&t) {
			return "", false
		}
		if found {
			switch c := r.text[start]; c {
			case '"':
				return t.text, true
			case '{', '[', 'n':
				return "", true
			}
			return r.text[start:r.at], true
		}
		if r.space() != ',' {
			return "", false
		}
		r.at++
	}
	return "", false
}

// skip skips a value without judging it: it will be, when the object is read. A string is read into t.
func (r *run) skip(t *token) bool {
	open := 0
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case '"':
			if !r.scanString(t) {
				return false
			}
			if open == 0 {
				return true
			}
			continue
		case '{', '[':
			open++
		case '}', ']':
			if open == 0 {
				return true // behind a literal
			}
			if open--; open == 0 {
				r.at++
				return true
			}
		case ',', ' ', '\t', '\r', '\n':
			if open == 0 {
				return true
			}
		}
		r.at++
	}
	return false
}
