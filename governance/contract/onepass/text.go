package onepass

// judge judges a string that was read.
func (n *textNode) judge(t *token, left *budget) Verdict {
	if t.characters < n.min || n.max >= 0 && t.characters > n.max {
		return Invalid
	}
	for i := range n.enums {
		if n.enums[i].find(t.text) < 0 {
			return Invalid
		}
	}
	for _, all := range [2][]matcher{n.formats, n.patterns} {
		for i := range all {
			if v := all[i].match(t.text, left); v != Valid {
				return v
			}
		}
	}
	return Valid
}

// check judges a format as an expression does.
type check func(string) bool

func (c check) MatchString(text string) bool { return c(text) }

// match matches a text, paid from the budget: an expression of many states takes long for a long text.
func (m *matcher) match(text string, left *budget) Verdict {
	if !left.pay(int(m.weight * float64(len(text)))) {
		return Unknown
	}
	return verdict(m.expression.MatchString(text))
}
