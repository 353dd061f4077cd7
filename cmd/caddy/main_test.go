package main

import (
	"os"
	"os/exec"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// asCommand makes the test binary behave as the command, so that what it prints
// can be tested without building another binary.
const asCommand = "WEIR_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("caddy %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestVersionIsThatOfWeir(t *testing.T) {
	for stamped, want := range map[string]string{"v1.2.3": "weir v1.2.3 on Caddy", "(devel)": "weir (devel) on Caddy"} {
		if got := version(&debug.BuildInfo{Main: debug.Module{Version: stamped}}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The whole line, because Caddy puts its own version behind what it is told.
func TestVersionCommands(t *testing.T) {
	line := regexp.MustCompile(`^weir \S+ on Caddy v\d+\.\d+\.\d+ h1:\S+\n$`)
	if got := run(t, "version"); !line.MatchString(got) {
		t.Errorf("caddy version prints %q, want a line like %q", got, "weir v1.2.3 on Caddy v2.11.9 h1:...")
	}
	if got := run(t, "build-info"); !strings.Contains(got, "mod\tgithub.com/weirproxy/weir\t") {
		t.Errorf("caddy build-info does not name weir:\n%s", got)
	}
}

func TestAllModulesAreIn(t *testing.T) {
	lines := strings.Split(run(t, "list-modules", "--skip-standard"), "\n")
	for _, id := range []string{
		"admin.api.governance",
		"http.handlers.request_metrics",
		"http.handlers.trace_context",
		"http.reverse_proxy.selection_policies.success_weighted",
	} {
		if !slices.Contains(lines, id) {
			t.Errorf("caddy list-modules lacks %s:\n%s", id, strings.Join(lines, "\n"))
		}
	}
}
