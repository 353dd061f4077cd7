package consumer

import (
	"maps"
	"testing"
)

func TestHeadersOfAnyJSON(t *testing.T) {
	var m Message
	err := m.decode(map[string]string{
		"id": "1", "topic": "t", "payload": "",
		"headers": `{"tenant": "a\u0062c", "number": 1.50, "yes": true, "no": null, "object": {"a": 1}, "list": []}`,
	}, "g", 1000)
	want := map[string]string{"tenant": "abc", "number": "1.50", "yes": "true"}
	if err != nil || !maps.Equal(m.Headers, want) {
		t.Errorf("headers %v, %v, want %v", m.Headers, err, want)
	}
	for _, text := range []string{"no JSON", `"a"`, "[]", "7"} {
		if _, err := decodeHeaders(text); err == nil || err.Error() != "the entry's headers are not a JSON object" {
			t.Errorf("%s: %v", text, err)
		}
	}
	if headers, err := decodeHeaders("null"); err != nil || len(headers) > 0 {
		t.Errorf("null: %v, %v", headers, err)
	}
}
