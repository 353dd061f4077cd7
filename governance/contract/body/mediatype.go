package body

// mediatype.go reads the media types of parts.

import (
	"mime"
	"strings"
)

// mediaType is a media type or range in small letters and without parameters.
func mediaType(header string) string {
	t, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// IsJSON tells whether a media type, in small letters and without parameters, is JSON: by its name, by the suffix of
// RFC 6839, or by one of the names from before RFC 4627, which servers still read as JSON and documents still list.
func IsJSON(mediaType string) bool {
	switch mediaType {
	case "application/json", "text/json", "application/x-json", "text/x-json":
		return true
	}
	return strings.HasSuffix(mediaType, "+json")
}

// inRange tells whether a media type falls under a range such as image/* or is it.
func inRange(mediaType, r string) bool {
	main, all := strings.CutSuffix(r, "/*")
	return mediaType == r || r == "*/*" || all && strings.HasPrefix(mediaType, main+"/")
}

// ReadableCharset tells whether texts in a charset can be judged: in UTF-8 and ASCII, which are what "" is taken for.
func ReadableCharset(charset string) bool {
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8", "us-ascii":
		return true
	}
	return false
}

// readable tells whether a Content-Type is a media type and, if it is of a text, in a charset that can be judged.
func readable(contentType string) bool {
	t, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.Contains(t, "/") {
		return false
	}
	return ReadableCharset(params["charset"]) || !IsJSON(t) && !strings.HasPrefix(t, "text/")
}
