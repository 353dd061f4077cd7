package openapi

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/internal/adapttest"
)

func TestGoldenFiles(t *testing.T) { adapttest.Run(t, "testdata") }

func TestDocumentation(t *testing.T) {
	const file = "../../docs/modules/openapi_contract.md"
	adapttest.Page(t, file)
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range slices.Concat(requestResults[:], responseResults[:]) {
		if !strings.Contains(string(page), "`"+result+"`") {
			t.Errorf("the page does not explain the result %s", result)
		}
	}
}

func TestNames(t *testing.T) {
	for source, want := range map[string]string{
		"/etc/weir/petstore.yaml": "petstore",
		"petstore.v1.json":        "petstore.v1",
		"petstore":                "petstore",
		".hidden":                 ".hidden",
		"https://example.com/api/petstore.json?a=b": "petstore",
		"https://example.com/api/":                  "api",
		"https://example.com":                       "example.com",
	} {
		if got := baseName(source); got != want {
			t.Errorf("%s is named %q, want %q", source, got, want)
		}
	}
}

func TestShownSource(t *testing.T) {
	for source, want := range map[string]string{
		"/etc/weir/petstore.yaml":                           "/etc/weir/petstore.yaml",
		"https://user:secret@example.com/a.yaml?key=secret": "https://example.com/a.yaml",
		"https://exa mple.com/secret":                       "a URL",
	} {
		if got := shownSource(source); got != want {
			t.Errorf("%s is shown as %q, want %q", source, got, want)
		}
	}
}

// What JSON can say and a Caddyfile cannot.
func TestConfigurationsThatMakeNoSense(t *testing.T) {
	minus := caddy.Duration(-time.Second)
	for want, change := range map[string]func(*Handler){
		"a document is needed":                  func(h *Handler) { h.Source = "" },
		"longer than 100 bytes":                 func(h *Handler) { h.Name = strings.Repeat("a", 101) },
		"not valid UTF-8":                       func(h *Handler) { h.Name = "\xff" },
		"mode \"x\"":                            func(h *Handler) { h.Mode = "x" },
		"a share of 2":                          func(h *Handler) { h.Responses, h.ResponseShare = modeReport, 2 },
		"a share of -0.1":                       func(h *Handler) { h.Responses, h.ResponseShare = modeReport, -0.1 },
		"parameter_status 500":                  func(h *Handler) { h.ParameterStatus = 500 },
		"body_status 300":                       func(h *Handler) { h.BodyStatus = 300 },
		"unknown_path 403":                      func(h *Handler) { h.UnknownPath = 403 },
		"unknown_method 403":                    func(h *Handler) { h.UnknownMethod = 403 },
		"max_body -1 is negative":               func(h *Handler) { h.MaxBody = -1 },
		"max_body 0 of operation \"x\"":         func(h *Handler) { h.MaxBodyOf = map[string]int64{"x": 0} },
		"body_timeout -1s":                      func(h *Handler) { h.BodyTimeout = minus },
		"refresh -1s":                           func(h *Handler) { h.Refresh = &minus },
		"strip_prefix \"/a/\"":                  func(h *Handler) { h.StripPrefix = "/a/" },
		"allow_refs: \"\"":                      func(h *Handler) { h.AllowRefs = []string{""} },
		"lenient_json \"x\"":                    func(h *Handler) { h.LenientJSON = []string{"x"} },
		"limits: depth -1 is negative":          func(h *Handler) { h.Limits = &Limits{Depth: -1} },
		"limits: document -1 is negative":       func(h *Handler) { h.Limits = &Limits{Document: -1} },
		"limits: violations 1001 is more than":  func(h *Handler) { h.Limits = &Limits{Violations: 1001} },
		"operation \"x\" is skipped and judged": func(h *Handler) { h.Skip, h.ReportOnly = []string{"x"}, []string{"x"} },
	} {
		h := &Handler{Name: "pets", Source: "pets.yaml"}
		change(h)
		if err := h.configure(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Every option reaches what it is for.
func TestTrackSettings(t *testing.T) {
	zero := caddy.Duration(0)
	h := &Handler{
		Source: "/a/pets.yaml", Refresh: &zero, Lazy: true, AllowRefs: []string{"a.example"}, StripPrefix: "/api", IgnoreServers: true,
		StrictQuery: true, StrictHeaders: true, LenientJSON: []string{lenientDuplicateKeys, lenientTrailingData, lenientInvalidUTF8},
		IgnoreFormats: true, RefuseReadOnly: true, Limits: &Limits{1, 2, 3, 4, 5, 6, 7},
	}
	if err := h.configure(); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(h.trackSettings())
	for _, zero := range []string{"false", `""`, "null", ":0,"} {
		if strings.Contains(strings.Replace(string(got), `"Refresh":0`, "", 1), zero) {
			t.Errorf("something is %s: %s", zero, got)
		}
	}
	if s := h.trackSettings(); s.Name != "pets" || s.MaxDocument != 7 || s.Compile.MaxIndex != 4 || s.Compile.Schema.JSON.Digits != 5 {
		t.Errorf("%s", got)
	}
}

func TestProvisionFails(t *testing.T) {
	serve(t, "respond ok")
	document := fileWith(t, petsDocument)
	tests := []struct{ name, directives, want string }{
		{"an operation with a typing error", contractOf(document, "report_only listPet"), `the document has no operation "listPet"; near it are listPets`},
		{"a path with a typing error", contractOf(document, `skip "GET /pet/{petId}"`), `near it are GET /pets/{petId}`},
		{"another operation", contractOf(document, "max_body 1KiB somethingElseAltogether"), `the document has no operation "somethingElseAltogether"`},
		{"no file", "openapi_contract pets " + filepath.Join(t.TempDir(), "none.yaml"), "none.yaml"},
		{"a broken file", "openapi_contract pets " + fileWith(t, brokenAPI), "api.yaml:3"},
		{"other settings", contractOf(document, "") + contractOf(document, "ignore_formats"), "same name with different settings"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := &gateway{t: t, address: "127.0.0.1:0", storage: t.TempDir()}
			if err := g.load(tt.directives); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestNear(t *testing.T) {
	known := []string{"listPets", "listUsers", "GET /pets", "deletePet"}
	for name, want := range map[string][]string{
		"listPet":   {"listPets", "listUsers", "deletePet"},
		"LISTPETS":  {"listPets", "listUsers"},
		"GET /pet":  {"GET /pets"},
		"ouch":      nil,
		"deletePet": {"deletePet"},
	} {
		got := near(name, known)
		if len(got) == 0 != (len(want) == 0) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("near %s are %q, want %q", name, got, want)
		}
	}
}

func TestRing(t *testing.T) {
	var r ring
	for i := range 2500 {
		r.add([]violation{{Generation: uint64(i)}})
		if i%500 != 0 && i != 2499 {
			continue
		}
		list := r.list()
		if len(list) != min(i+1, keptViolations) {
			t.Fatalf("after %d there are %d", i+1, len(list))
		}
		for j, v := range list {
			if v.Generation != uint64(i-j) {
				t.Fatalf("after %d, place %d has %d", i+1, j, v.Generation)
			}
		}
	}
}

func TestRedacted(t *testing.T) {
	rep := &schema.Report{}
	rep.At("query", strings.Repeat("ä", 500))
	rep.Add("/a", "type", "must be a number")
	list := redacted(rep, violation{Operation: "op", Generation: 3})
	if v := list[0]; v.Detail != "must be a number" || v.Code != "type" || v.Operation != "op" || len(v.Name) > maxTextBytes+3 || !utf8.ValidString(v.Name) {
		t.Errorf("%+v", v)
	}
	rep.Values = true
	if v := redacted(rep, violation{})[0]; v.Detail != "" {
		t.Errorf("%+v", v)
	}
}

func TestLimiter(t *testing.T) {
	var l limiter
	start := time.Unix(100, 0)
	for range logsPerSecond {
		if ok, omitted := l.allow(start); !ok || omitted != 0 {
			t.Fatal("too few lines are written")
		}
	}
	for range 7 {
		if ok, _ := l.allow(start); ok {
			t.Fatal("too many lines are written")
		}
	}
	if ok, omitted := l.allow(start.Add(time.Second)); !ok || omitted != 7 {
		t.Errorf("the next line says that %d were left out", omitted)
	}
}

// Handlers of one contract share what may be logged.
func TestLogOfAContract(t *testing.T) {
	core, lines := observer.New(zap.WarnLevel)
	one, other := standalone(t, petsDocument, "mode report"), standalone(t, petsDocument, "mode report")
	one.logger, other.logger, other.live = zap.New(core), zap.New(core), one.live
	rep := new(schema.Report)
	rep.Add("", "type", "must be a number")
	f := finding{op: &operation{name: "listPets"}, report: rep}
	for range logsPerSecond {
		one.log(time.Unix(100, 0), f, redacted(rep, violation{}))
		other.log(time.Unix(100, 0), f, redacted(rep, violation{}))
	}
	if lines.Len() != logsPerSecond {
		t.Errorf("%d lines are written, want %d", lines.Len(), logsPerSecond)
	}
}

func TestOperationsWithoutSeriesOfTheirOwn(t *testing.T) {
	c := newCounts("pets")
	for i := range maxOperations + 10 {
		c.operation(fmt.Sprint(i)).requests[requestOK].Add(1)
	}
	if n := c.operation("new").requests[requestOK].Load(); n != 10 {
		t.Errorf("%d requests are counted as of other operations, want 10", n)
	}
	if o := c.operation("3"); o.label != "3" || o.requests[requestOK].Load() != 1 {
		t.Error("an operation has lost its counts")
	}
	if label := c.operation("\xff").label; !utf8.ValidString(label) {
		t.Errorf("label %q", label)
	}
}

func TestMethod(t *testing.T) {
	for _, c := range []struct {
		method, path string
		major        int
		want         string
	}{{"GET", "/a", 1, "GET"}, {"CONNECT", "", 1, "CONNECT"}, {"CONNECT", "", 2, "CONNECT"}, {"CONNECT", "/a", 2, "GET"}} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL.Path, r.ProtoMajor = c.method, c.path, c.major
		if got := method(r); got != c.want {
			t.Errorf("%+v is %s", c, got)
		}
	}
}

// A Caddyfile with all options has them all in JSON.
func TestGoldenFileHasAllFields(t *testing.T) {
	golden, err := os.ReadFile("testdata/full.caddyfiletest")
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[Handler](), reflect.TypeFor[Limits]()} {
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if name != "" && name != "enforce_only" && !strings.Contains(string(golden), `"`+name+`":`) {
				t.Errorf("full.caddyfiletest lacks %s", name)
			}
		}
	}
}
