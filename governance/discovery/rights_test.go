package discovery

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

// Consul does not say to who gives no token that it left entries out; what needs the same
// right and is asked for alone it refuses.
func TestARightThatIsMissingWithoutAToken(t *testing.T) {
	const no = "Permission denied: anonymous token lacks permission"
	for name, test := range map[string]struct {
		policy string
		alone  int // status of the answer to a question about one thing
		tells  string
	}{
		"no right":                    {"deny", 403, no},
		"a right, and none are there": {"deny", 404, ""},
		"cannot be asked alone":       {"deny", 500, ""},
		"all may read":                {"allow", 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newConsul()
				c.behave(func(r *http.Request) (*http.Response, error) {
					index, body := uint64(500), "[]"
					if r.URL.Path == "/v1/kv/weir/services/web/" && r.URL.Query().Has("recurse") {
						body = ""
					} else if r.URL.Path != "/v1/health/service/web" {
						return reply(test.alone, nil, no), nil
					}
					response := reply(200, &index, body)
					if body == "" {
						response.StatusCode = 404
					}
					response.Header.Set("X-Consul-Default-Acl-Policy", test.policy)
					return response, nil
				})
				kv, err := KV(c.client(t), "", "web")
				if err != nil {
					t.Fatal(err)
				}
				catalogue, err := Catalogue(c.client(t), "web", "", false)
				if err != nil {
					t.Fatal(err)
				}
				for _, source := range []Source{kv, catalogue} {
					answer, err := source.Ask(t.Context(), 0, 0)
					if test.tells == "" && (err != nil || answer.Index != 500) {
						t.Errorf("%s: %+v, %v; want an empty answer", source.Name(), answer, err)
					}
					if test.tells != "" && (err == nil || !strings.Contains(err.Error(), test.tells)) {
						t.Errorf("%s: the error is %v, want %q", source.Name(), err, test.tells)
					}
				}
			})
		})
	}
}
