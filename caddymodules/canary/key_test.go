package canary

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestKeys(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/?user=anna&empty=", nil)
	r.Header["X-User-Id"] = []string{"one"}
	r.Header["X-Twice"] = []string{"one", "two"}
	r.Header["Cookie"] = []string{`uid=three; quoted="four"; empty=`}
	repl := caddy.NewReplacer()
	r = caddyhttp.PrepareRequest(r, repl, httptest.NewRecorder(), new(caddyhttp.Server))
	for _, c := range []struct {
		text  string
		plain bool // it is read without the replacer
		want  string
	}{
		{"{http.request.header.X-User-Id}", true, "one"},
		{"{http.request.header.x-user-id}", true, "one"},
		{"{http.request.header.X-Twice}", true, "one,two"},
		{"{http.request.header.X-None}", true, ""},
		{"{http.request.cookie.uid}", true, "three"},
		{"{http.request.cookie.quoted}", true, "four"},
		{"{http.request.cookie.empty}", true, ""},
		{"{http.request.cookie.none}", true, ""},
		{"{http.request.uri.query.user}", false, "anna"},
		{"{http.request.uri.query.empty}", false, ""},
		{"user-{http.request.uri.query.user}", false, "user-anna"},
		{"user-{http.request.uri.query.empty}", false, ""},
		{"{http.request.header.X-User-Id}/{http.request.uri.query.user}", false, "one/anna"},
		{"{http.request.header.X-User-Id}/{http.request.uri.query.empty}", false, ""},
		{"{nonsense}", false, ""},
	} {
		k, err := newKey(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := k.of(r, repl); got != c.want {
			t.Errorf("%s is %q, want %q", c.text, got, c.want)
		}
		if plain := k.text == ""; plain != c.plain {
			t.Errorf("%s is read without the replacer: %v, want %v", c.text, plain, c.plain)
		}
		// what is read without it, is what it would say
		if said := repl.ReplaceAll(c.text, ""); c.plain && said != c.want {
			t.Errorf("%s: the replacer says %q", c.text, said)
		}
	}
}
