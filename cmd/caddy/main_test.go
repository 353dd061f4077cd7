package main

import (
	"os"
	"os/exec"
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

func TestVersionIsThatOfWeirAndOfCaddy(t *testing.T) {
	const caddyPath = "github.com/caddyserver/caddy/v2"
	for _, test := range []struct {
		name string
		info debug.BuildInfo
		want string
	}{
		{
			"release",
			debug.BuildInfo{
				Main: debug.Module{Version: "v1.2.3"},
				Deps: []*debug.Module{{Path: "example.com/other", Version: "v9.9.9"}, {Path: caddyPath, Version: "v2.11.9"}},
			},
			"weir v1.2.3 (caddy v2.11.9)",
		},
		{"outside a checkout", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "weir (devel) (caddy unknown)"},
	} {
		if got := version(&test.info); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestVersionCommands(t *testing.T) {
	if got := run(t, "version"); !strings.HasPrefix(got, "weir ") || !strings.Contains(got, "(caddy ") {
		t.Errorf("caddy version prints %q, want weir's version and Caddy's", got)
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
