package schema

import "strings"

// This file holds the formats uri and uri-reference: the grammar of RFC 3986, appendix A. net/url takes what must be
// percent-encoded, and refuses hosts that are.

func isURI(text string) bool {
	scheme, rest, ok := strings.Cut(text, ":")
	return ok && isScheme(scheme) && isHierarchical(rest)
}

// isURIReference tells whether text is a URI or a relative reference, whose first segment has no colon.
func isURIReference(text string) bool {
	if colon := strings.IndexByte(text, ':'); colon >= 0 && !strings.ContainsAny(text[:colon], "/?#") {
		return isURI(text)
	}
	return isHierarchical(text)
}

func isScheme(text string) bool {
	for i := range len(text) {
		if c := text[i]; !isLetter(c) && (i == 0 || !isDigit(c) && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return text != ""
}

// What characters of their own there may be, besides those of each part: see consistsOf.
const (
	inUserinfo = ":"
	inPath     = ":@/"
	inQuery    = ":@/?"
)

// isHierarchical tells whether text is what comes behind a scheme.
func isHierarchical(text string) bool {
	text, fragment, _ := strings.Cut(text, "#")
	text, query, _ := strings.Cut(text, "?")
	if !consistsOf(fragment, inQuery) || !consistsOf(query, inQuery) {
		return false
	}
	behind, hasAuthority := strings.CutPrefix(text, "//")
	if !hasAuthority {
		return consistsOf(text, inPath)
	}
	end := strings.IndexByte(behind, '/')
	if end < 0 {
		end = len(behind)
	}
	return isAuthority(behind[:end]) && consistsOf(behind[end:], inPath)
}

func isAuthority(text string) bool {
	if userinfo, behind, ok := strings.Cut(text, "@"); ok {
		if text = behind; !consistsOf(userinfo, inUserinfo) {
			return false
		}
	}
	host, port, _ := strings.Cut(text, ":")
	if literal, isLiteral := strings.CutPrefix(text, "["); isLiteral {
		address, rest, ok := strings.Cut(literal, "]")
		if !ok || !isIPv6(address) && !isIPFuture(address) || rest != "" && rest[0] != ':' {
			return false
		}
		port = strings.TrimPrefix(rest, ":")
	} else if !consistsOf(host, "") {
		return false
	}
	return leadingDigits(port) == len(port)
}

// isIPFuture tells whether text is an address of a version to come, such as v7.a:b.
func isIPFuture(text string) bool {
	version, address, _ := strings.Cut(text, ".")
	if len(version) < 2 || version[0]|0x20 != 'v' || address == "" {
		return false
	}
	for i := range len(version) - 1 {
		if !isHex(version[1+i]) {
			return false
		}
	}
	return strings.IndexByte(address, '%') < 0 && consistsOf(address, ":")
}

// consistsOf tells whether text has only unreserved characters, sub-delims, percent-encoded ones, and those of more.
func consistsOf(text, more string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case isLetter(c), isDigit(c), strings.IndexByte("-._~!$&'()*+,;=", c) >= 0, strings.IndexByte(more, c) >= 0:
		case c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
