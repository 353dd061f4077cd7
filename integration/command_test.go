package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// proxy writes a Caddyfile whose line 3 is the given one, in a policy's block.
func proxy(line string) string {
	return fmt.Sprintf(":0 {\n\treverse_proxy 127.0.0.1:1 127.0.0.1:2 {\n\t\tlb_policy success_weighted {\n\t\t\t%s\n\t\t}\n\t}\n}\n", line)
}

func TestCommandsNameTheFileAndTheLineOfAMistake(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, caddyfile string
		line            int
		want            string
	}{
		{"balance: unknown option", proxy("florr 5%"), 4, "florr"},
		{"balance: no number", proxy("alpha many"), 4, "alpha"},
		{"balance: alpha 0", proxy("alpha 0"), 4, "alpha: 0 is not above 0"},
		{"balance: alpha above 1", proxy("alpha 1.5"), 4, "alpha: 1.5 is not above 0"},
		{"balance: negative floor", proxy("floor -5%"), 4, "floor"},
		{"balance: a pool for each path", proxy("name {path}"), 4, "placeholder"},
		{"balance: share out of range", proxy("floor 200%"), 4, "floor"},
		{"balance: no duration", proxy("half_life soon"), 4, "half_life"},
		{"balance: no status", proxy("failure_status 5yy"), 4, "failure_status"},
		{"balance: twice", proxy("eject_after 3\n\t\t\teject_after 4"), 5, "twice"},
		{"balance: negative weight", ":0 {\n\treverse_proxy 127.0.0.1:1 {\n\t\tlb_policy success_weighted -1\n\t}\n}\n", 3, "-1"},
		{"balance: negative weight among others", ":0 {\n\treverse_proxy 127.0.0.1:1 127.0.0.1:2 {\n\t\tlb_policy success_weighted 3 -0.5\n\t}\n}\n", 3, "weight -0.5 is negative"},
		{"balance: all weights 0", ":0 {\n\treverse_proxy 127.0.0.1:1 {\n\t\tlb_policy success_weighted 0\n\t}\n}\n", 3, "all weights are 0"},
		{"trace: unknown option", ":0 {\n\ttrace_context {\n\t\texcept w3c\n\t}\n\trespond hi\n}\n", 3, "except"},
		{"trace: unknown format", ":0 {\n\ttrace_context {\n\t\taccept w4c\n\t}\n\trespond hi\n}\n", 3, "w4c"},
		{"trace: value", ":0 {\n\n\ttrace_context w3c,b3\n\trespond hi\n}\n", 3, "w3c,b3"},
		{"metrics: two names", ":0 {\n\trequest_metrics a b\n\trespond hi\n}\n", 2, "b"},
		{"metrics: placeholder", ":0 {\n\trequest_metrics {path}\n\trespond hi\n}\n", 2, "placeholder"},
		{"metrics: descending buckets", ":0 {\n\trequest_metrics a {\n\t\tbuckets 1 2 1.5\n\t}\n\trespond hi\n}\n", 3, "1.5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "Caddyfile")
			if err := os.WriteFile(file, []byte(test.caddyfile), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range []string{"adapt", "validate"} {
				output, status := Command(t, Weir(t), command, "--config", file)
				place := fmt.Sprintf("%s:%d", file, test.line)
				if status == 0 || !strings.Contains(output, place) || !strings.Contains(output, test.want) {
					t.Errorf("caddy %s ends with %d and says\n%s\nwant a failure, %s and %q", command, status, output, place, test.want)
				}
			}
		})
	}
}

func TestValidateNamesThePoolsThatContradictEachOther(t *testing.T) {
	t.Parallel()
	const twice = `:0 {
	handle /a* {
		reverse_proxy 127.0.0.1:1 {
			lb_policy success_weighted {
				name shop
			}
		}
	}
	handle {
		reverse_proxy 127.0.0.1:2 {
			lb_policy success_weighted {
				name shop
				floor 10%
			}
		}
	}
}
`
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte(twice), 0o600); err != nil {
		t.Fatal(err)
	}
	output, status := Command(t, Weir(t), "validate", "--config", file)
	for _, want := range []string{"shop", "127.0.0.1:1", "127.0.0.1:2"} {
		if status == 0 || !strings.Contains(output, want) {
			t.Errorf("caddy validate ends with %d, want a failure that names %s:\n%s", status, want, output)
		}
	}
}

// What a policy's block says cannot be compared with the upstreams before those are
// known, so there is a pool in the message instead of a line.
func TestValidateNamesThePoolWhoseWeightsDoNotFit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ caddyfile, want string }{
		"too many": {
			":0 {\n\treverse_proxy 127.0.0.1:1 127.0.0.1:2 {\n\t\tlb_policy success_weighted 3 5 7\n\t}\n}\n",
			"lb_policy success_weighted: 3 weights for 2 static upstreams [127.0.0.1:1 127.0.0.1:2]",
		},
		"dynamic": {
			":0 {\n\treverse_proxy {\n\t\tdynamic a localhost 80\n\t\tlb_policy success_weighted 3 {\n\t\t\tname shop\n\t\t}\n\t}\n}\n",
			"lb_policy success_weighted: 1 weights for 0 static upstreams []",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "Caddyfile")
			if err := os.WriteFile(file, []byte(test.caddyfile), 0o600); err != nil {
				t.Fatal(err)
			}
			if output, status := Command(t, Weir(t), "validate", "--config", file); status == 0 || !strings.Contains(output, test.want) {
				t.Errorf("caddy validate ends with %d, want a failure with %q:\n%s", status, test.want, output)
			}
		})
	}
}

func TestTheVersionIsThatOfWeirAndOfCaddy(t *testing.T) {
	t.Parallel()
	output, status := Command(t, Weir(t), "version")
	if status != 0 || !regexp.MustCompile(`^weir \S+ on Caddy v\d+\.\d+\.\d+ h1:\S+\n$`).MatchString(output) {
		t.Errorf("caddy version ends with %d and says %q", status, output)
	}
}

func TestTheExampleIsValid(t *testing.T) {
	t.Parallel()
	config, _ := example(t)
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, status := Command(t, Weir(t), "validate", "--config", file); status != 0 || !strings.Contains(output, "Valid configuration") {
		t.Errorf("caddy validate ends with %d:\n%s", status, output)
	}
}
