package webhook

import (
	"net/http"
	"strings"
	"testing"
)

func TestTargets(t *testing.T) {
	for _, test := range []struct{ address, topic, want string }{
		{"https://example.com/hooks", "orders", "https://example.com/hooks"},
		{"http://10.0.0.1:8080", "orders", "http://10.0.0.1:8080"},
		{"https://example.com/hooks?a=1&b=%20", "orders", "https://example.com/hooks?a=1&b=%20"},
		{"https://example.com/a%2Fb/{topic}/c", "orders", "https://example.com/a%2Fb/orders/c"},
		{"https://example.com/{topic}/{topic}?x=1", "orders", "https://example.com/orders/orders?x=1"},
		{"https://example.com/{topic}", "a/b?c#d@e:f%2F", "https://example.com/a%2Fb%3Fc%23d@e:f%252F"},
		{"https://example.com/{topic}", "//evil.example", "https://example.com/%2F%2Fevil.example"},
		{"https://example.com{topic}", "", ""},
		{"https://example.com/v-{topic}", "größe \x00\n", "https://example.com/v-gr%C3%B6%C3%9Fe%20%00%0A"},
		{"https://example.com/{topic}", "a..b.c", "https://example.com/a..b.c"},
		{"https://user:pass@example.com/{topic}", "x@y", "https://example.com/x@y"},
		{"https://us%40er:pass@example.com/@/{topic}", "x", "https://example.com/@/x"},
		{"https://user@example.com", "x", "https://example.com"},
	} {
		target, err := parseTarget(test.address)
		if test.want == "" {
			if err == nil {
				t.Errorf("%s is taken", test.address)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.address, err)
			continue
		}
		address, err := target.url(test.topic)
		if err != nil || address.String() != test.want || address.User != nil {
			t.Errorf("%s with %q: %v, %v, want %s", test.address, test.topic, address, err, test.want)
		}
	}
}

func TestTopicsThatLeadAstray(t *testing.T) {
	target, err := parseTarget("https://example.com/hooks/{topic}")
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{".", "..", "../admin", "a/../b", "a/..", `..\admin`, "a/./b", "//.."} {
		if address, err := target.url(topic); err == nil {
			t.Errorf("%s: %s", topic, address)
		}
	}
}

func TestBadTargets(t *testing.T) {
	for _, address := range []string{
		"", "secret-word", "/secret-word", "ftp://example.com", "https://", "https:///secret-word", "https://:80",
		"http://{topic}.example.com/secret-word", "http://{topic}/", "{topic}://example.com", "https://{topic}@example.com",
		"https://user:{topic}@example.com", "https://example.com:{topic}/", "https://example.com/?secret-word={topic}",
		"https://example.com/{topic}?x={topic}", "https://example.com/#secret-word", "https://example.com/#", "https://example.com/#{topic}",
		"https://example.com/secret-word%zz", "https://user:secret-word@exa mple.com", "https://example.com/\n",
	} {
		_, err := parseTarget(address)
		if err == nil || !strings.HasPrefix(err.Error(), "url: ") || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: error %v", address, err)
		}
	}
}

func TestUserOfAURL(t *testing.T) {
	target, err := parseTarget("https://us%40er:pa%3Ass@example.com/")
	if err != nil {
		t.Fatal(err)
	}
	header := make(http.Header)
	target.authorize(header)
	if user, password, ok := (&http.Request{Header: header}).BasicAuth(); !ok || user != "us@er" || password != "pa:ss" {
		t.Errorf("%s, %s, %t", user, password, ok)
	}
	header.Set("Authorization", "Bearer x")
	target.authorize(header)
	if got := header.Get("Authorization"); got != "Bearer x" {
		t.Errorf("Authorization is %s", got)
	}
}
