package integration

// ask_test.go sends single requests.

import (
	"net/http"
	"testing"
)

// connectAgain is how often a connection that ended without an answer is made anew;
// see Result.Unanswered.
const connectAgain = 3

// ask sends a GET request and returns its answer.
func ask(t *testing.T, client *http.Client, target string, header http.Header) *Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		r.Host = host
	}
	a, err := do(client, r)
	for range connectAgain {
		if err == nil {
			break
		}
		a, err = do(client, r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}
