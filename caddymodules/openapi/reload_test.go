package openapi

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/internal/adapttest"
)

// A request keeps the document that it began with, over a swap of the document and over a reload; its answer is judged
// by that one too.
func TestRequestsKeepTheirGeneration(t *testing.T) {
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	path := fileWith(t, petsDocument)
	upstream := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		w.WriteHeader(http.StatusNoContent)
	})
	directives := contractOf(path, "responses enforce") + "reverse_proxy " + upstream
	g := serve(t, directives)
	old := handlerOf(t).track.generation().number
	statuses := make(chan int)
	ask := func() {
		res, err := client.Post("http://"+g.address+"/pets", "application/json", strings.NewReader(rex))
		if err != nil {
			t.Error(err)
			statuses <- 0
			return
		}
		res.Body.Close()
		statuses <- res.StatusCode
	}
	go ask()
	<-arrived
	replaceFile(t, path, strings.Replace(petsDocument, `"204": {description: known}`, "", 1))
	eventually(t, "the new document is in force", func() bool { return handlerOf(t).track.generation().number > old })
	if err := g.load(directives); err != nil {
		t.Fatal(err)
	}
	go ask()
	<-arrived
	close(release)
	got := []int{<-statuses, <-statuses}
	if got[0]+got[1] != 204+502 {
		t.Errorf("the answers are %v, want 204 by the old document and 502 by the new one", got)
	}
	list := handlerOf(t).live.ring.list()
	if len(list) != 1 || list[0].Generation <= old || list[0].Code != "undeclared" {
		t.Errorf("%+v", list)
	}
}

// Counts belong to the name, and go on.
func TestCountsSurviveReloads(t *testing.T) {
	path := fileWith(t, petsDocument)
	g := serve(t, contractOf(path, "")+"respond ok")
	g.do("GET", "/pets?limit=x", nil)
	for range 3 {
		if err := g.load(contractOf(path, "mode report") + "respond ok"); err != nil {
			t.Fatal(err)
		}
		g.do("GET", "/pets", nil)
	}
	if err := g.load("openapi_contract pets none.yaml\nrespond ok"); err == nil {
		t.Fatal("a document that is not there is accepted")
	}
	wantMetric(t, 3, "gateway_contract_requests_total", "operation", "listPets", "result", "ok")
	wantMetric(t, 1, "gateway_contract_requests_total", "operation", "listPets", "result", "invalid")
	wantMetric(t, 1, "gateway_contract_document_info", "contract", "pets", "openapi", "3.1.0", "origin", "file")
	if n, _ := metric(t, "gateway_contract_validation_seconds", "direction", "request"); n != 4 {
		t.Errorf("%v validations are timed", n)
	}
	if len(handlerOf(t).live.ring.list()) != 1 {
		t.Error("the ring was emptied")
	}
}

// A document that loses an operation which the configuration names is taken, with a warning.
func TestADocumentThatDropsAnOperation(t *testing.T) {
	path := fileWith(t, petsDocument)
	g := serve(t, contractOf(path, "report_only upload")+"respond ok")
	wantMetric(t, 0, "gateway_contract_missing_operations", "contract", "pets")
	replaceFile(t, path, strings.Replace(petsDocument, "upload", "send", 1))
	wantMetric(t, 1, "gateway_contract_missing_operations", "contract", "pets")
	if lines := g.log.lines("the document does not have operations", "upload"); len(lines) != 1 {
		t.Errorf("%v", lines)
	}
	// nor does it keep the gateway from starting again
	stored := filepath.Join(g.storage, "weir", "contracts", "operations", "pets.json")
	eventually(t, "the operation is kept", func() bool { _, err := os.Stat(stored); return err == nil })
	adapttest.Stop(t)
	if err := g.load(contractOf(path, "report_only upload") + "respond ok"); err != nil {
		t.Fatal(err)
	}
	wantMetric(t, 1, "gateway_contract_missing_operations", "contract", "pets")
	if err := g.load(contractOf(path, "report_only uplaod") + "respond ok"); err == nil {
		t.Error("a mistyped operation was taken")
	}
}

// While a lazy document cannot be loaded, requests are refused, unless nothing is.
func TestUnavailable(t *testing.T) {
	for options, want := range map[string]int{"lazy": 503, "lazy\nmode report": 200} {
		g := serve(t, contractOf(t.TempDir()+"/none.yaml", options)+"respond ok")
		a := g.do("GET", "/pets", nil)
		if a.StatusCode != want || want == 503 && a.Header.Get("Retry-After") == "" {
			t.Errorf("%q: %d %v", options, a.StatusCode, a.Header)
		}
		wantMetric(t, 1, "gateway_contract_requests_total", "result", "unavailable")
		if err := g.load("respond ok"); err != nil {
			t.Fatal(err)
		}
	}
}
