package canary

// decide_fixture_test.go runs gateways in the test process, and asks them for decisions.

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/cohort"
	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
)

const (
	signingKey = "the key of today, 32 bytes long."
	formerKey  = "the key of before, 32 bytes too."
)

// deciding is a site that says what canary_route, with options, decides about a request.
func deciding(options string) string {
	return "canary_route checkout {\n" + options + "\n}\n" +
		`respond "stage={http.canary.checkout.stage} reason={http.canary.checkout.reason} upstream={http.request.header.X-Release-Stage}"`
}

// gateway is a gateway in the test process.
type gateway struct{ url string }

// startGateway runs a gateway with a site, and with settings for its server, until the test
// ends.
func startGateway(t *testing.T, settings, site string) gateway {
	t.Helper()
	listen := freeport.Address(t)
	loadGateway(t, listen, settings, site)
	t.Cleanup(func() {
		adapttest.Stop(t)
	})
	return gateway{"http://" + listen}
}

func loadGateway(t *testing.T, listen, settings, site string) {
	t.Helper()
	options := fmt.Sprintf(`	log {
		output discard
	}
	storage file_system {
		root %q
	}
	servers {
		%s
	}
`, t.TempDir(), settings)
	if err := adapttest.LoadCaddyfile(t, options, fmt.Sprintf("http://%s {\n\t%s\n}\n", listen, site)); err != nil {
		t.Fatalf("loading: %v", err)
	}
}

// decided is what a gateway says about a request.
type decided struct {
	status                  int
	stage, reason, upstream string
	cookie                  string // that it set
}

// ask sends a request with headers, each "Name: value".
func (g gateway) ask(t *testing.T, path string, headers ...string) decided {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, g.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header[name] = append(req.Header[name], value) // spelled as given
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	d := decided{status: res.StatusCode}
	for field := range strings.FieldsSeq(string(body)) {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "stage":
			d.stage = value
		case "reason":
			d.reason = value
		case "upstream":
			d.upstream = value
		}
	}
	for _, cookie := range res.Cookies() {
		if cookie.Name == "weir" {
			d.cookie = cookie.Value
		}
	}
	return d
}

// want checks the stage and the reason of an answer, and that the upstream is told.
func (d decided) want(t *testing.T, stage, reason string) {
	t.Helper()
	if d.status != http.StatusOK || d.stage != stage || d.reason != reason {
		t.Errorf("got %d, stage %q by %q; want stage %s by %s", d.status, d.stage, d.reason, stage, reason)
	}
	if d.upstream != d.stage {
		t.Errorf("the upstream is told %q, but the stage is %q", d.upstream, d.stage)
	}
}

// signer is that of the gateway's cookie, or of another one.
func signer(t testing.TB, experiment string, keys ...string) *cohort.Signer {
	t.Helper()
	var all [][]byte
	for _, key := range keys {
		all = append(all, []byte(key))
	}
	s, err := cohort.NewSigner(experiment, all...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The experiment of a release checkout without a seed.
const experiment = "checkout\x00checkout"

// Points that are in the canary, and in stable, at half each.
const (
	low  = cohort.Point(1 << 62)
	high = cohort.Point(3 << 62)
)

// userOf returns the id of a user who is in the canary at half of them, or is not.
func userOf(t testing.TB, inCanary bool) string {
	t.Helper()
	hasher := cohort.NewHasher("checkout")
	for i := range 1000 {
		id := fmt.Sprintf("user-%d", i)
		if (hasher.Point(id).Fraction() < 0.5) == inCanary {
			return id
		}
	}
	t.Fatal("no such user")
	return ""
}
