package webhook

// target.go holds where a message is posted.

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// placeholder stands for a message's topic in the path of a URL.
const placeholder = "{topic}"

// target is Settings.URL without the user.
type target struct {
	// template is the URL; fixed is it, parsed, if no topic is in it.
	template string
	fixed    *url.URL
	// origin is scheme and host: what errors may name.
	origin string
	user   *url.Userinfo
	// hidden are the parts that may be secrets.
	hidden []string
}

// parseTarget leaves out of its errors what was parsed, since a secret may be in it.
func parseTarget(address string) (*target, error) {
	if address == "" {
		return nil, errors.New("url: not set")
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("url: not a URL; {topic} may be in its path only")
	}
	switch {
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return nil, errors.New("url: must begin with http:// or https://")
	case parsed.Hostname() == "":
		return nil, errors.New("url: has no host")
	case parsed.Fragment != "" || strings.Contains(address, "#"):
		return nil, errors.New("url: must not have a fragment")
	case strings.Count(parsed.Path, placeholder) != strings.Count(address, placeholder):
		return nil, errors.New("url: {topic} may be in its path only")
	}
	t := &target{origin: parsed.Scheme + "://" + parsed.Host, user: parsed.User}
	t.hide(parsed)
	if t.user != nil {
		_, rest, _ := strings.Cut(address, "//")
		authority := len(rest)
		if end := strings.IndexAny(rest, "/?"); end >= 0 {
			authority = end
		}
		address = parsed.Scheme + "://" + rest[strings.LastIndexByte(rest[:authority], '@')+1:]
	}
	t.template = address
	if !strings.Contains(address, placeholder) {
		parsed.User = nil
		t.fixed = parsed
	}
	return t, nil
}

// hide notes the parts of a URL that may be secrets: the fixed parts of its path, its
// query, and that one's values.
func (t *target) hide(parsed *url.URL) {
	for _, path := range []string{parsed.Path, parsed.RawPath} {
		t.hidden = append(t.hidden, strings.Split(path, placeholder)...)
		// a receiver that repeats a token does not repeat the path around it
		t.hidden = append(t.hidden, strings.Split(path, "/")...)
	}
	t.hidden = append(t.hidden, parsed.RawQuery)
	for _, values := range parsed.Query() {
		t.hidden = append(t.hidden, values...)
	}
	if t.user != nil {
		password, _ := t.user.Password()
		t.hidden = append(t.hidden, password)
	}
}

// url returns where messages of a topic are posted.
func (t *target) url(topic string) (*url.URL, error) {
	if t.fixed != nil {
		return t.fixed, nil
	}
	// Escaped or not, receivers and proxies take dots for a way up, where the topic
	// would choose an address.
	if slices.ContainsFunc(strings.FieldsFunc(topic, isSlash), isDots) {
		return nil, errors.New("the topic has a . or .. where a path has a folder")
	}
	parsed, err := url.Parse(strings.ReplaceAll(t.template, placeholder, url.PathEscape(topic)))
	if err != nil {
		return nil, errors.New("the topic does not fit into the URL")
	}
	return parsed, nil
}

func isSlash(r rune) bool { return r == '/' || r == '\\' }

func isDots(part string) bool { return part == "." || part == ".." }

// authorize adds the URL's user to the headers, unless they have another.
func (t *target) authorize(header http.Header) {
	if _, ok := header["Authorization"]; ok || t.user == nil {
		return
	}
	password, _ := t.user.Password()
	header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(t.user.Username()+":"+password)))
}
