package openapi

// control_test.go commands contracts of configurations that run in a Caddy.

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
)

// settled waits until the configuration that runs may do what cannot be taken back.
func settled(t *testing.T) *Handler {
	t.Helper()
	h := handlerOf(t)
	eventually(t, "the configuration is in force", func() bool {
		h.track.working.Lock()
		defer h.track.working.Unlock()
		return h.track.inForce
	})
	return h
}

// shown is what the admin API answers.
func shown(t *testing.T, answer any) map[string]any {
	t.Helper()
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func wantShown(t *testing.T, when string, got map[string]any, want map[string]any) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %s is %v, want %v", when, name, got[name], value)
		}
	}
}

func TestControl(t *testing.T) {
	path := fileWith(t, apiWith("a"))
	g := serve(t, contractOf(path, "")+"respond ok")
	h := settled(t)
	if status := g.do("GET", "/a?x=1", nil).StatusCode; status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	got := shown(t, h.Snapshot())
	wantShown(t, "at first", got, map[string]any{
		"name": "pets", "source": path, "generation": 1.0, "openapi": "3.0.3", "origin": "file", "operation_count": 1.0,
		"requests_total": 1.0, "violations_total": 0.0, "stale": false,
	})
	for _, name := range []string{"hash", "loaded_at", "checked_at"} {
		if got[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}

	answer, err := h.Replace([]byte(apiWith("b")), "application/yaml")
	if err != nil {
		t.Fatal(err)
	}
	wantShown(t, "pushed", shown(t, answer), map[string]any{"generation": 2.0, "origin": "pushed"})
	answer, err = h.Replace([]byte(`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{}}`), "application/json")
	if err != nil {
		t.Fatal(err)
	}
	wantShown(t, "pushed", shown(t, answer), map[string]any{"generation": 3.0, "openapi": "3.1.0", "operation_count": 0.0})
	answer, err = h.Control([]string{"rollback"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantShown(t, "rolled back", shown(t, answer), map[string]any{"generation": 4.0, "document": 2.0, "origin": "rollback"})
	answer, err = h.Control([]string{"reload"}, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	wantShown(t, "reloaded", shown(t, answer), map[string]any{"generation": 5.0, "origin": "file", "document": nil})
	answer, err = h.Control([]string{"rollback"}, []byte(`{"generation":3}`))
	if err != nil {
		t.Fatal(err)
	}
	wantShown(t, "rolled back", shown(t, answer), map[string]any{"generation": 6.0, "document": 3.0})

	d := shown(t, h.Detail())
	wantShown(t, "detail", d, map[string]any{"generation": 6.0, "name": "pets"})
	if n := len(d["generations"].([]any)); n != 3 {
		t.Errorf("%d generations are listed, want 3: %v", n, d["generations"])
	}
	if d["operations"] == nil || d["notes"] == nil || d["violations"] == nil {
		t.Errorf("a list is null: %v", d)
	}

	for _, tc := range []struct {
		path []string
		body string
		want error
	}{
		{nil, "{}", livestate.ErrNotFound},
		{[]string{"relaod"}, "{}", livestate.ErrNotFound},
		{[]string{"rollback", "3"}, "{}", livestate.ErrNotFound},
		{[]string{"rollback"}, `{"generation":99}`, livestate.ErrNotFound},
		{[]string{"rollback"}, `{"generation":"3"}`, livestate.ErrInvalid},
		{[]string{"rollback"}, `{"to":3}`, livestate.ErrInvalid},
		{[]string{"rollback"}, `{} {}`, livestate.ErrInvalid},
		{[]string{"reload"}, `{"now":true}`, livestate.ErrInvalid},
	} {
		if _, err := h.Control(tc.path, []byte(tc.body)); !errors.Is(err, tc.want) {
			t.Errorf("%v %s: the error is %v, want %v", tc.path, tc.body, err, tc.want)
		}
	}
	if _, err := h.Replace([]byte(brokenAPI), ""); !errors.Is(err, livestate.ErrInvalid) {
		t.Errorf("broken: %v", err)
	}
}

// The operations are shown with what became of their requests, and the last violations.
func TestDetail(t *testing.T) {
	g := pets(t, "report_only addPet", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	g.do("GET", "/pets?limit=many", nil)
	g.json("POST", "/pets", `{"name":""}`)
	d := handlerOf(t).Detail().(detailed)
	found := 0
	for _, op := range d.Operations {
		switch op.Name {
		case "listPets":
			found++
			if op.Mode != "enforce" || op.Requests["invalid"] != 1 || op.Violations != 1 || op.Method != "GET" || op.Template != "/pets" {
				t.Errorf("%+v", op)
			}
		case "addPet":
			found++
			if op.Mode != "report" || op.Requests["reported"] != 1 || op.Violations != 1 {
				t.Errorf("%+v", op)
			}
		}
	}
	if found != 2 || len(d.Violations) != 2 || d.Violations[0].Operation != "addPet" || d.ViolationsTotal != 2 || d.RequestsTotal != 2 {
		t.Errorf("%d operations found, violations %+v", found, d.Violations)
	}
}

func TestReloadOfTheConfiguration(t *testing.T) {
	path := fileWith(t, apiWith("a"))
	g := serve(t, contractOf(path, "")+"respond ok")
	first := settled(t)
	if err := g.load(contractOf(path, "mode report") + "respond ok"); err != nil {
		t.Fatal(err)
	}
	second := settled(t)
	if second == first || second.track != first.track || second.track.generation().number != 1 {
		t.Errorf("the reload made another track: %v, generation %d", second.track != first.track, second.track.generation().number)
	}
	if err := g.load(contractOf(path, "strip_prefix /api") + "respond ok"); err != nil {
		t.Fatal(err)
	}
	third := settled(t)
	if third.track == first.track || third.track.generation().number != 2 {
		t.Errorf("with other settings: the same track: %v, generation %d", third.track == first.track, third.track.generation().number)
	}
	eventually(t, "the old track has ended", func() bool { return first.track.ctx.Err() != nil && trackGoroutines() == 2 })
	if err := g.load("respond ok"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is left without the directive", func() bool { return trackGoroutines() == 0 })
}

// A configuration that does not load changes nothing, whether it is the document or something after it that fails.
func TestConfigurationThatFails(t *testing.T) {
	path := fileWith(t, apiWith("a"))
	g := serve(t, contractOf(path, "")+"respond ok")
	h := settled(t)
	if _, err := h.Replace([]byte(apiWith("pushed")), ""); err != nil {
		t.Fatal(err)
	}
	h.track.watch.close() // so that only a configuration looks
	running, stored := h.track.generation(), allFiles(t, g.storage)

	broken := fileWith(t, brokenAPI)
	if err := g.load(contractOf(broken, "") + "respond ok"); err == nil || !strings.Contains(err.Error(), broken+":3:1") {
		t.Errorf("the error is %v, want one with %s:3:1", err, broken)
	}
	other := fileWith(t, apiWith("b"))
	fails := "openapi_contract other " + filepath.Join(t.TempDir(), "missing.yaml") + "\n"
	if err := g.load(contractOf(other, "") + fails + "respond ok"); err == nil || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("the error is %v", err)
	}
	time.Sleep(200 * time.Millisecond) // for what must not happen
	if h = handlerOf(t); h.track.generation() != running || len(h.live.byKey) != 1 {
		t.Errorf("in force is %+v, %d tracks", h.track.generation().revision, len(h.live.byKey))
	}
	if now := allFiles(t, g.storage); now != stored {
		t.Errorf("in storage is %s, was %s", now, stored)
	}
}

// allFiles are the files below a folder with their sizes and times.
func allFiles(t *testing.T, folder string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.WriteString(path + " " + string(text) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// Validating a configuration changes nothing in storage, neither the copy of a URL nor what was pushed, and leaves no
// goroutine.
func TestValidate(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(apiWith("a")))
	}))
	defer server.Close()
	path := fileWith(t, apiWith("a"))
	g := serve(t, contractOf(path, "")+"respond ok")
	storage := g.storage
	if _, err := settled(t).Replace([]byte(apiWith("pushed")), ""); err != nil {
		t.Fatal(err)
	}
	adapttest.Stop(t)
	write(t, path, apiWith("b"))
	before := allFiles(t, storage)
	for _, source := range []string{path, server.URL + "/api.yaml"} {
		adapted, err := adapttest.Adapt("{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tstorage file_system {\n\t\troot " + storage +
			"\n\t}\n}\nhttp://" + g.address + " {\n\troute {\n" + contractOf(source, "") + "respond ok\n\t}\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		var config caddy.Config
		if err := json.Unmarshal([]byte(adapted), &config); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&config); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
	eventually(t, "no goroutine is left", func() bool { return trackGoroutines() == 0 })
	if now := allFiles(t, storage); now != before || asked.Load() != 1 {
		t.Errorf("in storage is %s, was %s; the URL was asked %d times", now, before, asked.Load())
	}
	write(t, path, apiWith("a"))
	if err := g.load(contractOf(path, "") + "respond ok"); err != nil {
		t.Fatal(err)
	}
	wantOperation(t, "started after that", settled(t).track, "pushed")
}

// A real server, with what real servers do: the copy outlives the process, and 304 costs no compile.
func TestURLInACaddy(t *testing.T) {
	var text atomic.Pointer[string]
	text.Store(new(apiWith("a")))
	started := time.Now()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text.Load() == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		http.ServeContent(w, r, "api.yaml", started, strings.NewReader(*text.Load()))
	}))
	defer server.Close()
	directives := contractOf(server.URL+"/api.yaml", "refresh 1s") + "respond ok"
	g := serve(t, directives)
	h := settled(t)
	first := h.track.generation()
	if _, err := h.Control([]string{"reload"}, nil); err != nil || h.track.generation() != first {
		t.Errorf("unchanged: %v, generation %d", err, h.track.generation().number)
	}
	text.Store(nil)
	if _, err := h.Control([]string{"reload"}, nil); !errors.Is(err, livestate.ErrUnavailable) || !strings.Contains(err.Error(), "503") {
		t.Errorf("unavailable: %v", err)
	}
	adapttest.Stop(t)
	if err := g.load(directives); err != nil {
		t.Fatal(err)
	}
	h = handlerOf(t)
	wantOperation(t, "restarted", h.track, "a")
	if !h.snapshot().Stale || !strings.Contains(h.snapshot().Error, "503") {
		t.Errorf("%+v", h.snapshot())
	}
}
