package contractdiff

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// exchange is a request, or a response to it, that all three judge.
type exchange struct {
	document *specimen
	title    string // which operation, and what was done to it
	odd      string // "query limit=0x1F": the parameter that is in question, and how it is written

	method, target string // target is an absolute URL, or a path for a document without servers
	header         http.Header
	body           []byte

	response       bool // the response is judged, not the request
	status         int
	responseHeader http.Header
	responseBody   []byte
}

// request makes the request anew, since judges read bodies and change what they like.
func (x *exchange) request() (*http.Request, error) {
	u, err := url.Parse(x.target)
	if err != nil {
		return nil, err
	}
	r := &http.Request{
		Method: x.method, URL: u, Host: u.Host, Header: x.header.Clone(), Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RequestURI: u.RequestURI(),
	}
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	if len(x.body) > 0 {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(x.body)), int64(len(x.body))
	}
	return r, nil
}

func (x *exchange) httpResponse(r *http.Request) *http.Response {
	return &http.Response{
		StatusCode: x.status, Header: x.responseHeader.Clone(), Request: r,
		Body: io.NopCloser(bytes.NewReader(x.responseBody)), ContentLength: int64(len(x.responseBody)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// sent are the texts of a parameter, as they stand in the request. Of those that are not in the query only the one in
// question is known.
func (x *exchange) sent(in, name string) (texts []string) {
	if in != "query" {
		if text, ok := strings.CutPrefix(x.odd, in+" "+name+"="); ok {
			texts = append(texts, text)
		}
		return texts
	}
	_, query, _ := strings.Cut(x.target, "?")
	for pair := range strings.SplitSeq(query, "&") {
		rawName, text, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(rawName); err == nil && decoded == name {
			texts = append(texts, text)
		}
	}
	return texts
}

// judged is the body that is judged.
func (x *exchange) judged() []byte {
	if x.response {
		return x.responseBody
	}
	return x.body
}

// String shows an exchange to whoever has to find out why it is judged differently.
func (x *exchange) String() string {
	text := fmt.Sprintf("%s [%s] %s %s", x.document.name, x.title, x.method, cut(x.target))
	if x.response {
		return text + fmt.Sprintf(" -> %d %v %q", x.status, x.responseHeader, cut(string(x.responseBody)))
	}
	return text + fmt.Sprintf(" %v %q", x.header, cut(string(x.body)))
}

func cut(text string) string {
	const most = 600
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// finding is one thing that a judge holds against an exchange.
type finding struct {
	in, name string // where: path, query, header, cookie, body; the name of a parameter
	pointer  string // into the value
	code     string // weir's code, kin's schema field, pb33f's types of error
	text     string // what the judge says
}

func (f finding) String() string {
	return fmt.Sprintf("{%s %s %s | %s | %s}", f.in, f.name, f.pointer, f.code, cut(f.text))
}

// judge is an implementation. No findings: the exchange keeps the contract.
type judge interface {
	judge(x *exchange) []finding
}
