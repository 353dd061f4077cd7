package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/internal/freeport"
)

// errorSites are three sites on one port whose back end is down. They differ in
// what they say about errors.
const errorSites = `{
	admin %s
	auto_https off
	persist_config off
}
http://silent.test:%[2]s {
	bind 127.0.0.1
	trace_context
	request_metrics silent
	reverse_proxy %[3]s {
		lb_policy success_weighted {
			name silent
		}
	}
}
http://matching.test:%[2]s {
	bind 127.0.0.1
	trace_context
	request_metrics matching
	handle_errors 5xx {
		header Content-Type text/plain
		respond "our own page for {err.status_code}" 599
	}
	reverse_proxy %[3]s {
		lb_policy success_weighted {
			name matching
		}
	}
}
http://other.test:%[2]s {
	bind 127.0.0.1
	trace_context
	request_metrics other
	handle_errors 404 {
		respond "not here"
	}
	reverse_proxy %[3]s {
		lb_policy success_weighted {
			name other
		}
	}
}
`

func TestEachSiteRendersTheErrorsOfItsDeadBackEnds(t *testing.T) {
	t.Parallel()
	backend := NewBackend(t, "one")
	backend.Die()
	admin, address := freeport.Address(t), freeport.Address(t)
	_, port, _ := strings.Cut(address, ":")
	g := Start(t, Weir(t), admin, fmt.Sprintf(errorSites, admin, port, backend.Address))
	client := NewClient(1)

	const each = 3
	for _, test := range []struct {
		route  string
		status int
		page   string // empty: problem+json
	}{
		{"silent", 502, ""},
		{"matching", 599, "our own page for 502"},
		{"other", 502, ""},
	} {
		t.Run(test.route, func(t *testing.T) {
			for range each {
				a := ask(t, client, "http://"+address+"/", http.Header{"Host": {test.route + ".test"}})
				if test.page == "" {
					wantProblem(t, a, test.status)
					if !strings.Contains(a.Body, `"trace_id"`) {
						t.Errorf("the problem has no trace id: %s", a.Body)
					}
					if strings.Contains(a.Body, backend.Address) {
						t.Errorf("the problem tells clients the back end's address: %s", a.Body)
					}
				} else if a.Status != test.status || a.MediaType() != "text/plain" || a.Body != test.page {
					t.Errorf("got %d %s %q, want %d text/plain %q", a.Status, a.MediaType(), a.Body, test.status, test.page)
				}
			}
			m := g.Metrics()
			status := fmt.Sprint(test.status)
			if n := m.Sum("gateway_http_requests_total", "route", test.route, "method", "GET", "status", status); n != each {
				t.Errorf("%v requests are counted with the status %s, want %d; all: %v", n, status, each, m.Series("gateway_http_requests_total"))
			}
			for _, name := range []string{"gateway_http_requests_total", "gateway_http_request_duration_seconds"} {
				if n := m.Sum(name, "route", test.route); n != each {
					t.Errorf("%s of the route is %v, want %d", name, n, each)
				}
			}
		})
	}
}
