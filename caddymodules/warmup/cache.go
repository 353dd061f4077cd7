package warmup

// cache.go reads from an answer whether it came from a cache.

import (
	"net/http"
	"strings"
	"unicode"

	"github.com/dunglas/httpsfv"

	"github.com/weirproxy/weir/governance/ramp"
)

// cacheOf reads the header of that name, by default Cache-Status. An answer that
// does not tell, or not in a way that can be read, is no sample.
func cacheOf(h http.Header, name string) ramp.Cache {
	if name == "" {
		return cacheStatus(h["Cache-Status"])
	}
	values := h.Values(name)
	if len(values) == 0 {
		return ramp.NoCache
	}
	for _, value := range values {
		if hasWordHit(value) {
			return ramp.Hit
		}
	}
	return ramp.Miss
}

// cacheStatus reads Cache-Status (RFC 9211): a list of caches, each with the
// parameter hit if it had the answer. Any of them spares the service the work.
func cacheStatus(values []string) ramp.Cache {
	if len(values) == 0 {
		return ramp.NoCache
	}
	caches, err := httpsfv.UnmarshalList(values)
	if err != nil || len(caches) == 0 {
		return ramp.NoCache
	}
	for _, member := range caches {
		item, ok := member.(httpsfv.Item)
		if !ok || item.Params == nil {
			continue
		}
		if value, ok := item.Params.Get("hit"); ok && value == true {
			return ramp.Hit
		}
	}
	return ramp.Miss
}

// hasWordHit finds hit among the words of headers that follow no standard: "HIT",
// "Hit from cloudfront", "TCP_HIT", "HIT, MISS".
func hasWordHit(value string) bool {
	for word := range strings.FieldsFuncSeq(value, func(r rune) bool { return !unicode.IsLetter(r) }) {
		if strings.EqualFold(word, "hit") {
			return true
		}
	}
	return false
}
