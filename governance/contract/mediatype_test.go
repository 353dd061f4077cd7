package contract

import "testing"

func TestKindOf(t *testing.T) {
	for mediaType, want := range map[string]kind{
		"application/json": jsonText, "application/problem+json": jsonText, "text/json": jsonText,
		"application/x-json": jsonText, "text/x-json": jsonText,
		"application/x-www-form-urlencoded": form, "multipart/form-data": multipart, "multipart/mixed": opaque,
		"application/octet-stream": octets, "text/plain": plainText, "text/html": plainText, "text/csv": plainText,
		"text/xml": opaque, "text/foo+xml": opaque, "text/event-stream": opaque, "application/xml": opaque,
		"application/yaml": opaque, "image/png": opaque, "application/json-seq": opaque, "application/x-ndjson": opaque,
	} {
		if got := kindOf(mediaType); got != want {
			t.Errorf("%s: %d, want %d", mediaType, got, want)
		}
	}
}

// Each range has a check of its own for each kind, so the check tells which range was found.
func TestFindMediaType(t *testing.T) {
	declared := []string{
		"*/*", "text/*", "text/plain", "application/json", "application/json;profile=\"a\"",
		"application/json; profile=b; v=1", "application/vnd.x+json;v=2", "image/*",
	}
	names := make(map[*BodyCheck]string)
	build := func(declared ...string) *content {
		var ranges []mediaRange
		for _, name := range declared {
			r, ok := parseRange(name)
			if !ok {
				t.Fatal(name)
			}
			for k := range r.checks {
				if !r.exact || kind(k) == kindOf(r.name) {
					r.checks[k] = new(BodyCheck)
					names[r.checks[k]] = name
				}
			}
			ranges = append(ranges, r)
		}
		return newContent(ranges)
	}
	c := build(declared...)
	for contentType, want := range map[string]string{
		"text/plain":                              "text/plain",
		"TEXT/Plain; charset=UTF-8":               "text/plain",
		"text/plain;charset=latin1":               "",
		"text/html":                               "text/*",
		"application/json":                        "application/json",
		"application/json; charset=utf-8":         "application/json",
		"application/json;profile=a":              "application/json;profile=\"a\"",
		"application/json; profile=A; x=1":        "application/json;profile=\"a\"",
		"application/json; profile=c":             "application/json",
		"application/json; profile=b":             "application/json",
		"application/json; v=1; profile=b":        "application/json; profile=b; v=1",
		"application/vnd.x+json":                  "*/*",
		"application/vnd.x+json; v=2":             "application/vnd.x+json;v=2",
		"application/vnd.x+json; v=3":             "*/*",
		"image/png":                               "image/*",
		"image/png; charset=binary":               "image/*",
		"audio/ogg":                               "*/*",
		"":                                        "",
		"json":                                    "",
		"text/plain; charset":                     "",
		"application/json; charset=a; charset=b":  "",
		"application/json, application/json":      "",
		"application/json; charset=utf-16; v=1":   "",
		"multipart/form-data; boundary=something": "*/*",
	} {
		check, ok := c.find(contentType)
		if ok != (want != "") || names[check] != want {
			t.Errorf("%q: %q, want %q", contentType, names[check], want)
		}
	}
	if c.accepted.Accepted != "*/*, application/json, application/vnd.x+json, image/*, text/*, text/plain" {
		t.Errorf("accepted: %s", c.accepted.Accepted)
	}
	// A range of a suffix is no more than that.
	c = build("application/*", "application/*+json", "text/*+xml")
	for contentType, want := range map[string]string{
		"application/vnd.x+json": "application/*+json", "application/merge-patch+json; v=1": "application/*+json",
		"application/json": "application/*", "application/*+json": "application/*+json", "text/foo+xml": "text/*+xml",
		"text/plain": "", "text/foo+json": "",
	} {
		if check, ok := c.find(contentType); ok != (want != "") || names[check] != want {
			t.Errorf("%q: %q, want %q", contentType, names[check], want)
		}
	}
	// One that is only declared with a parameter also takes a message that does not say which.
	c = build("application/vnd.x+json;v=2")
	for contentType, want := range map[string]bool{
		"application/vnd.x+json": true, "application/vnd.x+json; v=2": true, "application/vnd.x+json; v=3": false,
		"application/vnd.x+json; charset=utf-8": true, "application/json": false,
	} {
		if _, ok := c.find(contentType); ok != want {
			t.Errorf("%s: %v, want %v", contentType, ok, want)
		}
	}
}

func TestFindingTheUsualMediaTypeAllocatesNothing(t *testing.T) {
	c := compile(t, head30+bodies, Settings{})
	op := operation(t, c, "POST", "/json")
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8"} {
		r := message{contentType: contentType, body: "{}"}.request()
		if n := testing.AllocsPerRun(100, func() { op.RequestBody(r) }); n != 0 {
			t.Errorf("%s: %v allocations", contentType, n)
		}
	}
}

func TestRangesThatAreNone(t *testing.T) {
	for _, name := range []string{"", "json", "*", "*/json", "application/", "/json", "application/json;x", "a b/c"} {
		if _, ok := parseRange(name); ok {
			t.Errorf("%q is accepted", name)
		}
	}
}
