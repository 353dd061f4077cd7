package contract

// servers.go finds the base paths under which a document's operations are served.

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/weirproxy/weir/governance/contract/document"
)

// maxBases bounds what the enums of server variables multiply to.
const maxBases = 100

// bases returns the base paths of the first of the given servers that is declared: an operation's own, those of its
// path item, those of the document (OpenAPI Specification, "Server Object"). Hosts do not matter, since a gateway
// answers under its own. Each is "" or begins with a slash and does not end with one.
func (c *compiler) bases(servers ...document.Node) []string {
	if c.settings.IgnoreServers {
		return []string{""}
	}
	for _, list := range servers {
		if list.Len() == 0 {
			continue
		}
		var all []string
		for i := range list.Len() {
			all = append(all, c.serverBases(list.Item(i))...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	return []string{""}
}

func (c *compiler) serverBases(server document.Node) []string {
	location := server.Get("url").Location()
	urls, err := expand(pathOf(server.Get("url").String()), func(name string) ([]string, error) {
		variable := server.Get("variables").Get(name)
		if !variable.Exists() {
			return nil, fmt.Errorf("the server's url has the variable {%s}, which variables do not declare", name)
		}
		return c.variableValues(name, variable), nil
	})
	if err != nil {
		c.fail(location, err.Error())
		return nil
	}
	bases := make([]string, 0, len(urls))
	for _, u := range urls {
		base, err := c.resolveBase(pathOf(u))
		if err != nil {
			c.fail(location, fmt.Sprintf("the server's url is not a URL: %v", err))
			return nil
		}
		bases = append(bases, base)
	}
	return bases
}

func (c *compiler) variableValues(name string, variable document.Node) []string {
	values := []string{variable.Get("default").String()}
	enum := variable.Get("enum")
	if enum.Len() == 0 {
		c.note(variable.Location(), fmt.Sprintf("the server variable {%s} has no enum, so requests are only "+
			"recognised under its default %q; list its values, or ignore servers", name, values[0]))
		return values
	}
	for i := range enum.Len() {
		if v := enum.Item(i).String(); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// pathOf cuts scheme and host from a URL, in which there may still be variables.
func pathOf(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "//")
	if !ok || strings.Contains(scheme, "/") {
		return raw
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return "/"
}

// resolveBase makes a base path of the path of a server's URL. A relative one is relative to where the document is;
// a document that comes from a file is taken to be served at the root.
func (c *compiler) resolveBase(raw string) (string, error) {
	reference, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	root := &url.URL{Path: "/"}
	if place, err := url.Parse(c.doc.Root().Location()); err == nil && strings.HasPrefix(place.Scheme, "http") {
		root = place
	}
	base := path.Clean("/" + root.ResolveReference(reference).EscapedPath())
	return strings.TrimSuffix(base, "/"), nil
}

// expand puts all values of its variables into a template such as /{version}/api.
func expand(template string, values func(name string) ([]string, error)) ([]string, error) {
	before, rest, ok := strings.Cut(template, "{")
	if !ok {
		return []string{template}, nil
	}
	name, rest, ok := strings.Cut(rest, "}")
	if !ok {
		return nil, errors.New("the server's url has a { without }")
	}
	heads, err := values(name)
	if err != nil {
		return nil, err
	}
	tails, err := expand(rest, values)
	if err != nil {
		return nil, err
	}
	if len(heads)*len(tails) > maxBases {
		return nil, fmt.Errorf("the variables of the server's url make more than %d URLs; name fewer values, "+
			"or ignore servers", maxBases)
	}
	var all []string
	for _, head := range heads {
		for _, tail := range tails {
			all = append(all, before+head+tail)
		}
	}
	return all, nil
}
