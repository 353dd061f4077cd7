package openapi

// source_name.go holds what is to be known of a document's place and of the contract's name before anything is loaded.

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// maxNameBytes bounds what becomes a label and a path.
const maxNameBytes = 100

// isURL tells a document's URL from the path of a file.
func isURL(source string) bool {
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
}

// baseName is the last part of a file's path or a URL's, without its extension.
func baseName(source string) string {
	name := source
	if isURL(source) {
		u, err := url.Parse(source)
		if err != nil {
			return ""
		}
		if name = strings.TrimRight(u.Path, "/"); name == "" {
			return u.Hostname()
		}
	}
	name = filepath.Base(filepath.FromSlash(name))
	if short := strings.TrimSuffix(name, filepath.Ext(name)); short != "" {
		name = short
	}
	return name
}

// shownSource is the source without what may be secret in a URL: user and query.
func shownSource(source string) string {
	if !isURL(source) {
		return source
	}
	u, err := url.Parse(source)
	if err != nil {
		return "a URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

func (h *Handler) checkSource() error {
	switch {
	case h.Source == "":
		return errors.New("a document is needed: openapi_contract [<name>] <file or URL>")
	case strings.ContainsAny(h.Source, "{}"):
		return fmt.Errorf("source %q contains a placeholder: it must be a fixed text", shownSource(h.Source))
	case !isURL(h.Source) && strings.Contains(h.Source, "://"):
		return fmt.Errorf("source %q is neither a file nor an http or https URL", h.Source)
	}
	if !isURL(h.Source) {
		return nil
	}
	u, err := url.Parse(h.Source)
	if err != nil || u.Host == "" {
		return errors.New("the source is not a URL that can be read, such as https://api.example.com/openapi.yaml")
	}
	return nil
}

func (h *Handler) checkName() error {
	switch name := h.Name; {
	case name == "" || name == "." || name == "/":
		return errors.New("a name is needed: openapi_contract <name> <file or URL>")
	case len(name) > maxNameBytes:
		return fmt.Errorf("name %q... is longer than %d bytes", strings.ToValidUTF8(name[:20], ""), maxNameBytes)
	case !utf8.ValidString(name):
		return fmt.Errorf("name %q is not valid UTF-8", name)
	case strings.ContainsAny(name, "{}"):
		return fmt.Errorf("name %q contains a placeholder: it must be a fixed text", name)
	}
	return nil
}
