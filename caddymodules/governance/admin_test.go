package governance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
)

func TestDocumentation(t *testing.T) { adapttest.Page(t, "../../docs/modules/governance.md") }

// thing is live state that takes commands; plain takes none.
type thing struct{ Name string }

func (t *thing) Snapshot() any { return t }

func (t *thing) Control(path []string, body []byte) (any, error) {
	switch {
	case len(path) != 1 || path[0] != "a/b":
		return nil, fmt.Errorf("%w: %q", livestate.ErrNotFound, path)
	case string(body) != "{}":
		return nil, fmt.Errorf("%w: %q", livestate.ErrInvalid, body)
	default:
		return map[string]string{"done": t.Name}, nil
	}
}

// paper is live state that is given as a document, of at most 8 bytes, and has more to show than in a list.
type paper struct{ text string }

func (p *paper) Snapshot() any    { return p.text }
func (p *paper) Detail() any      { return map[string]string{"text": p.text} }
func (*paper) MaxDocument() int64 { return 8 }

func (p *paper) Replace(body []byte, contentType string) (any, error) {
	if string(body) == "away" {
		return nil, fmt.Errorf("%w: the press", livestate.ErrUnavailable)
	}
	p.text = contentType + " " + string(body)
	return p.text, nil
}

type plain struct{ Name string }

func (p plain) Snapshot() any { return p }

func hold(t *testing.T, kind, name string, view livestate.View) {
	t.Helper()
	_, handle, err := livestate.Acquire(livestate.Default, livestate.Claim{Key: livestate.Key{Kind: kind, Name: name}},
		func() (int, error) { return 0, nil })
	if err != nil {
		t.Fatal(err)
	}
	handle.Show(view)
	t.Cleanup(handle.Release)
}

func request(t *testing.T, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	routes := new(Admin).Routes()
	if len(routes) != 1 || !strings.HasPrefix(target, routes[0].Pattern) {
		t.Fatalf("%s is not served", target)
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "text/plain")
	if err := routes[0].Handler.ServeHTTP(w, r); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAnswers(t *testing.T) {
	hold(t, "things", "b", &thing{"b"})
	hold(t, "things", "a/c", &thing{"a/c"})
	hold(t, "plains", "p", plain{"p"})
	hold(t, "papers", "p", &paper{"old"})
	for _, tc := range []struct {
		method, target, body string
		status               int
		want                 string
	}{
		{"GET", "/governance/", "", 200, `{"papers":["old"],"plains":[{"Name":"p"}],"things":[{"Name":"a/c"},{"Name":"b"}]}`},
		{"GET", "/governance/things", "", 200, `[{"Name":"a/c"},{"Name":"b"}]`},
		{"GET", "/governance/things/", "", 200, `[{"Name":"a/c"},{"Name":"b"}]`},
		{"GET", "/governance/things/b", "", 200, `{"Name":"b"}`},
		{"GET", "/governance/things/a%2Fc", "", 200, `{"Name":"a/c"}`},
		{"POST", "/governance/things/b/a%2Fb", "{}", 200, `{"done":"b"}`},
		{"GET", "/governance/nothings", "", 404, "not found"},
		{"GET", "/governance/things/z", "", 404, `no things are named`},
		{"GET", "/governance/things/b/a%2Fb", "", 404, "not found"},
		{"POST", "/governance/", "{}", 404, "not found"},
		{"POST", "/governance/things", "{}", 404, "not found"},
		{"POST", "/governance/things/z/a", "{}", 404, "no things are named"},
		{"POST", "/governance/things/b/z", "{}", 404, "not found"},
		{"POST", "/governance/plains/p/a", "{}", 404, "not found"},
		{"POST", "/governance/things/b/a%2Fb", "nonsense", 400, "nonsense"},
		{"POST", "/governance/things/b/a%2Fb", strings.Repeat("x", maxBody+1), 400, "too large"},
		{"GET", "/governance/papers", "", 200, `["old"]`},
		{"GET", "/governance/papers/p", "", 200, `{"text":"old"}`},
		{"PUT", "/governance/papers/p", "12345678", 200, `"text/plain 12345678"`},
		{"GET", "/governance/papers/p", "", 200, `{"text":"text/plain 12345678"}`},
		{"PUT", "/governance/papers/p", "123456789", 400, "at most 8 bytes"},
		{"PUT", "/governance/papers/p", "away", 503, "the press"},
		{"PUT", "/governance/papers/z", "new", 404, "no papers are named"},
		{"PUT", "/governance/papers/p/q", "new", 404, "not found"},
		{"PUT", "/governance/papers", "new", 404, "not found"},
		{"PUT", "/governance/things/b", "new", 405, "GET, POST"},
		{"DELETE", "/governance/things/b", "", 405, "here: GET, POST\""},
		{"DELETE", "/governance/things/z", "", 405, "here: GET, POST\""},
		{"DELETE", "/governance/papers/p", "", 405, "here: GET, POST, PUT\""},
	} {
		w := request(t, tc.method, tc.target, tc.body)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s %s: %d %s, want %d with %s", tc.method, tc.target, w.Code, w.Body, tc.status, tc.want)
		}
		if allow := w.Header().Get("Allow"); (allow != "") != (tc.status == http.StatusMethodNotAllowed) {
			t.Errorf("%s %s: Allow is %q", tc.method, tc.target, allow)
		}
		want := "application/json"
		if tc.status != http.StatusOK {
			want = "application/problem+json"
		}
		if got := w.Header().Get("Content-Type"); got != want || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %s %s, want valid %s", tc.method, tc.target, got, w.Body, want)
		}
	}
}

// An empty registry is an empty object, not null.
func TestNothingIsLive(t *testing.T) {
	if got := strings.TrimSpace(request(t, "GET", "/governance/", "").Body.String()); got != "{}" {
		t.Errorf("got %s", got)
	}
}
