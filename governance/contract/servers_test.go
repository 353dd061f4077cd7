package contract

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/document"
)

func TestServers(t *testing.T) {
	for _, row := range []struct {
		name                      string
		document, item, operation string // their servers
		settings                  Settings
		known, unknown            string
	}{
		{name: "none", known: "/a", unknown: "/v1/a"},
		{name: "absolute", document: `{url: "https://h/v1/"}`, known: "/v1/a", unknown: "/a"},
		{name: "with port", document: `{url: "https://h:8443/v1"}`, known: "/v1/a", unknown: "/a"},
		{name: "path only", document: `{url: /v1}`, known: "/v1/a", unknown: "/a"},
		{name: "relative", document: `{url: v1}`, known: "/v1/a", unknown: "/a"},
		{name: "dot", document: `{url: .}`, known: "/a", unknown: "/./a"},
		{name: "without path", document: `{url: "https://h"}`, known: "/a", unknown: "/h/a"},
		{name: "without scheme", document: `{url: //h/v1}`, known: "/v1/a", unknown: "/a"},
		{name: "several", document: `{url: /v1}, {url: /v2}, {url: "http://h/v1"}`, known: "/v1/a /v2/a", unknown: "/a"},
		{name: "ignored", document: `{url: /v1}`, settings: Settings{IgnoreServers: true}, known: "/a", unknown: "/v1/a"},
		{name: "of the path", document: `{url: /v1}`, item: `{url: /v2}`, known: "/v2/a", unknown: "/v1/a"},
		{name: "of the operation", document: `{url: /v1}`, item: `{url: /v2}`, operation: `{url: /v3}`, known: "/v3/a", unknown: "/v1/a /v2/a"},
		{name: "prefix", document: `{url: /v1}`, settings: Settings{StripPrefix: "/x"}, known: "/x/v1/a", unknown: "/v1/a"},
		{
			name: "variables", known: "/v1/b/a /v2/b/a", unknown: "/v3/b/a",
			document: `{url: "https://{host}:{port}/{v}/b", variables: {host: {default: h}, port: {default: "1"}, v: {default: v1, enum: [v1, v2]}}}`,
		},
		{name: "variable alone", document: `{url: "{u}", variables: {u: {default: "https://h/v1"}}}`, known: "/v1/a", unknown: "/a"},
	} {
		c := compile(t, withServers(row.document, row.item, row.operation), row.settings)
		var m Match
		for path := range strings.FieldsSeq(row.known) {
			if c.Match("GET", path, &m); m.Operation == nil {
				t.Errorf("%s: %s is unknown", row.name, path)
			}
		}
		for path := range strings.FieldsSeq(row.unknown) {
			if c.Match("GET", path, &m); m.Operation != nil {
				t.Errorf("%s: %s is known", row.name, path)
			}
		}
	}
}

func withServers(document, item, operation string) string {
	servers := func(list string) string {
		if list == "" {
			return ""
		}
		return "servers: [" + list + "]"
	}
	return fmt.Sprintf("%s%s\npaths:\n  /a:\n    %s\n    get:\n      %s\n      responses: {'200': {description: ok}}\n",
		head30, servers(document), servers(item), servers(operation))
}

// A document that was loaded from a URL has relative servers relative to it.
func TestServersRelativeToTheDocument(t *testing.T) {
	doc, err := document.Load(t.Context(), document.Source{
		Location: "https://example.com/docs/openapi.yaml", Data: []byte(withServers("{url: v1}, {url: /v2}", "", "")),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compile(doc, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	var m Match
	for _, path := range []string{"/docs/v1/a", "/v2/a"} {
		if c.Match("GET", path, &m); m.Operation == nil {
			t.Errorf("%s is unknown", path)
		}
	}
}

func TestServerVariablesMayNotMultiplyWithoutBound(t *testing.T) {
	enum := "enum: ['0','1','2','3','4','5','6','7','8','9'], default: '0'"
	text := withServers(fmt.Sprintf(`{url: "/{a}/{b}/{c}", variables: {a: {%s}, b: {%s}, c: {%s}}}`, enum, enum, enum), "", "")
	if _, err := Compile(load(t, text), Settings{}); err == nil || !strings.Contains(err.Error(), "100 URLs") {
		t.Errorf("error %v", err)
	}
}

func TestServerVariableWithoutEnumIsNoted(t *testing.T) {
	c := compile(t, withServers(`{url: "/{tenant}", variables: {tenant: {default: demo}}}`, "", ""), Settings{})
	if n := c.Notes(); len(n) != 1 || !strings.Contains(n[0], "{tenant}") {
		t.Errorf("notes: %q", n)
	}
}
