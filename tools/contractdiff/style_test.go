package contractdiff

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// written is a value in a parameter's style (OpenAPI 3.0.4, Style Examples), as it stands in a message: the text of a
// path parameter, the lines of a header, the pairs of a query or of cookies.
func written(p *openapi3.Parameter, value any) []string {
	if p.Content != nil {
		return []string{inPlace(p, "", escaper(p)(plainText(value)))}
	}
	switch value := value.(type) {
	case []any:
		return writtenItems(p, value)
	case map[string]any:
		return writtenMembers(p, value)
	}
	return []string{inPlace(p, "", escaper(p)(plainText(value)))}
}

// inPlace puts what belongs before a text: the name in queries, cookies and matrix, the dot of labels.
func inPlace(p *openapi3.Parameter, member, text string) string {
	name := url.QueryEscape(p.Name)
	switch {
	case p.In == "query" && member != "":
		return name + "%5B" + member + "%5D=" + text
	case p.In == "query":
		return name + "=" + text
	case p.In == "cookie":
		return p.Name + "=" + text
	case p.Style == "label":
		return "." + text
	case p.Style == "matrix":
		return ";" + name + "=" + text
	}
	return text
}

func escaper(p *openapi3.Parameter) func(string) string {
	switch p.In {
	case "path":
		return url.PathEscape
	case "header":
		return func(text string) string { return strings.Map(printable, text) }
	}
	return url.QueryEscape
}

// exploded tells whether items and members are written one by one.
func exploded(p *openapi3.Parameter) bool {
	if p.Explode != nil {
		return *p.Explode
	}
	return p.In == "query" && (p.Style == "" || p.Style == "form") || p.In == "cookie"
}

var delimiters = map[string]string{"spaceDelimited": "%20", "pipeDelimited": "%7C"}

func writtenItems(p *openapi3.Parameter, items []any) []string {
	var texts []string
	for _, item := range items {
		texts = append(texts, escaper(p)(plainText(item)))
	}
	switch {
	case len(texts) == 0:
		return nil
	case exploded(p) && (p.In == "query" || p.Style == "matrix"):
		for i := range texts {
			texts[i] = inPlace(p, "", texts[i])
		}
		if p.In == "query" {
			return texts
		}
		return []string{strings.Join(texts, "")}
	case exploded(p) && p.Style == "label":
		return []string{"." + strings.Join(texts, ".")}
	}
	delimiter, ok := delimiters[p.Style]
	if !ok {
		delimiter = ","
	}
	return []string{inPlace(p, "", strings.Join(texts, delimiter))}
}

// writtenMembers writes objects in the two styles of them that the documents have.
func writtenMembers(p *openapi3.Parameter, object map[string]any) []string {
	var pairs, alternating []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		text := escaper(p)(plainText(object[name]))
		pairs = append(pairs, inPlace(p, url.QueryEscape(name), text))
		alternating = append(alternating, escaper(p)(name), text)
	}
	switch {
	case len(pairs) == 0:
		return nil
	case p.Style == "deepObject":
		return pairs
	}
	return []string{inPlace(p, "", strings.Join(alternating, ","))}
}

// printable replaces characters that a header cannot have.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}

// plainText is a scalar as a text, and JSON of anything else.
func plainText(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(text)
}
