package cli

import (
	"context"
	"strings"
	"testing"
)

// What is wrong with the command line is told before any server is started.
func TestBenchAndDevRefuseNonsense(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"bench --sink kafka":                         "sink",
		"bench --sink all,null":                      "sink",
		"bench --scenario sprint":                    "scenario",
		"bench --scenario backlog --sink bare":       "bare",
		"bench --messages 0":                         "messages",
		"bench --workers 9":                          "workers",
		"bench --output xml":                         "--output",
		"bench --relay-synchronous-commit sometimes": "synchronous commit",
		"bench now":                                  "now",
		"dev --rate 0":                               "rate",
		"dev --for -1s":                              "for",
		"dev now":                                    "now",
	} {
		var out, problems strings.Builder
		code := Execute(context.Background(), Process{Args: strings.Fields(line), Out: &out, Err: &problems})
		if code != exitUsage || !strings.Contains(problems.String(), want) || out.Len() > 0 {
			t.Errorf("%s: exit %d, %q and %q, want %d with %q", line, code, out.String(), problems.String(), exitUsage, want)
		}
	}
}
