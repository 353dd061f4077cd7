package onepass

// judge judges a string that was read.
func (n *textNode) judge(t *token) Verdict {
	if t.characters < n.min || n.max >= 0 && t.characters > n.max {
		return Invalid
	}
	for i := range n.enums {
		if n.enums[i].find(t.text) < 0 {
			return Invalid
		}
	}
	for _, is := range n.formats {
		if !is(t.text) {
			return Invalid
		}
	}
	for _, pattern := range n.patterns {
		if !pattern.MatchString(t.text) {
			return Invalid
		}
	}
	return Valid
}
