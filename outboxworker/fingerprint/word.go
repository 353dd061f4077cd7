package fingerprint

// word.go holds what takes the place of a word.

import (
	"regexp"
	"strings"
)

var (
	emailWord = regexp.MustCompile(`^[^@/\s]+@[^@/\s]+\.[A-Za-z]{2,}$`)
	timeWord  = regexp.MustCompile(`^\d{4}-\d\d-\d\d([T_]\d\d:\d\d(:\d\d)?\S*)?$|^\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$|` +
		`^-?(\d+(\.\d+)?(ns|us|µs|μs|ms|s|m|h|d))+$`)
	urlWord = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)([^?#]*)(.*)$`)

	uuidPart   = regexp.MustCompile(`[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}`)
	runPart    = regexp.MustCompile(`[0-9A-Za-z_-]{8,}`)
	hexRun     = regexp.MustCompile(`^(0[xX])?[0-9A-Fa-f]{8,}$`)
	numberPart = regexp.MustCompile(`[+-]?(0[xX][0-9A-Fa-f]+|\d+(\.\d+)*([eE][+-]?\d+)?)`)
)

// minID is from how many characters on a mixture of letters and digits is an id.
const minID = 16

func shapeWord(word string) string {
	switch {
	case emailWord.MatchString(word):
		return "<email>"
	case timeWord.MatchString(word):
		return "<time>"
	}
	if url := urlWord.FindStringSubmatch(word); url != nil {
		query := ""
		if url[4] != "" {
			query = url[4][:1] + "<query>"
		}
		return url[1] + withoutNumbers(withoutUser(url[2])) + withoutNumbers(url[3]) + query
	}
	return withoutNumbers(word)
}

// withoutUser returns a URL's host without the user before it.
func withoutUser(authority string) string {
	if _, host, ok := strings.Cut(authority, "@"); ok {
		return host
	}
	return authority
}

func withoutNumbers(word string) string {
	if !strings.ContainsAny(word, "0123456789") {
		return word
	}
	word = uuidPart.ReplaceAllString(word, "<uuid>")
	word = runPart.ReplaceAllStringFunc(word, shapeRun)
	return numberPart.ReplaceAllString(word, "<n>")
}

// shapeRun shapes letters and digits in a row: hexadecimal ones with a letter and a digit,
// and long mixtures.
func shapeRun(run string) string {
	digits, letters := 0, 0
	for _, c := range []byte(run) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c != '_' && c != '-':
			letters++
		}
	}
	switch {
	case digits > 0 && letters > 0 && hexRun.MatchString(run):
		return "<hex>"
	case digits > 1 && letters > 1 && len(run) >= minID && !strings.ContainsAny(run[1:len(run)-1], "-"):
		return "<id>"
	}
	return run
}
